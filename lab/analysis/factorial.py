"""The factorial model of a study's cells: columns for main effects and two-way interactions, seeds as blocks.

All sums of squares come from comparing models. A model is a choice of columns over cells; the seeds are swept out of
it exactly (Frisch, Waugh and Lovell), so that ten thousand trials cost no more than their cells do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np

from lab.analysis.table import Floats, Numbers, ScoreTable

MOST_COLUMNS = 400
"""Columns up to which interactions are modelled; beyond, main effects alone."""
TINY = 1e-9
"""An eigenvalue this small beside the largest possible one is zero."""


@dataclass(frozen=True)
class Term:
    """A main effect (one factor) or an interaction (two), and its columns."""

    factors: tuple[str, ...]
    columns: range

    @property
    def name(self) -> str:
        """How a reader is told of it."""
        return " x ".join(self.factors)


@dataclass(frozen=True)
class Factorial:
    """Cells with scores, their scores, and the columns of all terms, coded so that each factor's levels sum to zero."""

    table: ScoreTable
    """Of the cells and seeds that have a score."""
    terms: tuple[Term, ...]
    matrix: Floats
    """[cells, columns]"""
    main_only: bool = False
    """Whether interactions were left out for their number."""

    @cached_property
    def num_scores(self) -> int:
        """Trials with a score."""
        return int(self.table.has.sum())

    @cached_property
    def centred(self) -> Floats:
        """Scores less their mean, 0 where there is none."""
        scores = self.table.scores
        return np.where(self.table.has, scores - np.nanmean(scores), 0.0)

    @cached_property
    def products(self) -> tuple[Floats, Floats, float]:
        """Of columns with columns, of columns with scores, of scores with scores, all within seeds."""
        has, scores = self.table.has.astype(float), self.centred
        weights = 1 / has.sum(axis=0)
        shared = self.matrix.T @ has
        inner = self.matrix.T @ (has.sum(axis=1)[:, None] * self.matrix) - (shared * weights) @ shared.T
        sums = scores.sum(axis=0)
        outer = self.matrix.T @ scores.sum(axis=1) - shared @ (weights * sums)
        return inner, outer, float((scores**2).sum() - (weights * sums**2).sum())

    def explained(self, terms: Sequence[Term]) -> tuple[float, int]:
        """The sum of squares within seeds that some terms explain, and the degrees of freedom they take."""
        inner, outer, _ = self.products
        columns = [column for term in terms for column in term.columns]
        return projected(inner[np.ix_(columns, columns)], outer[columns])

    def without(self, term: Term, *, marginal: bool) -> list[Term]:
        """The terms a term is judged beside: all others, or (`marginal`) those that do not contain it."""
        inside = set(term.factors)
        return [each for each in self.terms if each != term and not (marginal and inside < set(each.factors))]

    @cached_property
    def blocks(self) -> tuple[float, int]:
        """The sum of squares of the seeds beside the cells, and its degrees of freedom, by the smaller side."""
        has = self.table.has.astype(float)
        sums = self._within_cells.sum(axis=0)
        if has.shape[1] <= has.shape[0]:
            return projected(_laplacian(has), sums)
        cells, freedom = projected(_laplacian(has.T), self._within_seeds.sum(axis=1))
        left = float((self._within_seeds**2).sum()) - cells
        return float((self._within_cells**2).sum()) - left, has.shape[1] + freedom - has.shape[0]

    @cached_property
    def residual(self) -> tuple[float, int]:
        """What is left beside cells and seeds: how differently a seed's luck falls in different cells."""
        left = float((self._within_cells**2).sum()) - self.blocks[0]
        return max(left, 0.0), self.num_scores - len(self.table.cells) - self.blocks[1]

    @cached_property
    def between(self) -> tuple[float, int]:
        """The sum of squares of all cells beside the seeds, and its degrees of freedom."""
        freedom = len(self.table.cells) + self.blocks[1] - len(self.table.seeds)
        return max(self.products[2] - self.residual[0], 0.0), freedom

    @cached_property
    def _within_cells(self) -> Floats:
        means = self.centred.sum(axis=1) / self.table.has.sum(axis=1)
        return np.where(self.table.has, self.centred - means[:, None], 0.0)

    @cached_property
    def _within_seeds(self) -> Floats:
        means = self.centred.sum(axis=0) / self.table.has.sum(axis=0)
        return np.where(self.table.has, self.centred - means, 0.0)


def factorial(table: ScoreTable) -> Factorial | None:
    """The model of all keys that vary; None where no two cells have a score."""
    seen = scored(table)
    mains = [(key,) for column, key in enumerate(seen.keys) if len(np.unique(seen.codes[:, column])) > 1]
    if len(seen.cells) < 2 or not mains:
        return None
    coded = {factors: _coded(seen.codes[:, seen.column(factors[0])]) for factors in mains}
    crossed = {
        (*first, *second): _crossed(coded[first], coded[second])
        for first, second in combinations(mains, 2)
        if _cross(seen, first[0], second[0])
    }
    width = sum(columns.shape[1] for columns in [*coded.values(), *crossed.values()])
    main_only = width > MOST_COLUMNS and bool(crossed)
    chosen = coded if main_only else coded | crossed
    ends = np.cumsum([0, *(columns.shape[1] for columns in chosen.values())]).tolist()
    terms = tuple(Term(factors, range(*ends[at : at + 2])) for at, factors in enumerate(chosen))
    return Factorial(seen, terms, np.hstack(list(chosen.values())), main_only)


def scored(table: ScoreTable) -> ScoreTable:
    """The cells and seeds that have a score at all."""
    cells, seeds = np.flatnonzero(table.has.any(axis=1)), np.flatnonzero(table.has.any(axis=0))
    return replace(
        table,
        cells=tuple(table.cells[cell] for cell in cells),
        seeds=tuple(table.seeds[seed] for seed in seeds),
        scores=table.scores[np.ix_(cells, seeds)],
        codes=table.codes[cells],
        exists=table.exists[cells],
        reference=int(np.flatnonzero(cells == table.reference)[0]) if table.reference in cells else None,
    )


def projected(inner: Floats, outer: Floats) -> tuple[float, int]:
    """The squared length of a projection from products alone, and its dimension; aliased columns count once."""
    scale = np.sqrt(np.clip(np.diag(inner), 0.0, None))
    known = scale > TINY * scale.max(initial=0.0)
    if not known.any():
        return 0.0, 0
    scale = scale[known]
    values, vectors = np.linalg.eigh(inner[np.ix_(known, known)] / np.outer(scale, scale))
    kept = values > TINY * len(scale)
    lengths = vectors[:, kept].T @ (outer[known] / scale)
    return float((lengths**2 / values[kept]).sum()), int(kept.sum())


def _laplacian(has: Floats) -> Floats:
    """Products of the columns' indicators, with the rows swept out of them."""
    return np.asarray(np.diag(has.sum(axis=0)) - has.T @ (has / has.sum(axis=1, keepdims=True)))


def _coded(codes: Numbers) -> Floats:
    """Columns of the levels that are there, the first of them being minus all others."""
    here = np.unique(codes)
    return np.asarray((codes[:, None] == here[1:]).astype(float) - (codes[:, None] == here[:1]))


def _crossed(first: Floats, second: Floats) -> Floats:
    return np.asarray(first[:, :, None] * second[:, None, :]).reshape(len(first), -1)


def _cross(table: ScoreTable, first: str, second: str) -> bool:
    """Whether some two levels of both factors occur in all four combinations."""
    seen = np.zeros((len(table.levels[first]), len(table.levels[second])), dtype=int)
    seen[table.codes[:, table.column(first)], table.codes[:, table.column(second)]] = 1
    shared = seen @ seen.T
    return bool((shared[~np.eye(len(shared), dtype=bool)] > 1).any())
