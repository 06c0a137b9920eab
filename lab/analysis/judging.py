"""Judging a mean: three ways to tell how likely one is if there were nothing, and which means a sample leaves possible.

Each way answers the same three questions of a sample, one value a seed, so that claims need not know which it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

from lab.analysis.bootstrap import LEAST, interval_ends
from lab.analysis.estimate import estimate
from lab.analysis.permutation import permutation_above, permutation_p
from lab.analysis.table import Floats

Ends = tuple[float, float]
NOWHERE: Ends = (-math.inf, math.inf)
"""The interval of a sample that leaves every mean possible."""
HALVINGS = 40
FAR = 64
"""Doublings of the spread after which an end counts as infinitely far."""


class Judge(ABC):
    """One way of testing."""

    name: ClassVar[str]
    least: ClassVar[int] = 2
    """The smallest sample that it says anything of."""

    @abstractmethod
    def apart(self, values: Floats, mean: float) -> float:
        """The chance of a sample mean this far from `mean`, on either side, if that were the truth."""

    @abstractmethod
    def above(self, values: Floats, mean: float) -> float:
        """The chance of a sample mean this high if `mean` were the truth."""

    @abstractmethod
    def interval(self, values: Floats, alpha: float) -> Ends:
        """The means that the sample leaves possible at this level."""

    def within(self, values: Floats, low: float, high: float) -> float:
        """The chance of a sample this far inside two bounds if the truth were outside of them (TOST)."""
        return max(self.above(values, low), self.above(-values, -high))


class T(Judge):
    """The t-test of paired differences."""

    name = "paired t-test"

    def apart(self, values: Floats, mean: float) -> float:
        """Student 1908."""
        return estimate((values - mean).tolist()).p

    def above(self, values: Floats, mean: float) -> float:
        """One-sided."""
        told = estimate((values - mean).tolist())
        return told.p / 2 if told.mean > 0 else 1 - told.p / 2

    def interval(self, values: Floats, alpha: float) -> Ends:
        """The mean and so many standard errors on either side."""
        from scipy.special import stdtrit

        told = estimate(values.tolist())
        reach = float(stdtrit(told.freedom, 1 - alpha / 2)) * told.error if told.error else 0.0
        return told.mean - reach, told.mean + reach


class Permutation(Judge):
    """Exact sign flips of paired differences."""

    name = "paired permutation test"

    def apart(self, values: Floats, mean: float) -> float:
        """Fisher 1935."""
        return permutation_p(values - mean)

    def above(self, values: Floats, mean: float) -> float:
        """One-sided."""
        return permutation_above(values - mean)

    def interval(self, values: Floats, alpha: float) -> Ends:
        """Every mean that the test does not rule out."""
        return inverted(values, lambda mean: permutation_p(values - mean) > alpha)


class Bootstrap(Judge):
    """The studentised bootstrap of paired differences."""

    name = "studentised paired bootstrap"
    least = LEAST["studentised"]

    def apart(self, values: Floats, mean: float) -> float:
        """The level at which the interval just reaches the mean."""
        low, high = 0.0, 1.0
        for _ in range(HALVINGS // 2):
            alpha = (low + high) / 2
            ends = self.interval(values, alpha)
            low, high = (alpha, high) if ends[0] <= mean <= ends[1] else (low, alpha)
        return high

    def above(self, values: Floats, mean: float) -> float:
        """The same on one side."""
        low, high = 0.0, 1.0
        for _ in range(HALVINGS // 2):
            alpha = (low + high) / 2
            low, high = (alpha, high) if self._lower(values, alpha) <= mean else (low, alpha)
        return high

    def interval(self, values: Floats, alpha: float) -> Ends:
        """Between the quantiles of resampled t's."""
        low, high = interval_ends(values[None], method="studentised", alpha=alpha)
        return float(low[0]), float(high[0])

    def _lower(self, values: Floats, alpha: float) -> float:
        """The lower end of the one-sided interval."""
        ends = self.interval(values, min(2 * alpha, 1.0)) if alpha <= 0.5 else self.interval(values, 2 * (1 - alpha))
        return ends[0] if alpha <= 0.5 else ends[1]


JUDGES: dict[str, Judge] = {"paired_t": T(), "paired_permutation": Permutation(), "bootstrap": Bootstrap()}
"""By the word that a study file has for them."""


def inverted(values: Floats, is_possible: Callable[[float], bool]) -> Ends:
    """The range of means around a sample's that a test leaves possible; infinite where it rules out none."""
    centre, step = float(values.mean()), float(abs(values - values.mean()).max())
    if not step:
        return (centre, centre) if not is_possible(centre + 1) else NOWHERE

    def end(side: int) -> float:
        inside, outside = 0.0, step
        for _ in range(FAR):
            if not is_possible(centre + side * outside):
                break
            inside, outside = outside, 2 * outside
        else:
            return math.inf
        for _ in range(HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_possible(centre + side * middle) else (inside, middle)
        return outside

    return centre - end(-1), centre + end(1)
