"""Numbers of a pair's past: what the known lines of links and the models of the same names forecast from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Number = Callable[[Tensor, Tensor], Tensor]
"""From entries [graphs, frames, nodes, nodes] and their mean over the frames to a number for each pair."""


def entries_of(adjacency: Tensor, dtype: torch.dtype) -> Tensor:
    """[graphs, frames, nodes, nodes] of what a batch holds: an edge that is listed twice is one, a weight is itself."""
    frames = adjacency if adjacency.ndim == 4 else adjacency[:, None]
    return frames.clamp(max=1).to(dtype)


def numbers_of(rule: str, links: Tensor) -> Tensor:
    """[graphs, nodes, nodes, count] the numbers that a rule looks at, of entries [graphs, frames, nodes, nodes]."""
    mean = links.mean(1)
    return torch.stack([number(links, mean) for number in NUMBERS[rule]], dim=-1)


def last(links: Tensor, mean: Tensor) -> Tensor:
    """The last entry of every pair."""
    return links[:, -1]


def average(links: Tensor, mean: Tensor) -> Tensor:
    """The mean entry of every pair."""
    return mean


def common_neighbours(links: Tensor, mean: Tensor) -> Tensor:
    """Ways of two steps through the mean graph."""
    return mean @ mean


def degree_sum(links: Tensor, mean: Tensor) -> Tensor:
    """The row's degree out plus the column's degree in."""
    return mean.sum(2)[:, :, None] + mean.sum(1)[:, None]


def degree_product(links: Tensor, mean: Tensor) -> Tensor:
    """The logarithm of the product of both degrees, each a little above 0."""
    floor = 1 / links.shape[1]
    return (mean.sum(2) + floor).log()[:, :, None] + (mean.sum(1) + floor).log()[:, None]


NUMBERS: dict[str, tuple[Number, ...]] = {
    "copy_last": (last,),
    "window_mean": (average,),
    "common_neighbours": (common_neighbours,),
    "degree_product": (degree_product,),
    "pair_logit": (last, average, common_neighbours, degree_sum, degree_product),
}
