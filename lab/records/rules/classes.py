"""R20: recalls of classes that move against each other, or one class that takes all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Rows, Watch, rows
from lab.records.rules.windows import Spacing, Streak
from lab.spec.rules import Finding, Seesaw

MOST_CLASSES = 16
"""Classes whose pairs are followed; of more, the swings of single pairs say little."""
LEARNED = 0.1
"""Part of the way from guessing to knowing."""
EARLY = 0.1
"""Part of the planned steps that counts as the start."""


class SeesawWatch(Watch[Seesaw]):
    """Follows recalls from evaluation to evaluation.

    A model that has learned nothing yet names now one class, now another; that is no see-saw, so a move counts only
    from or to recalls that are better than guessing on average.
    """

    def __init__(self, spec: Seesaw, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.swings: list[list[list[int]]] = []
        """The pairs that moved against each other, change by change."""
        self.collapse = Streak(spec.evaluations)
        self.before: list[float] = []
        self.spacing = Spacing(spec.apart)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in rows(chunks, "evaluation", "recall"):
            classes = self._counted(told.only(lambda name: name != TOTAL))
            if len(classes.names) >= 2:
                yield from self._swings(classes)
                yield from self._collapse(classes)

    def _counted(self, told: Rows) -> Rows:
        """The evaluations that are late enough, and far enough from the one before."""
        first = max(self.spec.after, EARLY * self.facts.planned_steps)
        late = told.at(np.flatnonzero(told.steps + 1 >= first).tolist())
        return late.at(self.spacing.kept(late.names, late.steps))

    def _swings(self, told: Rows) -> Iterator[Finding]:
        spec, known = self.spec, told.values[:, :MOST_CLASSES]
        for step, row in zip(told.steps.tolist(), known, strict=True):
            before, self.before = np.array(self.before), row.tolist()
            if len(before) != len(row):
                continue
            moves = row - before
            has_learned = max(np.nanmean(row), np.nanmean(before)) > guessing(len(told.names))
            self.swings = [*self.swings, _opposed(moves, spec.move) if has_learned else []][-spec.of :]
            often = [pair for pair in self.swings[-1] if sum(pair in each for each in self.swings) >= spec.swings]
            if often:
                one, other = (told.names[place] for place in often[0])
                says = f"recalls of classes {one} and {other} moved against each other {spec.swings} times of {spec.of}"
                yield self.found("recall", step, float(np.abs(moves[often[0]]).min()), threshold=spec.move, says=says)

    def _collapse(self, told: Rows) -> Iterator[Finding]:
        spec = self.spec
        low, high = np.nanmin(told.values, axis=1), np.nanmax(told.values, axis=1)
        held = self.collapse.held(["collapse"], ((low < spec.low) & (high > spec.high))[:, None])
        says = f"one class was found always and another never, in {spec.evaluations} evaluations in a row"
        yield from self.hits(Rows(told.steps, ("collapse",), low[:, None]), held, says, threshold=spec.low)


def guessing(classes: int) -> float:
    """The mean recall over which a model has learned something: a tenth of the way from guessing to knowing."""
    return (1 + LEARNED * (classes - 1)) / classes


def _opposed(moves: np.ndarray, least: float) -> list[list[int]]:
    """The pairs of classes that moved far enough and against each other."""
    pairs = combinations(range(len(moves)), 2)
    return [[one, other] for one, other in pairs if moves[one] * moves[other] < 0 and _far(moves, one, other) > least]


def _far(moves: np.ndarray, one: int, other: int) -> float:
    return float(min(abs(moves[one]), abs(moves[other])))
