"""From a case and a seed to a log: real training with every probe on, kept so that rules can be tried on it again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.faults.cases import Case
from lab.data.load import load_dataset
from lab.probes.summary import Point
from lab.train.member import Member
from lab.train.run import Run

SAID = b"faults"
"""Key of a kept table's metadata: how the run went."""


@dataclass(frozen=True, eq=False)
class Log:
    """What a run left: its readings, and how it went."""

    readings: pa.Table
    status: str
    steps: int
    accuracy: float
    """Of the validation graphs after the last epoch."""
    classes: int
    sizes: dict[str, int]
    """Elements of every parameter that learns."""
    matrices: list[str]
    """Those with two or more axes."""

    @cached_property
    def _frames(self) -> dict[str, pd.DataFrame]:
        told = self.readings.to_pandas()
        return {str(probe): rows for probe, rows in told.groupby("probe", observed=True)}

    def series(self, probe: str, statistic: str) -> pd.DataFrame:
        """One statistic, a row a step and a column a name; no rows where it was not taken."""
        rows = self._frames.get(probe, pd.DataFrame())
        if statistic not in rows:
            return pd.DataFrame()
        wide = rows.pivot_table(index="step", columns="name", values=statistic, observed=True, dropna=False)
        return wide.dropna(axis="columns", how="all")

    def write(self, path: Path) -> None:
        """Keep it."""
        said = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "readings"}
        known = {**(self.readings.schema.metadata or {}), SAID: json.dumps(said).encode()}
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(self.readings.replace_schema_metadata(known), path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Log:
        """What was kept."""
        readings = pq.read_table(path)
        return cls(readings, **json.loads(readings.schema.metadata[SAID]))


def train(case: Case, seed: int) -> Log:
    """Train a case to its end."""
    experiment = case.experiment
    dataset = case.spoil(load_dataset(experiment.dataset, seed))
    with torch.random.fork_rng(devices=[]):
        run = Run(Member(experiment, seed, cell=""), dataset, seconds=None)
        case.plant(run)
        status = _to_the_end(run)
        run.conclude()
    readings = run.readings()
    assert readings is not None, f"{case.name} left no readings"
    layout = run.pack.layout
    return Log(
        readings,
        status,
        steps=run.past.step,
        accuracy=run.past.history.get(f"valid.{run.task.main}", [math.nan])[-1],
        classes=dataset.shape.classes,
        sizes=dict(zip(layout.names, layout.sizes, strict=True)),
        matrices=[name for name, is_one in zip(layout.names, layout.is_matrix, strict=True) if is_one],
    )


def _to_the_end(run: Run) -> str:
    while run.past.epoch < run.training.epochs:
        ended = run.learn(_unheard) or run.settle(run.score(_unheard))
        if ended is not None:
            return ended[0]
    return "done"


def _unheard(points: Sequence[Point]) -> None:
    """Nobody watches a server here."""
