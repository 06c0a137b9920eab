"""Baselines of link prediction: fixed numbers of a pair's past, weighed by logistic regression."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.data.links.pair_numbers import NUMBERS, entries_of, numbers_of
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
        links = entries_of(batch.adjacency, batch.x.dtype)
        numbers = numbers_of(self.rule, links) if self.forgetting is None else self.forgetting(links)[..., None]
        told: Tensor = self.norm(numbers, pairs)
        return told


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
