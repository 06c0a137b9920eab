"""A study's scores as one matrix, cells by seeds, and its levels as numbers: what every effect is computed from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lab.analysis.cells import scores_of
from lab.analysis.outline import Outline
from lab.analysis.rows import Row
from lab.spec.spec import Level

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class ScoreTable:
    """Finished scores only: what failed, was pruned or is not in yet is NaN here."""

    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    """Every seed that some cell has a score of, in order."""
    scores: Floats
    """[cells, seeds]"""
    factors: tuple[str, ...]
    """The study's factors; further keys of cells, such as an arm's changes, are in `levels` after them."""
    levels: Mapping[str, tuple[Level, ...]]
    """The levels of each key, the base's first."""
    codes: Numbers
    """[cells, keys] -> place among the key's levels; the base's where the key does not exist in a cell."""
    exists: Truths
    """[cells, keys] -> whether the cell has the key at all."""
    reference: int | None
    """The base's row, where it is a cell of the plan."""
    sign: int = 1
    """1 where more is better, -1 where less is."""

    @cached_property
    def has(self) -> Truths:
        """[cells, seeds] -> whether there is a score."""
        return np.isfinite(self.scores)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """What the columns of `codes` stand for."""
        return tuple(self.levels)

    def column(self, factor: str) -> int:
        """The column of a factor."""
        return self.keys.index(factor)

    def others(self, factor: str) -> range:
        """The codes of a factor's levels beside the base's."""
        return range(1, len(self.levels.get(factor, ())))

    def at(self, *settings: tuple[str, int]) -> Numbers:
        """The cells that have all of these factors, at these codes."""
        here = np.ones(len(self.cells), dtype=bool)
        for factor, code in settings:
            column = self.column(factor)
            here &= self.exists[:, column] & (self.codes[:, column] == code)
        return np.flatnonzero(here)

    def rest(self, *factors: str) -> Numbers:
        """A number for each cell that is equal where everything but these factors is."""
        codes = self.codes.copy()
        codes[:, [self.column(factor) for factor in factors]] = 0
        if not codes.size:
            return np.zeros(len(self.cells), dtype=np.intp)
        return np.unique(codes, axis=0, return_inverse=True)[1].ravel()

    def with_scores(self, scores: Floats) -> ScoreTable:
        """The same cells and seeds with other scores."""
        return replace(self, scores=scores)


def table_of(rows: Sequence[Row], outline: Outline) -> ScoreTable:
    """Put the finished scores of compared trials into a matrix."""
    by_cell = scores_of(rows, outline)
    seeds = tuple(sorted({seed for scores in by_cell.values() for seed in scores}))
    place = {seed: number for number, seed in enumerate(seeds)}
    scores = np.full((len(by_cell), len(seeds)), np.nan)
    for number, by_seed in enumerate(by_cell.values()):
        scores[number, [place[seed] for seed in by_seed]] = list(by_seed.values())
    levels = {key: _levels(outline, key) for key in _keys(outline)}
    codes = np.zeros((len(by_cell), len(levels)), dtype=np.intp)
    exists = np.zeros(codes.shape, dtype=bool)
    for column, (key, known) in enumerate(levels.items()):
        codes[:, column], exists[:, column] = _coded(outline, key, known)
    return ScoreTable(
        cells=tuple(by_cell),
        seeds=seeds,
        scores=scores,
        factors=outline.factors,
        levels=levels,
        codes=codes,
        exists=exists,
        reference=list(by_cell).index(outline.reference) if outline.reference in by_cell else None,
        sign=outline.sign,
    )


def word_of(level: object) -> str:
    """A level as text that is equal where the level is; a list like a tuple."""
    return json.dumps(level, sort_keys=True, default=str)


def _keys(outline: Outline) -> list[str]:
    """The factors in the order of the study file, then whatever else cells tell of."""
    seen = dict.fromkeys([*outline.factors, *outline.base])
    return list(seen | dict.fromkeys(key for cell in outline.cells.values() for key in cell.levels))


def _levels(outline: Outline, key: str) -> tuple[Level, ...]:
    """The base's level, or the first one that a cell has where the base has none; then the others in plan order."""
    told: Iterator[Level] = (cell.levels[key] for cell in outline.cells.values() if key in cell.levels)
    first = [outline.base[key]] if key in outline.base else []
    known: dict[str, Level] = {}
    for level in [*first, *told]:
        known.setdefault(word_of(level), level)
    return tuple(known.values())


def _coded(outline: Outline, key: str, known: Sequence[Level]) -> tuple[list[int], list[bool]]:
    codes = {word_of(level): code for code, level in enumerate(known)}
    exists = [key in cell.levels for cell in outline.cells.values()]
    return [codes[word_of(cell.levels[key])] if key in cell.levels else 0 for cell in outline.cells.values()], exists
