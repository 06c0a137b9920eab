"""Inputs: what goes into the model and in which mode, outputs that are no logits any more, and how rare links are."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.cadence import is_first
from lab.probes.probe import Subject
from lab.probes.ringed import RingProbe
from lab.records.chunk import TOTAL, Chunk
from lab.spec.probes import Inputs

STATISTICS = ("input_std", "input_max", "training", "like_probabilities", "bn_single", "link_ratio")
ROWS_SUM_TO_ONE = 1e-4
"""How far the outputs of a node may be from summing to 1 and still look like probabilities."""


class InputProbe(RingProbe):
    """Looks at the first batch of a step and at what the model answers to it."""

    def __init__(self, spec: Inputs, subject: Subject) -> None:
        super().__init__()
        self.spec = spec
        self.model = subject.model
        self.has_batch_norm = any("batchnorm" in type(module).__name__.lower() for module in subject.model.modules())
        self._batch: Batch | None = None
        self._training: list[float] = []

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """Take the first batch down on a step that is due."""
        due = is_first(step) or step % self.spec.every == 0
        self._batch = batch if due and part == 0 else None

    @torch.no_grad()
    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """Read the first batch."""
        batch, self._batch = self._batch, None
        if batch is None:
            return
        real = batch.mask.sum().float()
        row = [*_scale(batch.x, batch.mask, real), _like_probabilities(outputs, batch.mask, real)]
        row.append((real == 1).float() if self.has_batch_norm else torch.zeros_like(real))
        row.append(_link_ratio(batch))
        self.ring.add(step, torch.stack(row))
        self._training.append(float(self.model.training))

    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """One chunk of totals."""
        total, norm, count, largest, like, single, links = rows.T.astype(np.float64)
        with np.errstate(all="ignore"):
            spread = np.sqrt(np.maximum(norm**2 / count - (total / count) ** 2, 0.0))
        training, self._training = np.array(self._training), []
        values = np.stack([spread, largest, training, like, single, links], axis=1).astype(np.float32)
        return [Chunk(self.spec.kind, steps, (TOTAL,), STATISTICS, values[:, :, None])]


def _scale(x: Tensor, mask: Tensor, real: Tensor) -> tuple[Tensor, ...]:
    """Sum, norm and count of the numbers of real nodes, and the largest of them without its sign.

    The first two are taken from the first node on, so that what is constant has a spread of exactly 0.
    """
    rows = x.float().reshape(*mask.shape, -1)
    largest = torch.maximum(rows.amax(-1), rows.amin(-1).neg())
    rows = rows - rows[0, 0, 0]
    total = torch.where(mask, rows.sum(-1), 0.0).sum()
    norm = torch.linalg.vector_norm(torch.where(mask, torch.linalg.vector_norm(rows, dim=-1), 0.0))
    return total, norm, real * rows.shape[-1], torch.where(mask, largest, 0.0).amax()


def _like_probabilities(outputs: Tensor, mask: Tensor, real: Tensor) -> Tensor:
    """Share of the real nodes whose outputs lie in [0, 1] and sum to 1; NaN where they are no rows of classes."""
    if outputs.shape[:-1] != mask.shape or outputs.shape[-1] < 2:
        return torch.full_like(real, torch.nan)
    sums_to_one = (outputs.sum(-1) - 1).abs() < ROWS_SUM_TO_ONE
    like = sums_to_one & (outputs.amin(-1) >= 0) & (outputs.amax(-1) <= 1) & mask
    return like.sum() / real.clamp(min=1)


def _link_ratio(batch: Batch) -> Tensor:
    """Log of the pairs of two nodes without a link for each with one, by which a weighted loss scales gradients.

    Infinite in a batch without links, and NaN where it is not links of a changing graph that are asked for.
    """
    if batch.adjacency.ndim != 4 or batch.y.shape != batch.adjacency[:, -1].shape:
        return batch.mask.new_full((), torch.nan, dtype=torch.float32)
    apart = ~torch.eye(batch.y.shape[-1], dtype=torch.bool, device=batch.y.device)
    links = ((batch.y != 0) & apart).sum()
    return (len(batch.y) * apart.sum() / links - 1).log().float()
