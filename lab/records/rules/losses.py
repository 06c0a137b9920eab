"""R17, R19 and R21: how the training loss starts, whether it falls, and whether it stays down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.classes import guessing
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Rows, Watch, of_all, rows, total
from lab.records.rules.windows import Window
from lab.spec.rules import Divergence, Finding, InitialLoss, NoLearning

BUCKETS = 400
"""Parts that a run's losses are kept in, each as its median."""
FEWEST = 5
"""Parts that a judgement over the end of a run is made of."""
LAST = 0.25
"""Share of the run that counts as its end."""


def losses(chunks: Sequence[Chunk]) -> tuple[np.ndarray, np.ndarray]:
    """The finite losses; a batch that can teach nothing has the loss 0 and is left out."""
    steps, values = total(chunks, "gradients", "loss")
    useful = np.isfinite(values) & (values != 0)
    return steps[useful], values[useful]


class InitialLossWatch(Watch[InitialLoss]):
    """Looks at the first loss, and at the sign of all."""

    def __init__(self, spec: InitialLoss, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.has_begun = False

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, values = losses(chunks)
        if not len(steps) or self.facts.classes < 2:
            return
        yield from self.hits(
            of_all(steps, values, "loss"),
            (values < 0)[:, None],
            "cross entropy was negative",
            threshold=0,
            level="fatal",
        )
        if not self.has_begun:
            self.has_begun = True
            yield from self._first(int(steps[0]), float(values[0]))

    def _first(self, step: int, value: float) -> Iterator[Finding]:
        guess, spec = math.log(self.facts.classes), self.spec
        if not spec.low * guess <= value <= spec.high * guess and value > 0:
            end = spec.low if value < guess else spec.high
            says = (
                f"the first loss was {value / guess:.2g} times that of guessing, ln {self.facts.classes} = {guess:.3g}"
            )
            yield self.found("loss", step, value, threshold=end * guess, says=says)


class NoLearningWatch(Watch[NoLearning]):
    """Keeps the run's losses in parts, and compares its end with the loss of knowing the labels' shares alone."""

    def __init__(self, spec: NoLearning, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.width = max(1, facts.planned_steps // BUCKETS)
        self.bucket = -1
        self.waiting: list[float] = []
        self.parts: list[float] = []
        self.last = -1
        self.recall = 0.0

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """Remember; it speaks at the end."""
        steps, values = losses(chunks)
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            if step // self.width != self.bucket and self.waiting:
                self._close()
            self.bucket = step // self.width
            self.waiting.append(value)
            self.last = step
        for told in rows(chunks, "evaluation", "recall"):
            recalls = told.only(lambda name: name != TOTAL).values
            known = recalls[np.isfinite(recalls).any(axis=1)]
            self.recall = float(np.nanmean(known[-1])) if len(known) else self.recall
        yield from ()

    def _close(self) -> None:
        self.parts.append(float(np.median(self.waiting)))
        self.waiting = []

    @property
    def is_stuck(self) -> bool:
        """Whether the losses so far are no better than knowing the labels' shares, and recalls than guessing."""
        has_learned = self.recall > guessing(max(self.facts.classes, 2))
        return not has_learned and self._value() > self.spec.share * self.facts.label_entropy

    def _value(self) -> float:
        """The median loss of the last part of the run; NaN where there is too little to judge by."""
        parts = self.parts + ([float(np.median(self.waiting))] if self.waiting else [])
        done = (self.last + 1) / self.facts.planned_steps if self.facts.planned_steps else 1.0
        if done < self.spec.watch or self.last + 1 < self.spec.steps or len(parts) < FEWEST:
            return math.nan
        return float(np.median(parts[-max(FEWEST, math.ceil(len(parts) * LAST)) :]))

    def end(self) -> Iterator[Finding]:
        """Whether the end of the run lies under what the labels' shares give."""
        chance, spec, value = self.facts.label_entropy, self.spec, self._value()
        if self.is_stuck:
            says = (
                f"at the end the training loss was {value / chance:.2f} of what knowing the labels' shares alone gives"
            )
            yield self.found("loss", self.last, value, threshold=spec.share * chance, says=says + self._known())

    def _known(self) -> str:
        if self.facts.ceiling is None:
            return ""
        return f"; colour refinement at this depth allows a balanced accuracy of {self.facts.ceiling:.3f} at best"


class DivergenceWatch(Watch[Divergence]):
    """Compares the median of the loss with its best so far."""

    def __init__(self, spec: Divergence, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.steps)
        self.best = math.inf

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, values = losses(chunks)
        if not len(steps):
            return
        middle = np.median(self.window.push(values), axis=1)
        full = ~np.isnan(middle)
        steps, middle = steps[full], middle[full]
        if not len(steps):
            return
        best = np.minimum(np.minimum.accumulate(middle), self.best)
        self.best = float(best[-1])
        bound = np.where(best > 0, self.spec.times * best, best) + self.spec.beyond
        bound = np.maximum(bound, best + self.spec.lost * np.nan_to_num(self.facts.label_entropy - best).clip(min=0))
        says = f"the median loss over {self.spec.steps} steps rose to {self.spec.times:g} times its best or more"
        told = Rows(steps, ("loss",), middle[:, None])
        is_up = (middle > bound) & (steps >= self.spec.after)
        for each in self.hits(told, is_up[:, None], says, threshold=None):
            at = int(np.flatnonzero(steps == each.step)[0])
            yield self.found(each.scope, each.step, middle[at], threshold=float(bound[at]), says=says)
