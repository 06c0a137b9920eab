"""Baselines of link prediction: fixed numbers of a pair's past, weighed by logistic regression."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.link_baseline import LinkBaseline as Options
from lab.zoo.link_readouts import IMPOSSIBLE
from lab.zoo.parts import BatchNorm


class LinkBaseline(nn.Module):
    """Logits that are linear in standardised numbers of a pair's past."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.rule = spec.rule
        self.table = Table(shape.nodes) if spec.rule == "pair_marginal" else None
        self.forgetting = Forgetting() if spec.rule == "ewma" else None
        count = len(NUMBERS.get(spec.rule, ())) or int(self.forgetting is not None)
        self.norm = BatchNorm(count, affine=False) if count else None
        self.odds = Odds(count) if self.table is None else None

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, nodes]; no node is linked to itself."""
        graphs, nodes = batch.mask.shape
        itself = torch.eye(nodes, dtype=torch.bool, device=batch.x.device).expand(graphs, -1, -1)
        if self.table is not None:
            logits: Tensor = self.table().expand(graphs, -1, -1)
        else:
            assert self.odds is not None
            logits = self.odds(self._numbers(batch, ~itself)).expand(graphs, nodes, nodes)
        return logits.masked_fill(itself, IMPOSSIBLE)

    def _numbers(self, batch: Batch, pairs: Tensor) -> Tensor | None:
        """[graphs, nodes, nodes, count], each of mean 0 and variance 1 over the pairs of the batch."""
        if self.norm is None:
            return None
        links = batch.adjacency if batch.adjacency.ndim == 4 else batch.adjacency[:, None]
        links = links.clamp(max=1).to(batch.x.dtype)
        if self.forgetting is not None:
            numbers = self.forgetting(links)[..., None]
        else:
            mean = links.mean(1)
            numbers = torch.stack([number(links, mean) for number in NUMBERS[self.rule]], dim=-1)
        told: Tensor = self.norm(numbers, pairs)
        return told


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


Number = Callable[[Tensor, Tensor], Tensor]
"""From entries [graphs, frames, nodes, nodes] and their mean over the frames to a number for each pair."""

NUMBERS: dict[str, tuple[Number, ...]] = {
    "copy_last": (last,),
    "window_mean": (average,),
    "common_neighbours": (common_neighbours,),
    "degree_product": (degree_product,),
    "pair_logit": (last, average, common_neighbours, degree_sum, degree_product),
}


class Odds(nn.Module):
    """Weighted numbers and the log odds of an average pair."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count)) if count else None
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every number speaks for a link at first."""
        nn.init.zeros_(self.bias)
        if self.weight is not None:
            nn.init.ones_(self.weight)

    def forward(self, numbers: Tensor | None) -> Tensor:
        """Logits [graphs, nodes, nodes], or one for all."""
        return self.bias if numbers is None or self.weight is None else numbers @ self.weight + self.bias


class Table(nn.Module):
    """A logit for every pair of places."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(nodes, nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from even odds."""
        nn.init.zeros_(self.weight)

    def forward(self) -> Tensor:
        """[nodes, nodes]."""
        return self.weight


class Forgetting(nn.Module):
    """A mean over the frames in which each counts a learned share of the next."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Each frame counts half of the next at first."""
        nn.init.zeros_(self.logit)

    def forward(self, links: Tensor) -> Tensor:
        """[graphs, nodes, nodes] of [graphs, frames, nodes, nodes]."""
        age = torch.arange(links.shape[1] - 1, -1, -1, device=links.device, dtype=links.dtype)
        shares = self.logit.sigmoid() ** age
        return torch.einsum("t,gtij->gij", shares / shares.sum(), links)
