"""Pairing: differences between cells that are equal in all else, averaged seed by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from lab.analysis.estimate import difference
from lab.analysis.evidence import Sample, sampled
from lab.analysis.table import Floats, Numbers, ScoreTable, Truths

NOBODY: Numbers = np.empty((0, 2), dtype=np.intp)


def twins(table: ScoreTable, *settings: tuple[str, int]) -> Numbers:
    """Groups of cells that are equal but for these factors, each at its code or at the base's level.

    One row a group, [groups, 2 ** factors]: the first factor turns slowest, and each has its own level first.
    """
    names = [factor for factor, _ in settings]
    rest = table.rest(*names)
    corners = [list(zip(names, codes, strict=True)) for codes in product(*((code, 0) for _, code in settings))]
    by_rest = [{int(rest[cell]): int(cell) for cell in table.at(*corner)} for corner in corners]
    whole = [key for key in by_rest[0] if all(key in at for at in by_rest)]
    return np.array([[at[key] for at in by_rest] for key in whole], dtype=np.intp).reshape(len(whole), len(corners))


def contrast(table: ScoreTable, *settings: tuple[str, int]) -> list[Numbers]:
    """For a balanced fraction, the groups of all cells at each corner; none where other factors are out of balance."""
    names = [factor for factor, _ in settings]
    corners = [table.at(*zip(names, codes, strict=True)) for codes in product(*((code, 0) for _, code in settings))]
    if not all(len(corner) for corner in corners):
        return []
    columns = [column for column, key in enumerate(table.keys) if key not in names]
    shares = [_shares(table, corner, columns) for corner in corners]
    return corners if all(share == shares[0] for share in shares) else []


def averaged(table: ScoreTable, groups: Numbers, signs: Sequence[int]) -> tuple[Sample, int]:
    """The mean signed sum over groups of cells, one value a seed, and how many of the groups it is made of.

    Groups that share a seed are not independent, so each seed counts once; and only seeds that every group has count,
    so that each weighs the same cells. Groups are left out, those with the fewest seeds first, while they would leave
    less than two common seeds, or less than half of the seeds that the fullest has. What their order is never counts.
    """
    if not len(groups):
        return Sample(), 0
    gaps = np.einsum("gks,k->gs", table.scores[groups], np.asarray(signs, dtype=float))
    known = np.isfinite(gaps)
    if known.any():
        seeds = _common(known)
        kept = known[:, seeds].all(axis=1)
        return _by_seed(table, gaps[np.ix_(kept, seeds)].mean(axis=0), seeds), int(kept.sum())
    if len(groups) == 1 and tuple(signs) == (1, -1):
        return _unpaired(table, groups[0])
    return Sample(), 0


def contrasted(table: ScoreTable, corners: Sequence[Numbers], signs: Sequence[int]) -> Sample:
    """The signed sum of the means of groups of cells; a seed counts when every cell has it, or the balance is gone."""
    common = np.flatnonzero(table.has[np.concatenate(corners)].all(axis=0))
    means = [table.scores[corner][:, common].mean(axis=0) for corner in corners]
    return _by_seed(table, np.asarray(signs, dtype=float) @ np.array(means), common)


def _common(known: Truths) -> Numbers:
    """The seeds to average over; a group that lacks one of them is left out."""
    counts = known.sum(axis=1)
    least = max(2, math.ceil(counts.max() / 2))
    for fewest in np.unique(counts[counts > 0]):
        common = known[counts >= fewest].all(axis=0)
        if common.sum() >= least:
            return np.flatnonzero(common)
    patterns = np.unique(known, axis=0)  # even the fullest have too little in common: those that most others cover
    covered = (~patterns[:, None, :] | known[None, :, :]).all(axis=2).sum(axis=1)
    sizes = patterns.sum(axis=1)
    best = np.lexsort((np.arange(len(patterns)), covered * (sizes > 0), np.minimum(sizes, least)))[-1]
    return np.flatnonzero(patterns[best])


def _by_seed(table: ScoreTable, values: Floats, common: Numbers) -> Sample:
    return sampled(values, [table.seeds[number] for number in common])


def _unpaired(table: ScoreTable, pair: Numbers) -> tuple[Sample, int]:
    """Two cells without a common seed, compared as two groups."""
    these, those = (
        {int(seed): float(table.scores[cell, seed]) for seed in np.flatnonzero(table.has[cell])} for cell in pair
    )
    if not these or not those:
        return Sample(), 0
    return Sample(estimate=difference(these, those)), 1


def _shares(table: ScoreTable, cells: Numbers, columns: Sequence[int]) -> list[dict[int, float]]:
    """How large a share of some cells is at each level of some factors; -1 where a factor does not exist."""
    codes = np.where(table.exists[cells], table.codes[cells], -1)[:, columns]
    return [
        {int(code): int(count) / len(cells) for code, count in zip(*np.unique(column, return_counts=True), strict=True)}
        for column in codes.T
    ]
