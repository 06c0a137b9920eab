"""Measures: what is computed of one output on the device, from the cheapest reductions that tell it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.data.batch import Batch

MEASURES = ("total", "norm", "count", "largest", "nonfinite", "dead", "saturated", "padding")
GRAPHS = 4
"""Graphs of the batch whose attention-shaped gates are looked at one by one."""
SATURATED = 0.01
"""s (1 - s) under which a gate s is saturated."""


@dataclass(frozen=True)
class Real:
    """Which positions of a batch are real, and how many."""

    mask: Tensor
    """[graphs, nodes] bool."""
    count: Tensor
    """0-d float."""

    @classmethod
    def of(cls, batch: Batch) -> Real:
        """What a batch says of its nodes."""
        return cls(batch.mask, batch.mask.sum().float())

    def fits(self, output: Tensor) -> bool:
        """Whether an output has a row for each node."""
        return output.ndim > 1 and output.shape[:2] == self.mask.shape

    def over(self, output: Tensor) -> Tensor:
        """The mask of an output's rows: of nodes, or of pairs where the next axis is one of nodes again."""
        nodes = self.mask.shape[1]
        if output.ndim > 3 and output.shape[2] == nodes:
            return self.mask[:, :, None] & self.mask[:, None, :]
        return self.mask

    def largest(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """The largest number without its sign, in real rows and in padding (0 where there is none)."""
        mask = self.over(output)
        rows = output.reshape(*mask.shape, -1)
        sizes = torch.maximum(rows.amax(-1), rows.amin(-1).neg())
        return torch.where(mask, sizes, 0).amax(), torch.where(mask, 0, sizes).amax()


def measured(kind: str, output: Tensor, real: Real) -> Tensor:
    """The measures of an output, [len(MEASURES)]; of its real rows only where it has a row for each node."""
    none = torch.full_like(real.count, torch.nan)
    if not real.fits(output):
        return _unmasked(output, none)
    mask = real.over(output)
    rows = output.reshape(*mask.shape, -1)
    sums = rows.sum(-1, dtype=torch.float32)
    norms = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float32)
    count = (real.count if mask is real.mask else mask.sum()) * rows.shape[-1]
    dead, saturated, padding = none, none, none
    if kind == "relu":
        tops = (rows * mask[..., None]).flatten(0, -2).amax(0)
        largest, dead = tops.amax(), (tops <= 0).float().mean()
    else:
        largest, padding = real.largest(output)
    if kind == "gate":
        saturated = _ends(rows).mean(-1).mul(mask).sum() / mask.sum().clamp(min=1)
    if kind not in ("block", "logits"):
        padding = none
    total = torch.where(mask, sums, 0.0).sum()
    norm = torch.linalg.vector_norm(torch.where(mask, norms, 0.0))
    told = (total, norm, count, largest, ~sums.sum().isfinite(), dead, saturated, padding)
    return torch.stack([each.float() for each in told])


def gated(kind: str, weights: Tensor, allowed: Tensor | None, real: Real) -> Tensor:
    """The measures of attention weights or gates [graphs, heads, rows, columns]: sound at all, and saturated or not."""
    none = torch.full_like(real.count, torch.nan)
    saturated = none
    if kind == "gate":
        ends = _ends(weights[:GRAPHS])
        if allowed is None:
            saturated = ends.mean()
        else:
            counts = allowed[:GRAPHS].to(ends.dtype).expand(len(ends), -1, *ends.shape[2:])
            heads = ends.shape[1] // counts.shape[1]
            saturated = ends.mul_(counts).sum() / (counts.sum() * heads).clamp(min=1)
    nonfinite = ~weights.sum(dtype=torch.float32).isfinite()
    told = (none, none, none, none, nonfinite, none, saturated, none)
    return torch.stack([each.float() for each in told])


def _ends(gates: Tensor) -> Tensor:
    """1 where a gate is saturated, else 0; written as numbers at once, since adding truth values up is slow."""
    slopes = torch.addcmul(gates, gates, gates, value=-1)
    return torch.lt(slopes, SATURATED, out=torch.empty_like(slopes))


def _unmasked(output: Tensor, none: Tensor) -> Tensor:
    total = output.sum(dtype=torch.float32)
    norm = torch.linalg.vector_norm(output, dtype=torch.float32)
    largest = torch.maximum(output.amax(), output.amin().neg())
    count = torch.full_like(none, math.prod(output.shape))
    told = (total, norm, count, largest, ~total.isfinite(), none, none, none)
    return torch.stack([each.float() for each in told])
