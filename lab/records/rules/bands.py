"""R10, R11 and R12: gradients out of proportion to weights, out of line with the steps before, or growing for long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.updates import MATRICES, of_matrices
from lab.records.rules.watcher import Rows, Watch, medians, middles, of_all, rows, total
from lab.records.rules.windows import Streak, Window
from lab.spec.rules import Finding, GradGrowth, GradSpike, GradWeightBand, Severity

EARLY = (50, 150)
"""Steps whose median a tensor is compared with."""
SETTLED = 50
"""Readings that a median of a tensor is made of."""
FEWEST = 20
"""Readings that a norm is compared with, at least."""
SOFT = 0.05
"""Added to the spread, in decades, so that a run without any noise has a scale too."""


class BandWatch(Watch[GradWeightBand]):
    """Follows the median over matrices, and each tensor against its own early median."""

    def __init__(self, spec: GradWeightBand, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.outside = Streak(spec.steps)
        self.early: dict[str, list[list[float]]] = {}
        self.late: dict[str, list[list[float]]] = {}

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        far = self.spec.far
        for told in of_matrices(chunks, "grad_weight", self.facts):
            middle = medians(told)
            series = of_all(told.steps[~np.isnan(middle)], middle[~np.isnan(middle)], MATRICES)
            yield from self._outside(series, 1.0, "info")
            yield from self._outside(series, far, self.spec.level)
        for told in rows(chunks, "gradients", "grad_weight"):
            yield from self._drifts(told.only(lambda name: not self.facts.is_exempt(name)))

    def _outside(self, series: Rows, far: float, level: Severity) -> Iterator[Finding]:
        """Where the median left the band, made wider by a factor."""
        spec, values = self.spec, series.values
        low, high = spec.low / far, spec.high * far
        held = self.outside.held([f"{MATRICES} {far:g}"], (values < low) | (values > high))
        says = f"the median grad/weight was outside {low:g} .. {high:g} for {spec.steps} steps"
        for each in self.hits(series, held, says, threshold=None, level=level):
            yield replace(each, threshold=low if each.value is not None and each.value < low else high)

    def _drifts(self, told: Rows) -> Iterator[Finding]:
        """Tensors whose median rose far over that of their early steps; looked at every so many readings.

        That it falls is how runs settle, and how biases grow from zero.
        """
        key = "|".join(told.names)
        early, late = self.early.setdefault(key, []), self.late.setdefault(key, [])
        early += told.values[(told.steps >= EARLY[0]) & (told.steps < EARLY[1])].tolist()
        after = told.steps >= EARLY[1]
        for step, row in zip(told.steps[after].tolist(), told.values[after].tolist(), strict=True):
            late.append(row)
            if len(late) == SETTLED:
                now = np.median(late, axis=0)
                late.clear()
                if len(early) >= SETTLED:
                    yield from self._drifted(told.names, step, np.median(early, axis=0), now)

    def _drifted(self, names: Sequence[str], step: int, start: np.ndarray, now: np.ndarray) -> Iterator[Finding]:
        far = (start > 0) & (now > 0)
        far[far] = now[far] > self.spec.drift * start[far]
        for place in np.flatnonzero(far).tolist():
            says = f"its grad/weight rose to more than {self.spec.drift:g} times {start[place]:.2g}, its early median"
            bound = start[place] * self.spec.drift
            yield self.found(names[place], step, now[place], threshold=bound, says=says, level="info")


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
        before, now = windows[:, :-1], windows[:, -1]
        middle = middles(before)
        spread = middles(np.abs(before - middle[:, None])) + SOFT
        counts = (~np.isnan(before)).sum(axis=1)
        jump = now - middle
        far = (counts >= min(FEWEST, spec.window)) & (jump / spread > spec.z) & (jump > np.log10(spec.times))
        for at in np.flatnonzero(far).tolist():
            says = f"the gradient's norm was {10 ** jump[at]:.3g} times its median over the {counts[at]} steps before"
            yield self.found(TOTAL, steps[at], norms[at], threshold=10 ** middle[at] * spec.times, says=says)


class GrowthWatch(Watch[GradGrowth]):
    """Compares the median of the total norm with its smallest so far."""

    def __init__(self, spec: GradGrowth, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.steps)
        self.smallest = np.inf

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, norms = total(chunks, "gradients", "total_norm")
        useful = np.isfinite(norms) & (norms > 0) & (steps >= self.spec.after)
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
