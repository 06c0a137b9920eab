"""Margins: the mean score at each combination of two factors, over cells that are equal in all else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.analysis.estimate import Estimate, estimate
from lab.analysis.table import ScoreTable
from lab.spec.spec import Level


@dataclass(frozen=True)
class Margins:
    """What an interaction plot draws."""

    factors: tuple[str, str]
    levels: tuple[tuple[Level, ...], tuple[Level, ...]]
    scores: tuple[tuple[Estimate, ...], ...]
    """[levels of the first, levels of the second]; over seeds."""
    cells: int
    """Cells behind each combination."""


def margins(table: ScoreTable, first: str, second: str) -> Margins | None:
    """The mean at every combination of two factors; None where no cells have them all, all else being equal.

    Only seeds that every one of these cells has count, so that combinations differ in nothing else.
    """
    combinations = [
        (code, other) for code in range(len(table.levels[first])) for other in range(len(table.levels[second]))
    ]
    rest = table.rest(first, second)
    groups = _whole(table, rest, [table.at((first, code), (second, other)) for code, other in combinations])
    if not len(groups):
        return None
    common = np.flatnonzero(np.all(table.has[groups.ravel()], axis=0))
    if not len(common):
        return None
    told = [estimate(table.scores[cells][:, common].mean(axis=0).tolist()) for cells in groups.T]
    width = len(table.levels[second])
    return Margins(
        factors=(first, second),
        levels=(table.levels[first], table.levels[second]),
        scores=tuple(tuple(told[at : at + width]) for at in range(0, len(told), width)),
        cells=len(groups),
    )


def _whole(table: ScoreTable, rest: np.ndarray, corners: Sequence[np.ndarray]) -> np.ndarray:
    """[groups, corners] cells that are equal but for the two factors, where every one of them has a score."""
    scored = frozenset(np.flatnonzero(np.any(table.has, axis=1)).tolist())
    by_rest = [{int(rest[cell]): int(cell) for cell in corner if int(cell) in scored} for corner in corners]
    whole = [key for key in by_rest[0] if all(key in at for at in by_rest)]
    return np.array([[at[key] for at in by_rest] for key in whole], dtype=np.intp).reshape(len(whole), len(corners))
