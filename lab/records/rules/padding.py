"""R4 and R5: what padding or other graphs change that they should not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.watcher import Rows, Watch, rows
from lab.spec.rules import CrossGraph, Finding, PaddingLeak


class PaddingWatch(Watch[PaddingLeak]):
    """Bisects by blocks: the first that changes with the padding is where it leaks."""

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        over = self.spec.over
        for told in rows(chunks, "padding", "inv_pad"):
            says = "outputs of real nodes change with what the padding holds"
            yield from self.hits(*_first(told, over), says, threshold=over)
        for told in rows(chunks, "padding", "inv_pad_train"):
            says = "in training mode, outputs of real nodes change with what the padding holds: batch statistics"
            yield from self.hits(*_first(told, over), says, threshold=over)
        for told in rows(chunks, "activations", "pad_grad"):
            says = "gradients flow into padding: what comes behind it, or the loss, reads padding"
            yield from self.hits(*_last(told), says, threshold=0)


class CrossGraphWatch(Watch[CrossGraph]):
    """The first block whose outputs change with the other graphs."""

    def see(self, chunks: Sequence[Chunk]) -> Iterator[Finding]:
        """What these readings show."""
        for told in rows(chunks, "padding", "inv_graph"):
            says = "outputs of a graph change with the other graphs of its batch"
            yield from self.hits(*_first(told, self.spec.over), says, threshold=self.spec.over)


def _first(told: Rows, over: float) -> tuple[Rows, np.ndarray]:
    """The readings, and where the first of the names that are over it stands."""
    held = told.values > over
    return told, held & (np.cumsum(held, axis=1) == 1)


def _last(told: Rows) -> tuple[Rows, np.ndarray]:
    """The readings, and where the last of the names that are above zero stands."""
    held = told.values > 0
    return told, held & (np.cumsum(held[:, ::-1], axis=1)[:, ::-1] == 1)
