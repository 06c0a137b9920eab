"""R10, R11 and R12: gradients out of proportion to weights, out of line with the steps before, or growing for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.updates import MATRICES, of_matrices
from lab.records.rules.watcher import Watch, medians, of_all, rows, total
from lab.records.rules.windows import Streak, Window
from lab.spec.rules import Finding, GradGrowth, GradSpike, GradWeightBand

EARLY = (50, 150)
"""Steps whose median a tensor is compared with."""
SETTLED = 20
"""Readings that a median is made of."""
SOFT = 0.05
"""Added to the spread, in decades, so that a run without any noise has a scale too."""


class BandWatch(Watch[GradWeightBand]):
    """Follows the median over matrices, and each tensor against its own early median."""

    def __init__(self, spec: GradWeightBand, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.outside = Streak(spec.steps)
        self.early: dict[str, list[float]] = {}
        self.last: dict[str, list[float]] = {}

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        for told in of_matrices(chunks, "grad_weight", self.facts):
            middle = medians(told)
            seen = ~np.isnan(middle)
            outside = (middle[seen] < spec.low) | (middle[seen] > spec.high)
            held = self.outside.held([MATRICES], outside[:, None])
            says = f"the median grad/weight was outside {spec.low:g} .. {spec.high:g} for {spec.steps} steps"
            ends = np.where(middle[seen] < spec.low, spec.low, spec.high)
            for each in self.hits(of_all(told.steps[seen], middle[seen], MATRICES), held, says, threshold=None):
                at = int(np.flatnonzero(told.steps[seen] == each.step)[0])
                yield self.found(each.scope, each.step, middle[seen][at], threshold=float(ends[at]), says=says)
        for told in rows(chunks, "gradients", "grad_weight"):
            for place, name in enumerate(told.names):
                if not self.facts.is_exempt(name):
                    yield from self._drift(name, told.steps, told.values[:, place])

    def _drift(self, name: str, steps: np.ndarray, values: np.ndarray) -> Iterator[Finding]:
        """Whether a tensor's median has left that of its early steps; looked at every so many readings."""
        early = (steps >= EARLY[0]) & (steps < EARLY[1])
        self.early.setdefault(name, []).extend(values[early].tolist())
        late = self.last.setdefault(name, [])
        start = float(np.median(self.early[name])) if len(self.early[name]) >= SETTLED else 0.0
        for step, value in zip(steps[steps >= EARLY[1]].tolist(), values[steps >= EARLY[1]].tolist(), strict=True):
            late.append(value)
            if len(late) < SETTLED:
                continue
            now = float(np.median(late))
            late.clear()
            if start > 0 and now > 0 and max(now / start, start / now) > self.spec.drift:
                says = (
                    f"its grad/weight has moved more than {self.spec.drift:g} times from {start:.2g}, its early median"
                )
                yield self.found(name, step, now, threshold=start * self.spec.drift, says=says, level="info")


class SpikeWatch(Watch[GradSpike]):
    """Compares each total norm with those just before it, in decades."""

    def __init__(self, spec: GradSpike, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.window + 1)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        spec = self.spec
        steps, norms = total(chunks, "gradients", "total_norm")
        useful = np.isfinite(norms) & (norms > 0)
        steps, norms = steps[useful], norms[useful]
        if not len(steps):
            return
        windows = self.window.push(np.log10(norms))
        for at, window in enumerate(windows):
            before = window[:-1][~np.isnan(window[:-1])]
            if len(before) < min(SETTLED, spec.window):
                continue
            middle = float(np.median(before))
            spread = float(np.median(np.abs(before - middle))) + SOFT
            jump = float(window[-1]) - middle
            if jump / spread > spec.z and jump > np.log10(spec.times):
                says = f"the gradient's norm was {10**jump:.3g} times its median over the {len(before)} steps before"
                yield self.found(TOTAL, steps[at], norms[at], threshold=10**middle * spec.times, says=says)


class GrowthWatch(Watch[GradGrowth]):
    """Compares the median of the total norm with its smallest so far."""

    def __init__(self, spec: GradGrowth, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.steps)
        self.smallest = np.inf

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, norms = total(chunks, "gradients", "total_norm")
        useful = np.isfinite(norms) & (norms > 0)
        steps, norms = steps[useful], norms[useful]
        if not len(steps):
            return
        middle = np.median(self.window.push(norms), axis=1)
        full = ~np.isnan(middle)
        steps, middle = steps[full], middle[full]
        smallest = np.minimum(np.minimum.accumulate(middle), self.smallest) if len(middle) else middle
        self.smallest = float(smallest[-1]) if len(smallest) else self.smallest
        held = middle > self.spec.times * smallest
        says = f"the median over {self.spec.steps} steps was over {self.spec.times:g} times its smallest so far"
        for each in self.hits(of_all(steps, middle), held[:, None], says, threshold=None):
            at = int(np.flatnonzero(steps == each.step)[0])
            bound = float(smallest[at]) * self.spec.times
            yield self.found(each.scope, each.step, middle[at], threshold=bound, says=says)
