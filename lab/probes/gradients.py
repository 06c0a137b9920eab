"""Gradient, weight and true update norms of every parameter, in a few operations and without waiting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.probe import RING, Probe, Subject
from lab.records.chunk import GUARD, TOTAL, TOTALS, Chunk
from lab.spec.probes import Gradients

STATISTICS = (
    "grad_norm",
    "weight_norm",
    "update_norm",
    "grad_weight",
    "update_weight",
    "zero_share",
    "nonfinite",
)
OF_ALL = (*TOTALS, "stale")
"""What is told of all parameters together; `stale` is the norm of the gradient found before a step's first backward."""


class GradientProbe(Probe):
    """Norms go into a ring on the device, one row a reading; ratios are made of them on the host.

    A row holds the norms of all gradients, weights and updates, the counts of non-zero gradients, and the
    totals. Gradients are those before clipping; `clip_coef` tells what the update used.
    """

    def __init__(self, spec: Gradients, subject: Subject) -> None:
        self.spec = spec
        self.layout = subject.layout
        self.weights = subject.weights
        self.moved = torch.empty_like(subject.weights)
        self._gradients = self.layout.pieces(subject.gradients)
        self._before = self._gradients + self.layout.pieces(subject.weights)
        self._moved = self.layout.pieces(self.moved)
        self.count = len(self.layout.names)
        self.gradients = subject.gradients
        self.ring = subject.weights.new_full((RING, 4 * self.count + len(OF_ALL)), torch.nan)
        self._steps: list[int] = []

    def _is_due(self, step: int) -> bool:
        return step % self.spec.every == 0

    @torch.no_grad()
    def before_step(self, step: int, batches: Sequence[Batch]) -> None:
        """Measure what is left of the last step's gradients: nothing, where they were set to zero."""
        if self._is_due(step):
            torch.linalg.vector_norm(self.gradients, out=self.ring[len(self._steps), -1])

    @torch.no_grad()
    def after_backward(self, step: int) -> None:
        """Measure gradients and weights, and remember the weights."""
        if not self._is_due(step):
            return
        row = self.ring[len(self._steps)]
        torch.stack(torch._foreach_norm(self._before), out=row[: 2 * self.count])
        if step // self.spec.every % self.spec.zeros_every == 0:
            nonzero = torch._foreach_norm(self._gradients, 0)
            torch.stack(nonzero, out=row[3 * self.count : 4 * self.count])
        self.moved.copy_(self.weights)

    @torch.no_grad()
    def after_step(self, step: int, totals: Tensor) -> None:
        """Measure how far the weights have moved."""
        if not self._is_due(step):
            return
        row = self.ring[len(self._steps)]
        torch.sub(self.weights, self.moved, out=self.moved)
        torch.stack(torch._foreach_norm(self._moved), out=row[2 * self.count : 3 * self.count])
        row[4 * self.count : -1].copy_(totals)
        self._steps.append(step)

    def waiting(self) -> Tensor | None:
        """All rows since the last flush."""
        return self.ring[: len(self._steps)].flatten() if self._steps else None

    def told(self, host: np.ndarray) -> list[Chunk]:
        """One chunk of statistics by parameter and one of the totals."""
        if not self._steps:
            return []
        rows = host.reshape(len(self._steps), -1)
        self.ring.fill_(torch.nan)
        steps, self._steps = np.array(self._steps, dtype=np.int32), []
        norms = rows[:, : 4 * self.count].reshape(len(rows), 4, self.count)
        totals = rows[:, 4 * self.count :, None]
        return [
            Chunk(self.spec.kind, steps, self.layout.names, STATISTICS, self._statistics(norms)),
            Chunk(self.spec.kind, steps, (TOTAL,), OF_ALL, totals),
        ]

    def _statistics(self, norms: np.ndarray) -> np.ndarray:
        gradient, weight, update, nonzero = norms.transpose(1, 0, 2)
        sizes = np.array(self.layout.sizes, dtype=np.float32)
        with np.errstate(all="ignore"):
            told = [
                gradient,
                weight,
                update,
                gradient / (weight + GUARD),
                update / (weight + GUARD),
                1 - nonzero / sizes,
                (~np.isfinite(gradient)).astype(np.float32),
            ]
        return np.stack(told, axis=1).astype(np.float32)
