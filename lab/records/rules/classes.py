"""R20: recalls of classes that move against each other, or one class that takes all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Rows, Watch, rows
from lab.records.rules.windows import Streak, Window
from lab.spec.rules import Finding, Seesaw

MOST_CLASSES = 16
"""Classes whose pairs are followed; of more, the swings of single pairs say little."""


class SeesawWatch(Watch[Seesaw]):
    """Follows recalls from evaluation to evaluation."""

    def __init__(self, spec: Seesaw, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.swings = Window(spec.of)
        self.collapse = Streak(spec.evaluations)
        self.before: list[float] = []

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in rows(chunks, "evaluation", "recall"):
            classes = told.only(lambda name: name != TOTAL)
            if len(classes.names) >= 2:
                yield from self._swings(classes)
                yield from self._collapse(classes)

    def _swings(self, told: Rows) -> Iterator[Finding]:
        spec, known = self.spec, told.values[:, :MOST_CLASSES]
        for step, row in zip(told.steps.tolist(), known, strict=True):
            moves = row - np.array(self.before) if len(self.before) == len(row) else None
            self.before = row.tolist()
            if moves is None:
                continue
            pair = _opposed(moves, spec.move)
            count = np.nansum(self.swings.push(np.array([float(pair is not None)])))
            if pair is not None and count >= spec.swings:
                one, other = (told.names[place] for place in pair)
                says = f"recalls of classes {one} and {other} moved against each other {spec.swings} times of {spec.of}"
                yield self.found("recall", step, float(np.abs(moves[list(pair)]).min()), threshold=spec.move, says=says)

    def _collapse(self, told: Rows) -> Iterator[Finding]:
        spec = self.spec
        low, high = np.nanmin(told.values, axis=1), np.nanmax(told.values, axis=1)
        held = self.collapse.held(["collapse"], ((low < spec.low) & (high > spec.high))[:, None])
        says = f"one class was found always and another never, in {spec.evaluations} evaluations in a row"
        yield from self.hits(Rows(told.steps, ("collapse",), low[:, None]), held, says, threshold=spec.low)


def _opposed(moves: np.ndarray, least: float) -> tuple[int, int] | None:
    """The first two classes that moved far enough and against each other."""
    pairs = combinations(range(len(moves)), 2)
    return next(
        (pair for pair in pairs if moves[pair[0]] * moves[pair[1]] < 0 and np.abs(moves[list(pair)]).min() > least),
        None,
    )
