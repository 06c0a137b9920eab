"""Scores that come in numbers, such as an error for each step of a forecast: a row a cell, as means over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np

from lab.analysis.curves import MOST_SEEDS, Band
from lab.analysis.rows import Row
from lab.analysis.table import Floats
from lab.records.record import Record
from lab.records.store import Store
from lab.spec.forecast_scores import PIT_BINS

STEPPED = ("mae", "rmse", "mape", "crps", "nll")
"""Scores that there is one of for each step."""


@dataclass(frozen=True)
class Numbered:
    """What one cell's finished trials say, place by place."""

    cell: str
    at: tuple[float, ...]
    band: Band


def by_step(store: Store, rows: Iterable[Row], cell: str, score: str) -> Numbered | None:
    """A score, written split.name, step by step; None where it was not told so."""
    seen = _seen(store, rows, cell, score)
    return Numbered(cell, tuple(map(float, range(1, seen.shape[1] + 1))), Band.over_seeds(seen)) if seen.size else None


def coverage(store: Store, rows: Iterable[Row], cell: str, split: str) -> Numbered | None:
    """How much of what came fell into central intervals of the forecast, by how much was to; None where none was."""
    shares = _seen(store, rows, cell, f"{split}.pit")
    if shares.shape[1] != PIT_BINS:
        return None
    half = PIT_BINS // 2
    covered = np.stack([shares[:, half - each : half + each].sum(1) for each in range(1, half)], axis=1)
    return Numbered(cell, tuple(each / half for each in range(1, half)), Band.over_seeds(covered))


def stepped(score: str, final: str | None) -> str:
    """The score to tell step by step: of the split that is final, and the study's own if it has steps."""
    split, name = (final or score).partition(".")[0], score.partition(".")[2]
    stem = name.partition("_")[0]
    return f"{split}.{stem if stem in STEPPED else 'mae'}"


def _seen(store: Store, rows: Iterable[Row], cell: str, score: str) -> Floats:
    """[seeds, places] of `score_1`, `score_2`, ... at the epoch that counts."""
    done = [row for row in rows if row.cell == cell and row.role == "compare" and row.status == "done"]
    told = [_numbers(store.read(row.trial, study=row.study), row, score) for row in done[:MOST_SEEDS]]
    longest = max(map(len, told), default=0)
    whole = [values for values in told if len(values) == longest]
    return np.array(whole, dtype=np.float64).reshape(len(whole), longest)


def _numbers(record: Record | None, row: Row, score: str) -> Sequence[float]:
    if record is None or not row.epoch > 0:
        return ()
    names = takewhile(record.history.__contains__, (f"{score}_{place}" for place in count(1)))
    return [record.score(name, int(row.epoch) - 1) for name in names]
