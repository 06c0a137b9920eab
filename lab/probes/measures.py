"""Measures: what is computed of outputs on the device, from the cheapest reductions that tell it.

Of an output with a row for each node only its rows are reduced at once; what is made of the rows, few numbers
each, is made of all outputs together, so that a reading of a small model is not spent on starting operations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.data.batch import Batch

MEASURES = ("total", "norm", "count", "largest", "nonfinite", "dead", "saturated", "padding")
PADDED = frozenset({"block", "logits"})
"""Kinds of outputs whose padding is looked at."""
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

    def is_plain(self, output: Tensor) -> bool:
        """Whether an output is [graphs, nodes, channels]."""
        return output.ndim == 3 and self.fits(output)

    def over(self, output: Tensor) -> Tensor:
        """The mask of an output's rows: of nodes, or of pairs where the next axis is one of nodes again."""
        nodes = self.mask.shape[1]
        if output.ndim > 3 and output.shape[2] == nodes:
            return self.mask[:, :, None] & self.mask[:, None, :]
        return self.mask

    def largest(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """The largest number without its sign, in real rows and in padding (0 where there is none)."""
        mask = self.over(output)
        sizes = sizes_of(output.reshape(*mask.shape, -1))
        return torch.where(mask, sizes, 0).amax(), torch.where(mask, 0, sizes).amax()


@dataclass(frozen=True)
class Rows:
    """What the rows [graphs, nodes] of an output hold."""

    width: int
    sums: Tensor
    norms: Tensor
    sizes: Tensor | None = None
    """The largest number of a row without its sign; None for ReLUs."""
    tops: Tensor | None = None
    """Of ReLUs, the largest number of each channel over the real rows."""
    shows_padding: bool = False

    @classmethod
    def of(cls, kind: str, output: Tensor, real: Real) -> Rows:
        """Reduce the rows of an output [graphs, nodes, channels]."""
        sums = output.sum(-1, dtype=torch.float32)
        norms = torch.linalg.vector_norm(output, dim=-1, dtype=torch.float32)
        if kind == "relu":
            tops = (output * real.mask[..., None]).amax((0, 1)).float()
            return cls(output.shape[-1], sums, norms, tops=tops)
        return cls(output.shape[-1], sums, norms, sizes_of(output), shows_padding=kind in PADDED)


def sizes_of(output: Tensor) -> Tensor:
    """The largest number of each row without its sign."""
    return torch.maximum(output.amax(-1), output.amin(-1).neg())


def measures_of(outputs: Sequence[Rows], real: Real) -> Tensor:
    """The measures [outputs, len(MEASURES)] of outputs that have a row for each node."""
    sums = torch.stack([each.sums for each in outputs])
    norms = torch.stack([each.norms for each in outputs])
    axes = (1, 2)
    nothing = torch.full_like(real.count, torch.nan)
    largest, dead, padding = ([nothing] * len(outputs) for _ in range(3))
    sized = [at for at, each in enumerate(outputs) if each.sizes is not None]
    if sized:
        inside, outside = largest_of([each.sizes for each in outputs if each.sizes is not None], real)
        for at, size, beyond in zip(sized, inside.unbind(), outside.unbind(), strict=True):
            largest[at] = size
            padding[at] = beyond if outputs[at].shows_padding else nothing
    for at, each in enumerate(outputs):
        if each.tops is not None:
            largest[at], dead[at] = each.tops.amax(), (each.tops <= 0).float().mean()
    return torch.stack(
        [
            torch.where(real.mask, sums, 0.0).sum(axes),
            torch.linalg.vector_norm(torch.where(real.mask, norms, 0.0), dim=axes),
            torch.stack([real.count * each.width for each in outputs]),
            torch.stack(largest),
            (~sums.sum(axes).isfinite()).float(),
            torch.stack(dead),
            nothing.expand(len(outputs)),
            torch.stack(padding),
        ],
        dim=1,
    )


def largest_of(sizes: Sequence[Tensor], real: Real) -> tuple[Tensor, Tensor]:
    """Of each output's row sizes [graphs, nodes] the largest in real rows and in padding (0 where there is none)."""
    together = torch.stack(list(sizes)).float()
    return torch.where(real.mask, together, 0.0).amax((1, 2)), torch.where(real.mask, 0.0, together).amax((1, 2))


def measured(kind: str, output: Tensor, real: Real) -> Tensor:
    """The measures of an output of any other shape, [len(MEASURES)]; of pairs those of two real nodes."""
    none = torch.full_like(real.count, torch.nan)
    if not real.fits(output):
        return _unmasked(output, none)
    mask = real.over(output)
    rows = output.reshape(*mask.shape, -1)
    sums = rows.sum(-1, dtype=torch.float32)
    norms = torch.linalg.vector_norm(rows, dim=-1, dtype=torch.float32)
    largest, padding = real.largest(output)
    count, dead, saturated = mask.sum(), none, none
    if kind == "relu":
        tops = (rows * mask[..., None]).flatten(0, -2).amax(0)
        dead = (tops <= 0).float().mean()
    if kind == "gate":
        saturated = _ends(rows).mean(-1).mul(mask).sum() / count.clamp(min=1)
    total = torch.where(mask, sums, 0.0).sum()
    norm = torch.linalg.vector_norm(torch.where(mask, norms, 0.0))
    beyond = padding if kind in PADDED else none
    told = (total, norm, count * rows.shape[-1], largest, ~sums.sum().isfinite(), dead, saturated, beyond)
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
