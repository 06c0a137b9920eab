"""First steps of experiments: what they cost, and whether two cells do the very same thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from lab.plan.plan import Cell, Plan, short
from lab.spec.experiment import Experiment
from lab.spec.spec import digest


@dataclass(frozen=True)
class Trace:
    """The first steps of a cell."""

    cell: str
    step_ms: float = 0.0
    epoch_steps: int = 0
    """Steps of one epoch."""
    params: int = 0
    fingerprint: str = ""
    """Equal for two cells whose parameters and first losses are the same, bit for bit."""
    error: str = ""


def trace_cells(cells: Iterable[Cell], *, steps: int = 2, hear: Callable[[Trace], None]) -> dict[str, Trace]:
    """Build each cell and take its first steps; a cell that fails is told as such and does not stop the others."""
    traces = {}
    for cell in cells:
        traces[cell.id] = trace(cell.id, cell.experiment, steps=steps)
        hear(traces[cell.id])
    return traces


def trace(cell: str, experiment: Experiment, *, steps: int = 2) -> Trace:
    """Build one experiment and take its first steps. Loads torch."""
    from lab.train.build import smoke

    try:
        told = smoke(experiment, steps=steps)
    except Exception as error:
        return Trace(cell, error=f"{type(error).__name__}: {error}")
    shapes = {name: list(shape) for name, shape in told.params.items()}
    fingerprint = digest({"shapes": shapes, "losses": [value.hex() for value in told.losses]})
    return Trace(cell, told.step_ms, told.epoch_steps, told.num_params, fingerprint)


def no_ops(plan: Plan, traces: Mapping[str, Trace]) -> list[str]:
    """Options of a model whose levels change nothing: cells that differ in one only and start bit for bit alike.

    Options of the training are left out: many act later than the first steps.
    """
    same: dict[str, list[Cell]] = defaultdict(list)
    for cell in plan.cells:
        known = traces.get(cell.id)
        if known is not None and known.fingerprint:
            same[known.fingerprint].append(cell)
    told: dict[tuple[str, str, str], int] = defaultdict(int)
    for alike in same.values():
        for first, second in _pairs(alike):
            difference = [key for key in first.levels if first.levels.get(key) != second.levels.get(key)]
            if (
                len(difference) == 1
                and difference[0].startswith("model.")
                and first.levels.keys() == second.levels.keys()
            ):
                key = difference[0]
                told[key, str(first.levels[key]), str(second.levels[key])] += 1
    return [
        f"{key} changes nothing between {one} and {other}: same modules and same first losses bit for bit, "
        f"in {count} pair{'s' if count > 1 else ''} of cells; drop the level, or vary what would make "
        f"{short(key)} matter"
        for (key, one, other), count in told.items()
    ]


def _pairs(cells: list[Cell]) -> Iterable[tuple[Cell, Cell]]:
    return ((cells[i], cells[j]) for i in range(len(cells)) for j in range(i + 1, len(cells)))
