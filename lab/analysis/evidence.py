"""Evidence: what further methods say of paired differences, and what is left of their chances in the family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.analysis.bootstrap import NONE, Interval, bootstrap
from lab.analysis.equivalence import smallest_margin
from lab.analysis.estimate import Estimate, estimate, holm
from lab.analysis.permutation import permutation_p
from lab.analysis.table import Floats


@dataclass(frozen=True)
class Sample:
    """Differences that one estimate is made of, one a seed."""

    values: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    estimate: Estimate = field(default_factory=lambda: Estimate(0))
    """By t; of two groups (Welch) where no seed is shared, and then `values` is empty."""


@dataclass(frozen=True)
class Evidence:
    """What stands beside a mean difference and its t interval."""

    values: tuple[float, ...] = ()
    """One difference a seed."""
    seeds: tuple[int, ...] = ()
    """The seeds they are of."""
    bootstrap: Interval = NONE
    permutation: float = math.nan
    """The p of the paired permutation test."""
    adjusted: float = math.nan
    """Holm's p of the t-test over all comparisons of the table."""
    within: float = math.nan
    """The smallest margin that the difference is shown to stay within, at 5 % (TOST)."""


def sampled(values: Floats, seeds: Sequence[int]) -> Sample:
    """A sample with its t interval."""
    told = tuple(map(float, values))
    return Sample(told, tuple(seeds), estimate(told))


def weigh(samples: Sequence[Sample]) -> list[Evidence]:
    """Everything that is said of a family of comparisons beside their means."""
    import numpy as np

    arrays = [np.array(sample.values, dtype=float) for sample in samples]
    chances = holm([sample.estimate.p for sample in samples])
    return [
        Evidence(
            values=sample.values,
            seeds=sample.seeds,
            bootstrap=interval,
            permutation=permutation_p(values) if len(values) > 1 else math.nan,
            adjusted=chance if math.isfinite(sample.estimate.p) else math.nan,
            within=smallest_margin(sample.estimate),
        )
        for sample, values, interval, chance in zip(samples, arrays, bootstrap(arrays), chances, strict=True)
    ]
