"""R13: gradients that fade over depth, or stay next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.blocks import by_block
from lab.records.chunk import Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.updates import of_matrices
from lab.records.rules.watcher import Rows, Watch, rows
from lab.records.rules.windows import Streak
from lab.spec.rules import Finding, Vanishing

FEWEST = 5
"""Readings that a profile over blocks is made of."""


class VanishingWatch(Watch[Vanishing]):
    """Compares blocks in the first steps, once, and follows each parameter all the time."""

    def __init__(self, spec: Vanishing, facts: Facts) -> None:
        super().__init__(spec, facts)
        self.low = Streak(spec.readings)
        self.blocks: dict[str, list[float]] = {}
        self.last = -1
        self.is_compared = False

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in of_matrices(chunks, "grad_norm", self.facts):
            yield from self._profile(told)
        for told in rows(chunks, "gradients", "grad_norm"):
            blamed = told.only(lambda name: not self.facts.is_exempt(name))
            held = self.low.held(blamed.names, blamed.values < self.spec.floor)
            matrix = np.array([self.facts.is_matrix(name) for name in blamed.names], dtype=bool)
            says = f"its gradient norm stayed under {self.spec.floor:g} for {self.spec.readings} readings"
            yield from self.by_blocks(blamed, held & matrix, says, threshold=self.spec.floor)
            yield from self.by_blocks(blamed, held & ~matrix, says, threshold=self.spec.floor, level="info")

    def _profile(self, told: Rows) -> Iterator[Finding]:
        """Block by block over the first steps; judged once the last of them is past."""
        spec = self.spec
        inside = (told.steps >= spec.start) & (told.steps <= spec.stop)
        for block, names in by_block(told.names).items():
            at = [told.names.index(name) for name in names]
            norms = np.sqrt(np.square(told.values[inside][:, at], dtype=np.float64).sum(axis=1))
            self.blocks.setdefault(block, []).extend(norms[np.isfinite(norms)].tolist())
        if inside.any():
            self.last = int(told.steps[inside][-1])
        if not self.is_compared and len(told.steps) and told.steps[-1] >= spec.stop:
            self.is_compared = True
            yield from self._compared()

    def end(self) -> Iterator[Finding]:
        """A run that ends early is judged by the steps it has."""
        if not self.is_compared:
            self.is_compared = True
            yield from self._compared()

    def _compared(self) -> Iterator[Finding]:
        spec = self.spec
        sizes = {block: float(np.median(norms)) for block, norms in self.blocks.items() if len(norms) >= FEWEST}
        layers = {block: size for block, size in sizes.items() if block.rpartition(".")[2].isdigit()}
        sizes = layers if len(layers) > 1 else sizes
        if not sizes:
            return
        order = sorted(sizes, key=lambda block: (sizes[block], block))
        weakest, strongest = order[0], order[-1]
        low, high = sizes[weakest], sizes[strongest]
        if high >= spec.floor and low < spec.ratio * high:
            smaller = f"{high / low:,.0f} times smaller than" if low else "nothing beside"
            says = f"its gradient was {smaller} that of {strongest} in the first steps"
            yield self.found(weakest, self.last, low / high, threshold=spec.ratio, says=says)
