"""Tables of scores for tests of the analysis: full grids, with the scores that a test gives them."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np

from lab.analysis.outline import Outline, PlannedCell, labelled
from lab.analysis.rows import Row
from lab.analysis.table import ScoreTable, table_of

Cell = Mapping[str, object]


def full(**levels: Sequence[object]) -> list[dict[str, object]]:
    """Every combination, the first factor turning slowest."""
    return [dict(zip(levels, row, strict=True)) for row in product(*levels.values())]


def outline_of(cells: Sequence[Cell], goal: str = "max", **said: object) -> Outline:
    """The plan of these cells; the first is the reference."""
    factors = tuple(dict.fromkeys(key for cell in cells for key in cell))
    planned = {f"c{number}": PlannedCell(f"c{number}", labelled(cell), cell) for number, cell in enumerate(cells)}
    given: dict[str, object] = {"factors": factors, "base": cells[0]} | said
    return Outline(
        "s",
        "?",
        "",
        "valid.acc",
        goal,
        "best_epoch",
        None,
        given.pop("factors"),
        "c0",
        given.pop("base"),
        planned,
        (),
        **given,
    )  # type: ignore[arg-type]


def rows_of(cells: Sequence[Cell], scores: Sequence[Sequence[float]]) -> list[Row]:
    """Finished trials: one list of scores a cell; NaN is a trial that has not run."""
    return [
        Row(f"c{cell}-{seed}", f"c{cell}", "", seed, status="done", score=float(value), levels=cells[cell])
        for cell, values in enumerate(scores)
        for seed, value in enumerate(values)
        if not np.isnan(value)
    ]


def table(cells: Sequence[Cell], scores: Sequence[Sequence[float]], **said: object) -> ScoreTable:
    """The matrix of such trials."""
    return table_of(rows_of(cells, scores), outline_of(cells, **said))  # type: ignore[arg-type]


def noisy(
    cells: Sequence[Cell], seeds: int, mean: Callable[[Cell], float], *, seed: int = 0, sd: float = 1.0
) -> np.ndarray:
    """Scores [cells, seeds] with planted means, luck that all cells of a seed share, and noise."""
    generator = np.random.default_rng(seed)
    luck = 2 * sd * generator.normal(size=seeds)
    return np.array([mean(cell) + luck + sd * generator.normal(size=seeds) for cell in cells])
