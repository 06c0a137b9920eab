"""R6 and R7: gradients that are never cleared, parameters that get none, and parameters that never move."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.watcher import Watch, of_all, rows, total
from lab.records.rules.windows import Streak, Window
from lab.spec.rules import Finding, NoGradient, StaleGrad

VISIBLE = 1e-6
"""Update/weight that float32 surely shows: where all matrices move less, one that stands still is no news."""


class StaleWatch(Watch[StaleGrad]):
    """Counts the steps that began with gradients of the last one."""

    def __init__(self, spec: StaleGrad, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.window = Window(spec.of)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        steps, values = total(chunks, "gradients", "stale")
        taken = ~np.isnan(values)
        steps, values = steps[taken], values[taken]
        if len(steps):
            held = (self.window.push(values) > 0).sum(axis=1) >= self.spec.steps
            says = f"gradients of the last step were still there in {self.spec.steps} of {self.spec.of} steps"
            yield from self.hits(of_all(steps, values), (held & (values > 0))[:, None], says, threshold=0)


class NoGradientWatch(Watch[NoGradient]):
    """Follows, parameter by parameter, how long no gradient came and how long none was used."""

    def __init__(self, spec: NoGradient, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.without = Streak(spec.steps)
        self.unmoved = Streak(spec.steps)

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        told = (rows(chunks, "gradients", statistic) for statistic in ("grad_norm", "update_norm", "update_weight"))
        for each in zip(*told, strict=True):
            blamed, moves, ratios = (one.only(lambda name: not self.facts.is_exempt(name)) for one in each)
            alive = (blamed.values > 0).any(axis=1, keepdims=True)
            matrix = np.array([self.facts.is_matrix(name) for name in ratios.names], dtype=bool)
            goes = (ratios.values[:, matrix] > VISIBLE).any(axis=1, keepdims=True)
            some = np.broadcast_to(alive, blamed.values.shape)
            without = self.without.held(blamed.names, (blamed.values == 0) & alive, some)
            still = (blamed.values > 0) & (moves.values == 0) & goes
            unmoved = self.unmoved.held(blamed.names, still, np.broadcast_to(goes, still.shape))
            says = f"no gradient reached it in {self.spec.steps} steps"
            yield from self.by_blocks(blamed, without, says, threshold=0)
            says = f"it got gradients and never moved in {self.spec.steps} steps, while others did"
            yield from self.by_blocks(moves, unmoved, says, threshold=0)
