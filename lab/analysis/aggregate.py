"""Aggregates over cells as Agarwal et al. (2021) define them: interquartile means and probabilities of improvement.

Intervals are by a stratified bootstrap: each cell's seeds are drawn anew, by themselves, from that cell's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lab.analysis.bootstrap import NONE, Interval
from lab.analysis.estimate import ALPHA
from lab.analysis.pairing import twins
from lab.analysis.table import Floats, Numbers, ScoreTable
from lab.spec.spec import Level

DRAWS = 2000
LEAST_DRAWS = 400
MOST_DRAWN = 1_500_000
"""Scores drawn for one interval at most; with so many, fewer draws tell its ends as well."""
SEED = 20_211_207
QUARTER = 0.25


@dataclass(frozen=True)
class Aggregate:
    """One level of a factor over all settings of the others."""

    factor: str
    level: Level
    cells: int
    """Cells at this level that have a score."""
    iqm: float
    """The mean of the middle half of their scores."""
    iqm_interval: Interval
    against: Level | None = None
    """The base's level; None for that level itself."""
    pairs: int = 0
    """Pairs of cells that differ in this factor only and both have scores."""
    improvement: float = math.nan
    """The chance that a run at this level beats a run at the base's, averaged over the pairs; a tie counts half."""
    improvement_interval: Interval = NONE


def aggregates(table: ScoreTable) -> tuple[Aggregate, ...]:
    """Every level of every factor."""
    return tuple(_aggregate(table, factor, code) for factor, code in _levels(table))


def interquartile_mean(scores: Floats) -> float:
    """The mean of the middle half: a quarter is cut off at either end, rounded down."""
    return float(_middle(scores.reshape(1, -1))[0])


def probability_of_improvement(these: Floats, those: Floats) -> float:
    """The chance that one of these beats one of those, ties counting half (Mann and Whitney's U over its range)."""
    return float(_beats(these, those).mean())


def _levels(table: ScoreTable) -> Iterator[tuple[str, int]]:
    for factor in table.factors:
        for code in range(len(table.levels[factor])):
            if table.has[table.at((factor, code))].any():
                yield factor, code


def _aggregate(table: ScoreTable, factor: str, code: int) -> Aggregate:
    cells = table.at((factor, code))
    groups = _Groups.of(table, cells)
    told = Aggregate(factor, table.levels[factor][code], len(groups.sizes), groups.iqm, groups.iqm_interval())
    pairs = twins(table, (factor, code)) if code else np.empty((0, 2), dtype=np.intp)
    pairs = pairs[np.isin(pairs, np.flatnonzero(table.has.any(axis=1))).all(axis=1)]
    if not len(pairs):
        return told
    mean, interval = _improvement(table, pairs)
    return Aggregate(
        told.factor,
        told.level,
        told.cells,
        told.iqm,
        told.iqm_interval,
        against=table.levels[factor][0],
        pairs=len(pairs),
        improvement=mean,
        improvement_interval=interval,
    )


@dataclass(frozen=True)
class _Groups:
    """The scores of some cells, moved to the front, and how many each has."""

    scores: Floats
    """[cells, seeds], only the first `sizes` of each row being scores"""
    sizes: Numbers

    @classmethod
    def of(cls, table: ScoreTable, cells: Numbers) -> _Groups:
        """The cells that have a score, in their order."""
        kept = cells[table.has[cells].any(axis=1)]
        order = np.argsort(~table.has[kept], axis=1, kind="stable")
        return cls(np.take_along_axis(table.scores[kept], order, axis=1), table.has[kept].sum(axis=1))

    @property
    def iqm(self) -> float:
        inside = np.arange(self.scores.shape[1]) < self.sizes[:, None]
        return interquartile_mean(self.scores[inside])

    def iqm_interval(self) -> Interval:
        """By redrawing every cell's seeds; none where each cell has a single one."""
        if self.sizes.max(initial=0) < 2:
            return NONE
        inside = (np.arange(self.scores.shape[1]) < self.sizes[:, None]).ravel()
        values = [_middle(drawn.reshape(len(drawn), -1)[:, inside]) for drawn in self.redrawn()]
        return _interval(np.concatenate(values), len(self.sizes))

    def redrawn(self) -> Iterator[Floats]:
        """Draws of all cells' seeds, [draws, cells, seeds], a piece at a time."""
        generator = np.random.default_rng(SEED)
        left = max(LEAST_DRAWS, min(DRAWS, MOST_DRAWN // self.scores.size))
        while left:
            draws = max(1, min(left, MOST_DRAWN // 4 // self.scores.size))
            left -= draws
            at = (generator.random((draws, *self.scores.shape)) * self.sizes[:, None]).astype(np.intp)
            yield self.scores[np.arange(len(self.sizes))[None, :, None], at]


def _improvement(table: ScoreTable, pairs: Numbers) -> tuple[float, Interval]:
    """Every pair weighs the same; its two cells are redrawn by themselves."""
    these, those = (_Groups.of(table, pairs[:, side]) for side in (0, 1))
    wins = _beats(table.sign * these.scores, table.sign * those.scores)
    within = [np.arange(group.scores.shape[1]) < group.sizes[:, None] for group in (these, those)]
    wins = np.where(within[0][:, :, None] & within[1][:, None, :], wins, 0.0)
    sizes = these.sizes * those.sizes
    mean = float((wins.sum(axis=(1, 2)) / sizes).mean())
    if min(these.sizes.max(), those.sizes.max()) < 2:
        return mean, NONE
    generator = np.random.default_rng(SEED)
    draws = max(LEAST_DRAWS, min(DRAWS, MOST_DRAWN // max(1, these.scores.size)))
    drawn = np.zeros(draws)
    for win, n, m in zip(wins, these.sizes, those.sizes, strict=True):
        shares = [generator.multinomial(k, [1 / k] * k, draws) / k for k in (int(n), int(m))]
        drawn += ((shares[0] @ win[:n, :m]) * shares[1]).sum(axis=1)
    return mean, _interval(drawn / len(wins), len(wins))


def _beats(these: Floats, those: Floats) -> Floats:
    """[..., these, those] -> 1 where this one is larger, a half where they are equal."""
    first, second = these[..., :, None], those[..., None, :]
    return np.asarray((first > second) + 0.5 * (first == second), dtype=float)


def _middle(scores: Floats) -> Floats:
    """The mean of the middle half of each row."""
    number = scores.shape[1]
    cut = int(QUARTER * number)
    parted = np.partition(scores, (cut, number - cut - 1), axis=1)
    return np.asarray(parted[:, cut : number - cut].mean(axis=1))


def _interval(drawn: Floats, strata: int) -> Interval:
    low, high = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    what = "cell" if strata == 1 else "cells"
    return Interval(
        float(low), float(high), f"percentile bootstrap stratified over {strata:,} {what}, taken as independent"
    )
