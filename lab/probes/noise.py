"""Noise: the gradient noise scale, from the gradients of the batches an update accumulates and that of their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.probe import Subject
from lab.probes.ringed import RingProbe, not_measured
from lab.records.chunk import TOTAL, Chunk
from lab.spec.probes import Noise
from lab.spec.rules import Finding


class NoiseProbe(RingProbe):
    """Tells each batch's share of the gradient by what it adds; needs one copy of the gradients."""

    def __init__(self, spec: Noise, subject: Subject) -> None:
        super().__init__()
        self.spec = spec
        self.gradients = subject.gradients
        self.means = [0.0, 0.0]
        """Running means of the squared norm of the true gradient, and of the trace of its covariance."""
        self._so_far: Tensor | None = None
        self._squares: list[Tensor] = []
        self._sizes: list[int] = []
        self._all_sizes: list[tuple[float, float]] = []
        self.is_alone = False
        """Whether an update was seen that is made of one batch."""

    def before_step(self, step: int, batches: Sequence[Batch]) -> None:
        """Note how many graphs each batch holds."""
        self._sizes, self._squares = [len(batch.ids) for batch in batches], []
        self.is_alone = self.is_alone or len(batches) == 1

    @torch.no_grad()
    def after_part(self, step: int, part: int) -> None:
        """Measure what this batch has added."""
        if len(self._sizes) < 2:
            return
        if self._so_far is None:
            self._so_far = torch.zeros_like(self.gradients)
        if part == 0:
            self._so_far.zero_()
        torch.sub(self.gradients, self._so_far, out=self._so_far)
        self._squares.append(torch.linalg.vector_norm(self._so_far).square())
        self._so_far.copy_(self.gradients)

    @torch.no_grad()
    def after_backward(self, step: int) -> None:
        """Keep the mean square of the batches' gradients, and the square of their mean."""
        if len(self._squares) < 2:
            return
        count = len(self._squares)
        small = torch.stack(self._squares).mean() * count**2  # Each batch adds its gradient divided by their number.
        self.ring.add(step, torch.stack([small, torch.linalg.vector_norm(self.gradients).square()]))
        self._all_sizes.append((sum(self._sizes) / count, float(sum(self._sizes))))

    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """One chunk: the ratio of the running means."""
        sizes, self._all_sizes = self._all_sizes, []
        scales = [
            self._scale(float(small), float(large), *size) for (small, large), size in zip(rows, sizes, strict=True)
        ]
        values = np.array(scales, dtype=np.float32)[:, None, None]
        return [Chunk(self.spec.kind, steps, (TOTAL,), ("noise_scale",), values)]

    def _scale(self, small: float, large: float, few: float, many: float) -> float:
        if not np.isfinite(small + large):
            return float("nan")
        signal = (many * large - few * small) / (many - few)
        noise = (small - large) / (1 / few - 1 / many)
        keep = self.spec.memory
        self.means = [keep * old + (1 - keep) * new for old, new in zip(self.means, (signal, noise), strict=True)]
        return self.means[1] / self.means[0] if self.means[0] > 0 else float("nan")

    def remarks(self) -> tuple[Finding, ...]:
        """Updates of one batch tell no noise."""
        why = "training.accumulate is 1, and a single batch does not show its noise"
        return (not_measured("noise", "", why),) if self.is_alone else ()

    def state(self) -> dict[str, Any]:
        """The running means."""
        return {"means": self.means}

    def load(self, said: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.means = list(said["means"])
