"""Means with their intervals, differences with theirs, and what survives when many are looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

ALPHA = 0.05
"""Chance of being misled that intervals and marks keep to."""
TINY = 1e-12
"""A spread this small beside the mean is rounding, not variation."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds; without two of them there is no interval, and none is made up."""

    n: int
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    """The chance of a mean this far from zero if there were nothing."""
    paired: bool = True
    """For a difference: whether it is one of equal seeds, or of two groups (Welch)."""
    error: float = math.nan
    """The standard error of the mean; 0 where all values are equal."""
    freedom: float = math.nan
    """Degrees of freedom of the t distribution that the interval is of."""

    @property
    def method(self) -> str:
        """What the interval and the chance are by; empty where there are none."""
        if not self.has_interval:
            return ""
        return f"t over {self.n} seeds" if self.paired else f"Welch's t of two groups of {self.n} seeds or more"

    @property
    def has_interval(self) -> bool:
        """Whether there were seeds enough to say how sure the mean is."""
        return math.isfinite(self.low)


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of a sample with its 95 % t interval."""
    n = len(values)
    if n == 0:
        return Estimate(0)
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(1, mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return _with_interval(Estimate(n, mean, sd), error=sd / math.sqrt(n), freedom=n - 1)


def difference(these: Mapping[int, float], those: Mapping[int, float]) -> Estimate:
    """These scores minus those, by seed: paired where seeds are shared, by Welch's method where they are not."""
    shared = sorted(these.keys() & those.keys())
    if len(shared) >= 2 and 2 * len(shared) >= min(len(these), len(those)):
        return estimate([these[seed] - those[seed] for seed in shared])
    if len(these) >= 2 and len(those) >= 2:
        return _welch(estimate(list(these.values())), estimate(list(those.values())))
    if shared:
        return estimate([these[seed] - those[seed] for seed in shared])
    both = bool(these) and bool(those)
    gap = math.fsum(these.values()) / len(these) - math.fsum(those.values()) / len(those) if both else math.nan
    return Estimate(min(len(these), len(those)), gap, paired=False)


def holm(chances: Sequence[float]) -> list[float]:
    """Holm's adjustment: chances that stay honest when many comparisons are made; NaN counts as 1."""
    asked = [1.0 if math.isnan(chance) else chance for chance in chances]
    order = sorted(range(len(asked)), key=asked.__getitem__)
    adjusted, worst = [1.0] * len(asked), 0.0
    for rank, at in enumerate(order):
        worst = max(worst, min(1.0, asked[at] * (len(asked) - rank)))
        adjusted[at] = worst
    return adjusted


def _welch(these: Estimate, those: Estimate) -> Estimate:
    parts = [each.sd**2 / each.n for each in (these, those)]
    error = math.sqrt(math.fsum(parts))
    below = math.fsum(part**2 / (each.n - 1) for part, each in zip(parts, (these, those), strict=True))
    freedom = math.fsum(parts) ** 2 / below if below else min(these.n, those.n) - 1
    gap = Estimate(min(these.n, those.n), these.mean - those.mean, max(these.sd, those.sd), paired=False)
    return _with_interval(gap, error=error, freedom=freedom)


def _with_interval(told: Estimate, *, error: float, freedom: float) -> Estimate:
    from scipy.special import stdtr, stdtrit

    if error <= TINY * abs(told.mean):
        certain = 0.0 if told.mean else 1.0
        return replace(told, low=told.mean, high=told.mean, p=certain, error=0.0, freedom=freedom)
    reach = float(stdtrit(freedom, 1 - ALPHA / 2)) * error
    chance = 2 * float(stdtr(freedom, -abs(told.mean) / error))
    low, high = told.mean - reach, told.mean + reach
    return replace(told, low=low, high=high, p=chance, error=error, freedom=freedom)
