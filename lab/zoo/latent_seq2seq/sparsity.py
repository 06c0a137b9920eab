"""From scores of node pairs to weights that sum to 1 in each row, dense or sparse."""

from __future__ import annotations

import torch
from torch import Tensor

COUNT = torch.int16
"""Counts the nodes of a row; graphs of more than 32,767 nodes have no dense weights anyway."""

PRUNED = -1e9
"""The score of a pair that is left out; its weight is 0 to the last bit."""


FEW = 8
"""Up to so many of a row are found faster one after another than all at once."""


def first_few(scores: Tensor, kept: int) -> Tensor:
    """Places [..., kept] of the highest scores of each row, highest first; of equal scores the first ones."""
    with torch.no_grad():
        left, places = scores, list[Tensor]()
        for _ in range(kept):  # Not in place, which a pack of models could only do one by one.
            left = left.scatter(-1, places[-1], -torch.inf) if places else left
            places.append(left.max(-1, keepdim=True).indices)  # Of equals, torch promises the first.
        return torch.cat(places, -1)


def highest(scores: Tensor, kept: int | Tensor) -> Tensor:
    """Where the `kept` highest scores of each row stand; of equal scores the first ones."""
    with torch.no_grad():
        if isinstance(kept, int):
            falling = scores.topk(kept, -1).values
            last, room = falling[..., -1:], (falling == falling[..., -1:]).sum(-1, keepdim=True, dtype=COUNT)
        else:
            last = scores.sort(-1, descending=True).values.index_select(-1, (kept.long() - 1).reshape(1))
            room = kept - (scores > last).sum(-1, keepdim=True, dtype=COUNT)
        equal = scores == last
        return (scores > last) | (equal & (equal.cumsum(-1, dtype=COUNT) <= room))


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the simplex nearest to each row of scores."""
    with torch.no_grad():
        falling = scores.sort(-1, descending=True).values
        count = torch.arange(1, scores.shape[-1] + 1, device=scores.device)
        support = (1 + count * falling > falling.cumsum(-1)).sum(-1, keepdim=True)
        inside = scores >= falling.gather(-1, support - 1)
    threshold = ((scores * inside).sum(-1, keepdim=True) - 1) / inside.sum(-1, keepdim=True)
    return (scores - threshold).clamp(min=0)


def entmax(scores: Tensor) -> Tensor:
    """Halfway between softmax and sparsemax (alpha = 1.5): the squared part of each score above a threshold."""
    scores = scores / 2
    scores = scores - scores.detach().amax(-1, keepdim=True)
    with torch.no_grad():
        falling = scores.sort(-1, descending=True).values
        count = torch.arange(1, scores.shape[-1] + 1, device=scores.device).to(scores.dtype)
        thresholds = _threshold(falling.cumsum(-1) / count, falling.square().cumsum(-1) / count, count)
        support = (thresholds <= falling).sum(-1, keepdim=True)
        inside = (scores >= falling.gather(-1, support - 1)).to(scores.dtype)
    count = inside.sum(-1, keepdim=True)
    mean, square = ((scores.pow(power) * inside).sum(-1, keepdim=True) / count for power in (1, 2))
    return (scores - _threshold(mean, square, count)).clamp(min=0).square()


def _threshold(mean: Tensor, square: Tensor, count: Tensor) -> Tensor:
    """Below which scores weigh nothing, if those above have this mean and mean square."""
    left = (1 - count * (square - mean.square())) / count
    return mean - left.clamp(min=1e-12).sqrt()
