"""Numbers as a reader wants them: as many digits as the spread leaves meaning to, and no more."""

from __future__ import annotations

import math
from collections.abc import Iterable

from lab.analysis.estimate import Estimate

NONE = "–"
MOST_DECIMALS = 6
WHOLE = 4
"""Significant digits of a number whose spread is not known."""


def decimals(estimates: Iterable[Estimate]) -> int:
    """Decimals that show two digits of the half-width of these intervals, of the narrower ones among them."""
    told = [each for each in estimates if each.n]
    reaches = sorted((each.high - each.low) / 2 for each in told if each.has_interval and each.high > each.low)
    if reaches:
        return _after_point(reaches[len(reaches) // 4], 2)
    largest = max((abs(each.mean) for each in told if each.mean), default=1.0)
    return _after_point(largest, WHOLE)


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """A number with so many decimals; a dash for what is not known."""
    if not math.isfinite(value):
        return NONE
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def interval(told: Estimate, digits: int, *, signed: bool = False) -> str:
    """The 95 % interval; a dash where there are no two seeds to make one from."""
    if not told.has_interval:
        return NONE
    return f"[{number(told.low, digits, signed=signed)}, {number(told.high, digits, signed=signed)}]"


def with_reach(told: Estimate, digits: int, *, signed: bool = False) -> str:
    """The mean and how far its 95 % interval reaches on either side, as in 0.853 ± 0.006."""
    mean = number(told.mean, digits, signed=signed)
    return f"{mean} ± {number((told.high - told.low) / 2, digits)}" if told.has_interval else mean


def plain(value: float) -> str:
    """A lone number with four significant digits."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}") if math.isfinite(value) else NONE


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None or not math.isfinite(seconds):
        return "?"
    for unit, size, limit in (("s", 1.0, 90.0), ("min", 60.0, 5400.0), ("h", 3600.0, 172_800.0)):
        if seconds < limit:
            return f"{seconds / size:.1f} {unit}" if seconds < 10 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def count(number: int, noun: str) -> str:
    """A number with its noun: 1 trial, 2 trials."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _after_point(size: float, significant: int) -> int:
    return max(0, min(MOST_DECIMALS, significant - 1 - math.floor(math.log10(size)))) if size > 0 else 0
