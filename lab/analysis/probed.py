"""What one trial's probes read, as grids of names by time: the ground that the probe page is drawn on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lab.analysis.alerts import Alert, alerts
from lab.analysis.naming import Named
from lab.analysis.outline import Outline
from lab.analysis.table import Floats, Numbers
from lab.errors import LabError
from lab.records.blocks import block_of
from lab.records.chunk import TOTAL
from lab.records.record import FAILED, Origin
from lab.records.rules.facts import Facts, facts_of
from lab.records.rules.health import Status, status_of
from lab.records.step_memory import StepMemory
from lab.records.store import Store
from lab.records.unfinished import unfinished
from lab.spec.rules import Finding

if TYPE_CHECKING:
    import pyarrow as pa

WINDOW = 50
"""Steps that a reading may stand for."""
RUNNING = "running"
"""The status of a trial that has a checkpoint and no record."""


@dataclass(frozen=True)
class Grid:
    """One statistic by name and step."""

    names: tuple[str, ...]
    steps: Numbers
    values: Floats
    """[names, steps]; NaN where nothing was read. A window's is its middle, its largest for rare events."""
    low: Floats
    high: Floats
    """[names, steps] the extremes of a window; the value itself where a reading was kept as it was."""

    def only(self, keep: Callable[[str], bool]) -> Grid | None:
        """The rows whose name is wanted; None where there is none."""
        kept = [place for place, name in enumerate(self.names) if keep(name)]
        return self.rows(kept) if kept else None

    def rows(self, kept: Sequence[int]) -> Grid:
        """Some rows, in the order they are given in."""
        names = tuple(self.names[place] for place in kept)
        return replace(self, names=names, values=self.values[kept], low=self.low[kept], high=self.high[kept])

    def one(self, name: str) -> Grid | None:
        """The row of one name."""
        return self.only(name.__eq__)


@dataclass(frozen=True)
class Probed:
    """One trial as its probes saw it, finished or not."""

    trial: str
    study: str
    label: str
    seed: int
    status: str
    steps: int
    """Steps taken, as far as is known."""
    readings: pa.Table | None
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    origin: Origin = field(default_factory=Origin)
    seconds: float = 0.0
    error: str = ""
    memory: StepMemory = field(default_factory=StepMemory)

    @property
    def is_running(self) -> bool:
        """Whether it has no record yet."""
        return self.status == RUNNING

    @cached_property
    def alerts(self) -> tuple[Alert, ...]:
        """What rules found, numbered by time, causes first."""
        return alerts(self.findings)

    @cached_property
    def probes(self) -> frozenset[str]:
        """The kinds of probes that read something."""
        return frozenset(self.readings["probe"].unique().to_pylist()) if self.readings is not None else frozenset()

    @property
    def health(self) -> Status:
        """Broken by a fatal finding or a failed run, warned by what else stands by itself."""
        return "broken" if self.status in FAILED else status_of(self.findings)

    @cached_property
    def facts(self) -> Facts:
        """What was known of the run from its start on."""
        return facts_of(self.readings) if self.readings is not None else Facts()

    @cached_property
    def matrices(self) -> frozenset[str]:
        """The weight matrices: what bands of ratios are meant for; all but biases where no table tells."""
        norms = self.grid("gradients", "grad_norm")
        named = norms.names if norms is not None else ()
        is_told = bool(self.facts.vectors or self.facts.names)
        return frozenset(name for name in named if (self.facts.is_matrix(name) if is_told else "bias" not in name))

    def grid(self, probe: str, statistic: str) -> Grid | None:
        """A statistic by name, in the order of the model; None where nothing was read."""
        return self._once(probe, statistic, is_total=False)

    def total(self, probe: str, statistic: str) -> Grid | None:
        """A statistic of the whole model, as a grid of one row."""
        return self._once(probe, statistic, is_total=True)

    @cached_property
    def _grids(self) -> dict[tuple[str, str, bool], Grid | None]:
        """Grids that were asked for before: a page looks at the same ones again and again."""
        return {}

    def _once(self, probe: str, statistic: str, *, is_total: bool) -> Grid | None:
        key = probe, statistic, is_total
        if key not in self._grids:
            self._grids[key] = self._grid(probe, statistic, is_total=is_total)
        return self._grids[key]

    def _grid(self, probe: str, statistic: str, *, is_total: bool) -> Grid | None:
        import pyarrow.compute as pc

        if self.readings is None or statistic not in self.readings.column_names:
            return None
        here = pc.and_(pc.equal(self.readings["probe"], probe), pc.is_valid(self.readings[statistic]))
        named = pc.equal(self.readings["name"], TOTAL)
        rows = self.readings.filter(pc.and_(here, named if is_total else pc.invert(named)))
        return _held(_pivoted(rows, statistic), self.steps) if rows.num_rows else None

    @cached_property
    def epoch_ends(self) -> tuple[int, ...]:
        """The last step of each epoch: as the evaluations were read, else in equal parts."""
        epochs = max(map(len, self.history.values()), default=0)
        read = self.grid("evaluation", "recall") or self.total("evaluation", "loss")
        if read is not None and len(read.steps) == epochs:
            return tuple(read.steps.tolist())
        return tuple(round((number + 1) * self.steps / epochs) - 1 for number in range(epochs))

    def recalls(self) -> dict[str, tuple[list[int], list[float]]]:
        """Each class's recall on the validation graphs as (steps, values); from the scores where no probe read it."""
        if (grid := self.grid("evaluation", "recall")) is not None:
            return {
                name: (grid.steps.tolist(), row.tolist()) for name, row in zip(grid.names, grid.values, strict=True)
            }
        told = {key.removeprefix("valid.acc_"): values for key, values in self.history.items()}
        return {name: (list(self.epoch_ends), list(values)) for name, values in told.items() if name.isdigit()}

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The blocks of the model that hold matrices, in the order the data meets them."""
        norms = self.grid("gradients", "grad_norm")
        named = norms.names if norms is not None else ()
        return tuple(dict.fromkeys(block_of(name) for name in named if name in self.matrices))

    def by_block(self, statistic: str) -> Grid | None:
        """A norm of the matrices of each block together: the root of the sum of their squares."""
        grid = self.grid("gradients", statistic)
        own = grid.only(self.matrices.__contains__) if grid is not None else None
        if own is None:
            return None
        members = [[place for place, name in enumerate(own.names) if block_of(name) == each] for each in self.blocks]
        joined = np.stack([np.sqrt(np.square(own.values[places]).sum(axis=0)) for places in members])
        return Grid(self.blocks, own.steps, joined, joined, joined)


def probed(store: Store, named: Named) -> Probed:
    """A trial's readings, findings and history: from its record, or from its last checkpoint while it runs."""
    label, seed = _label(store, named), int(re.split("[-r]", named.trial)[1])
    record = store.read(named.trial, study=named.study)
    if record is not None:
        readings = store.readings(named.trial, study=record.reused or record.study)
        label = label or record.label
        told = Probed(named.trial, named.study, label, seed, record.status, 0, readings, record.history)
        told = replace(told, findings=record.findings, origin=record.origin, seconds=record.seconds, error=record.error)
        told = replace(told, memory=record.memory)
    else:
        under_way = unfinished(store, named.trial)
        if under_way is None:
            raise LabError(
                f"trial {named.trial} of study '{named.study}' has left nothing to look at yet",
                hint="it is pending, or in its first epoch: readings are kept when an epoch ends; see lab status",
            )
        told = Probed(named.trial, named.study, label, seed, RUNNING, under_way.step, under_way.readings)
        told = replace(told, history=under_way.history, seconds=under_way.seconds, findings=under_way.findings)
    return replace(told, steps=max(told.steps, _last_step(told.readings) + 1))


def _label(store: Store, named: Named) -> str:
    try:
        outline = Outline.of(store.read_plan(named.study))
    except (LabError, KeyError, TypeError):
        return ""
    cell = named.trial.partition("-")[0]
    return outline.told(cell) if cell in outline.cells else ""


def _last_step(readings: pa.Table | None) -> int:
    import pyarrow.compute as pc

    return int(pc.max(readings["step"]).as_py()) if readings is not None and readings.num_rows else -1


def _held(grid: Grid, steps: int) -> Grid:
    """The same grid with its last reading drawn out to the end of the run, where that is a window's length away."""
    if not 0 < steps - 1 - grid.steps[-1] < WINDOW:
        return grid
    values, low, high = (np.concatenate([each, each[:, -1:]], axis=1) for each in (grid.values, grid.low, grid.high))
    return Grid(grid.names, np.append(grid.steps, steps - 1), values, low, high)


def _pivoted(rows: pa.Table, statistic: str) -> Grid:
    """Rows in long form as a grid."""
    encoded = rows["name"].cast("string").combine_chunks().dictionary_encode()
    names = tuple(encoded.dictionary.to_pylist())
    steps, when = np.unique(rows["step"].to_numpy(), return_inverse=True)
    spots = encoded.indices.to_numpy(), when

    def filled(column: str, missing: Floats) -> Floats:
        grid = missing.copy()
        if column in rows.column_names:
            told = rows[column].to_numpy().astype(float)
            is_told = ~np.isnan(told)
            grid[spots[0][is_told], spots[1][is_told]] = told[is_told]
        return grid

    values = filled(statistic, np.full((len(names), len(steps)), np.nan))
    return Grid(names, steps, values, filled(f"{statistic}_min", values), filled(f"{statistic}_max", values))
