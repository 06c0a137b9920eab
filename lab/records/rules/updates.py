"""R8 and R9: updates that are far too large or far too small for the weights they change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Rows, Watch, medians, of_all, rows, total
from lab.records.rules.windows import Streak, Window
from lab.spec.rules import Finding, UpdateHigh, UpdateLow

MATRICES = "weight matrices"
"""What findings over all matrices are about."""
ULP = 6e-8
"""Relative change under which float32 mostly keeps a number as it is."""
MANY = 0.25
"""Share of matrices that may change by less."""


def of_matrices(chunks: Sequence[Chunk], statistic: str, facts: Facts) -> Iterator[Rows]:
    """A statistic of the matrices that rules may blame."""
    for told in rows(chunks, "gradients", statistic):
        own = told.only(lambda name: facts.is_matrix(name) and not facts.is_exempt(name))
        if own.names:
            yield own


class UpdateHighWatch(Watch[UpdateHigh]):
    """Follows the median over matrices, at once and over a while."""

    def __init__(self, spec: UpdateHigh, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.at_once = Streak(spec.steps)
        self.lasting = Window(spec.lasting_steps)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        for told in of_matrices(chunks, "update_weight", self.facts) if not self.facts.is_linear else ():
            middle = medians(told)
            seen = ~np.isnan(middle)
            steps, middle = told.steps[seen], middle[seen]
            series = of_all(steps, middle, MATRICES)
            at_once = self.at_once.held([MATRICES], (middle > spec.over)[:, None])
            says = f"the median update/weight was over {spec.over:g} for {spec.steps} steps"
            yield from self.hits(series, at_once, says, threshold=spec.over)
            lasting = _median(self.lasting.push(middle)) > spec.lasting
            says = f"the median update/weight was over {spec.lasting:g} for {spec.lasting_steps} steps"
            yield from self.hits(series, lasting[:, None], says, threshold=spec.lasting)


class UpdateLowWatch(Watch[UpdateLow]):
    """Follows the median over matrices in windows, and counts the matrices that move less than float32 shows."""

    def __init__(self, spec: UpdateLow, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.steps)
        self.low = Streak(spec.steps * (spec.windows - 1) + 1)
        self.lost = Streak(spec.steps * spec.windows)
        self.peak = 0.0

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        rates = dict(zip(*(each.tolist() for each in total(chunks, "gradients", "lr")), strict=True))
        for told in of_matrices(chunks, "update_weight", self.facts):
            middle = medians(told)
            due = np.array([self._is_due(rates.get(step)) for step in told.steps.tolist()]) & ~np.isnan(middle)
            steps, middle, values = told.steps[due], middle[due], told.values[due]
            series = of_all(steps, middle, MATRICES)
            held = self.low.held([MATRICES], (_median(self.window.push(middle)) < spec.under)[:, None])
            says = f"the median update/weight stayed under {spec.under:g} for {spec.steps * spec.windows} steps"
            yield from self.hits(series, held, says, threshold=spec.under)
            share = (values < ULP).mean(axis=1)
            lost = self.lost.held([MATRICES], (share > MANY)[:, None])
            says = f"more than {MANY:.0%} of the matrices changed by less than float32 shows"
            yield from self.hits(of_all(steps, share, f"{MATRICES}' bits"), lost, says, threshold=MANY, level="info")

    def _is_due(self, rate: float | None) -> bool:
        """Whether a step counts: its learning rate is not a small part of its peak, known or seen so far."""
        if rate is None:
            return True
        self.peak = max(self.peak, rate, 0.0 if np.isnan(self.facts.lr) else self.facts.lr)
        return rate >= self.spec.lowest_lr * self.peak


def _median(windows: np.ndarray) -> np.ndarray:
    """The median of each full window; NaN, which no threshold is passed by, of one that is not full."""
    found: np.ndarray = np.median(windows, axis=1)
    return found
