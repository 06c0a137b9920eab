"""Further seeds: how many would decide a claim at 80 % power, if the truth is what the seeds so far have shown."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lab.analysis.table import Floats

POWER = 0.8
MOST_FURTHER = 1000
"""A claim that needs more than these counts as out of reach."""


def further_seeds(
    values: Floats, bounds: tuple[float, ...], *, alpha: float, alpha_within: float, is_exact: bool
) -> int | None:
    """Seeds beyond those of a sample that decide on which side of its bounds the mean lies; None for too many."""
    n, mean, sd = len(values), float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else math.nan
    if not math.isfinite(sd):
        return None
    gaps = [abs(mean - bound) for bound in bounds]
    lies_within = len(bounds) == 2 and bounds[0] < mean < bounds[1]

    def finds(seeds: int) -> bool:
        level = alpha_within if lies_within else alpha
        if is_exact and math.ldexp(1.0 if lies_within else 2.0, -seeds) > level:
            return False
        chance = _chance_within(gaps, sd, seeds, level) if lies_within else _chance_apart(min(gaps), sd, seeds, level)
        return chance >= POWER

    found = _first(finds, n + 1, n + MOST_FURTHER)
    return found - n if found is not None else None


def seeds_to_show_within(margin: float, sd: float, *, alpha: float) -> int | None:
    """Seeds that show a difference of nothing to lie within a margin; None for too many."""
    return _first(lambda seeds: _chance_within([margin, margin], sd, seeds, alpha) >= POWER, 2, MOST_FURTHER)


def _chance_apart(gap: float, sd: float, seeds: int, alpha: float) -> float:
    """The power of a two-sided t-test."""
    from scipy.special import nctdtr, stdtrit

    if seeds < 2:
        return 0.0
    if not sd:
        return float(gap > 0)
    critical = float(stdtrit(seeds - 1, 1 - alpha / 2))
    return float(1 - nctdtr(seeds - 1, gap / sd * math.sqrt(seeds), critical))


def _chance_within(gaps: list[float], sd: float, seeds: int, alpha: float) -> float:
    """The power of two one-sided t-tests, each against its own bound."""
    from scipy.special import stdtr, stdtrit

    if seeds < 2:
        return 0.0
    if not sd:
        return float(min(gaps) > 0)
    critical = float(stdtrit(seeds - 1, 1 - alpha))
    reaches = np.array(gaps) / sd * math.sqrt(seeds) - critical
    return max(0.0, float(stdtr(seeds - 1, reaches).sum()) - 1)


def _first(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """The first whole number in a range from which on a condition holds."""
    if not holds(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low
