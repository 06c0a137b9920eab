"""`match: params`: every cell gets the reference's number of parameters by re-solving one whole-number option."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lab.errors import LabError, Place
from lab.plan.options import value_at
from lab.spec.change import change
from lab.spec.experiment import Experiment
from lab.spec.spec import digest, plain

Count = Callable[[Experiment], int]
LARGEST = 2**20
REACH = 128
"""Neighbours tried for a value that fits the other options, such as a multiple of the heads."""


@dataclass
class Sizes:
    """Counts parameters, each model once."""

    count: Count
    seen: dict[str, int] = field(default_factory=dict)

    def of(self, experiment: Experiment) -> int:
        """The number of trainable parameters."""
        key = digest([plain(experiment.model), plain(experiment.dataset)])
        if key not in self.seen:
            self.seen[key] = self.count(experiment)
        return self.seen[key]


@dataclass(frozen=True)
class Matcher:
    """Brings an experiment to a size by one option."""

    sizes: Sizes
    target: int
    by: str
    tolerance: float
    where: Place

    def match(self, experiment: Experiment) -> Experiment:
        """The experiment itself where its size is close enough, else the one of the nearest size."""
        if self._miss(experiment) <= self.tolerance:
            return experiment
        now = value_at(experiment, self.by)
        if isinstance(now, bool) or not isinstance(now, int):
            hint = "match by an option that all cells have"
            raise LabError(f"a cell has no whole number {self.by} to solve for", where=self.where, hint=hint)
        best = min(self._around(experiment, now), key=self._miss)
        if self._miss(best) > self.tolerance:
            nearest = f"{self.by}={value_at(best, self.by)} has {self.sizes.of(best)} of {self.target} parameters"
            what = f"no {self.by} brings every cell within {self.tolerance:.3g} of the reference's size"
            hint = f"the nearest, {nearest}: allow more, or match by another option"
            raise LabError(what, where=self.where, hint=hint)
        return best

    def _miss(self, experiment: Experiment) -> float:
        return abs(self.sizes.of(experiment) / self.target - 1)

    def _around(self, experiment: Experiment, now: int) -> list[Experiment]:
        """The valid experiments just below and above the target; more of the option never means a smaller model."""
        low, high = 0, max(now, 1)
        while high < LARGEST and self._is_small(experiment, high, now):
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._is_small(experiment, middle, now) else (low, middle)
        found = [self._valid(experiment, start, step) for start, step in ((high - 1, -1), (high, -1), (high, 1))]
        return [experiment, *(each for each in found if each is not None)]

    def _is_small(self, experiment: Experiment, value: int, now: int) -> bool:
        """Whether the nearest valid value from here down is too small; where there is none, it lies out of bounds."""
        found = self._valid(experiment, value, -1)
        return value < now if found is None else self.sizes.of(found) < self.target

    def _valid(self, experiment: Experiment, value: int, step: int) -> Experiment | None:
        """The nearest experiment that may have this value, going down or up from it."""
        for tried in range(value, value + step * REACH, step):
            if tried < 0:
                return None
            try:
                return change(experiment, {self.by: tried})
            except LabError:
                continue
        return None
