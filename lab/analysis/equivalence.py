"""Equivalence: that something has no effect larger than a margin is a claim of its own, and this is its test (TOST)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.analysis.estimate import ALPHA, Estimate


@dataclass(frozen=True)
class Equivalence:
    """Two one-sided t-tests: is the difference above the lower margin and below the upper one?"""

    margin: float
    p: float
    """The larger of the two chances; NaN without an interval."""
    low: float
    """Ends of the 90 % interval, which lies inside the margin just when the test says so at 5 %."""
    high: float

    def is_shown(self, alpha: float = ALPHA) -> bool:
        """Whether the difference is shown to be smaller than the margin."""
        return self.p <= alpha


def tost(told: Estimate, margin: float, *, alpha: float = ALPHA) -> Equivalence:
    """Test a mean difference against a margin on either side (Schuirmann 1987)."""
    from scipy.special import stdtr

    low, high = narrow(told, alpha=alpha)
    error = told.error
    if not math.isfinite(error):
        return Equivalence(margin, math.nan, low, high)
    if error == 0:
        return Equivalence(margin, 0.0 if abs(told.mean) < margin else 1.0, low, high)
    chances = [float(stdtr(told.freedom, (side * told.mean - margin) / error)) for side in (1, -1)]
    return Equivalence(margin, max(chances), low, high)


def narrow(told: Estimate, *, alpha: float = ALPHA) -> tuple[float, float]:
    """The interval of confidence 1 - 2 alpha: that of two one-sided tests."""
    from scipy.special import stdtrit

    if not told.has_interval:
        return math.nan, math.nan
    reach = float(stdtrit(told.freedom, 1 - alpha)) * told.error if told.error else 0.0
    return told.mean - reach, told.mean + reach


def smallest_margin(told: Estimate, *, alpha: float = ALPHA) -> float:
    """The smallest margin that the difference is shown to stay within: "no effect larger than this"."""
    return max(map(abs, narrow(told, alpha=alpha))) if told.has_interval else math.nan
