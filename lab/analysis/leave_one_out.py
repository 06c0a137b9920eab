"""Leave-one-out: what the base loses by each single change that the study tries on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.analysis.estimate import ALPHA, Estimate, difference
from lab.analysis.evidence import Evidence, Sample, weigh
from lab.analysis.table import Floats, ScoreTable
from lab.spec.spec import Level


@dataclass(frozen=True)
class Removal:
    """One part changed, everything else as in the base."""

    factor: str
    level: Level
    """What the part is changed to: for most, that it is off."""
    against: Level
    """What the base has."""
    cell: str
    cost: Estimate
    """What the change costs in units of the score: positive where the base is better, whichever way better is."""
    share: float
    """The cost as a share of the base's mean score."""
    told_apart: bool
    """Whether it costs (or gains) anything at 5 % over all rows of the table (Holm)."""
    evidence: Evidence


def leave_one_out(table: ScoreTable) -> tuple[Removal, ...]:
    """Every cell that is one change away from the base, the costliest change first and those without a score last."""
    if table.reference is None:
        return ()
    base, codes = table.scores[table.reference], table.codes[table.reference]
    changed = table.codes != codes
    single = np.flatnonzero(changed.sum(axis=1) == 1)
    keys = [table.keys[int(np.flatnonzero(changed[cell])[0])] for cell in single]
    samples = [_cost(table, base, table.scores[cell]) for cell in single]
    whole = float(np.nanmean(base)) if np.isfinite(base).any() else float("nan")
    told = [
        Removal(
            factor=key,
            level=table.levels[key][table.codes[cell, table.column(key)]],
            against=table.levels[key][codes[table.column(key)]],
            cell=table.cells[cell],
            cost=sample.estimate,
            share=sample.estimate.mean / abs(whole) if whole else float("nan"),
            told_apart=evidence.adjusted <= ALPHA,
            evidence=evidence,
        )
        for cell, key, sample, evidence in zip(single, keys, samples, weigh(samples), strict=True)
    ]
    return tuple(sorted(told, key=lambda each: (each.cost.n == 0, -each.cost.mean if each.cost.n else 0.0)))


def _cost(table: ScoreTable, base: Floats, changed: Floats) -> Sample:
    these, those = (
        {seed: table.sign * float(score) for seed, score in zip(table.seeds, scores, strict=True) if np.isfinite(score)}
        for scores in (base, changed)
    )
    shared = tuple(sorted(these.keys() & those.keys()))
    told = difference(these, those) if these and those else Estimate(0)
    is_of_pairs = told.paired and bool(shared)
    values = tuple(these[seed] - those[seed] for seed in shared) if is_of_pairs else ()
    return Sample(values, shared if is_of_pairs else (), told)
