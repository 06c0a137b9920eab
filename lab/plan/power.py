"""What a number of paired seeds can show: the smallest effect a t-test sees, and how low an exact test can go."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

POINTS = 800
"""Of the integral over the sampled standard deviation; good to nine digits."""
MOST_SEEDS = 100_000


def lowest_p(n: int) -> float:
    """The smallest two-sided p that an exact paired permutation test of `n` pairs can reach."""
    return min(1.0, math.ldexp(2.0, -n))


@lru_cache(maxsize=1024)
def smallest_effect(n: int, sd: float = 1.0, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """The mean difference that a two-sided paired t-test finds with this power; infinite for a single pair."""
    if n < 2:
        return math.inf
    critical = _critical(n - 1, alpha)

    def found(effect: float) -> float:
        return _chance_to_find(effect * math.sqrt(n), critical, n - 1)

    return sd * _rising_root(found, power)


def seeds_needed(effect: float, sd: float = 1.0, *, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """The fewest paired seeds that show an effect of this size and could reach alpha exactly; None when too many."""
    low, high = 2, MOST_SEEDS
    if effect <= 0 or smallest_effect(high, sd, alpha=alpha, power=power) > effect:
        return None
    while low < high:
        middle = (low + high) // 2
        shows = smallest_effect(middle, sd, alpha=alpha, power=power) <= effect and lowest_p(middle) <= alpha
        low, high = (low, middle) if shows else (middle + 1, high)
    return low


def _critical(freedom: int, alpha: float) -> float:
    """The t that a difference of nothing exceeds, on either side, with probability alpha."""
    return _rising_root(lambda t: 1 - _chance_to_find(0.0, t, freedom), 1 - alpha)


def _chance_to_find(shift: float, critical: float, freedom: int) -> float:
    """The chance that a t shifted by `shift` lies beyond the critical one: an integral over log(sampled sd / sd)."""
    spread = 1 / math.sqrt(2 * freedom)
    low, high = -40 / freedom - 10 * spread, math.log1p(9 * spread)
    step = (high - low) / POINTS
    # The density of log s, s = chi / sqrt(freedom); the trapezoid rule is exact to rounding on such a smooth bump.
    weight = math.log(2) + freedom / 2 * math.log(freedom / 2) - math.lgamma(freedom / 2)
    total = 0.0
    for index in range(POINTS + 1):
        log_s = low + index * step
        s = math.exp(log_s)
        density = math.exp(weight + freedom * (log_s - s * s / 2))
        total += density * (_normal(shift - critical * s) + _normal(-shift - critical * s))
    return total * step


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def _rising_root(function: Callable[[float], float], target: float) -> float:
    """Where a rising function of a positive number reaches the target."""
    high = 1.0
    while function(high) < target and high < 1e12:
        high *= 2
    low = 0.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if function(middle) >= target else (middle, high)
    return (low + high) / 2
