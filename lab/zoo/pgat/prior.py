"""What is known of edges before their ends are looked at: nothing, or learned weights, fixed or moved by the states."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lab.spec.models.pgat import Pgat as Options


class FixedPrior(nn.Module):
    """All edges alike."""

    def forward(self, destinations: Tensor, sources: Tensor, allowed: Tensor) -> Tensor:
        """Zeros."""
        return torch.zeros_like(allowed, dtype=destinations.dtype)

    def best(self) -> None:
        """All are kept."""


class LearnedPrior(nn.Module):
    """The logarithm of a share for each source of a destination, a softmax of learned scores."""

    def __init__(self, spec: Options, destinations: int, sources: int) -> None:
        super().__init__()
        self.gumbel, self.top, self.entropy = spec.gumbel, min(spec.top_edges, sources), spec.edge_entropy
        self.scores = nn.Parameter(torch.empty(destinations, sources))
        narrow, adaptive = max(1, spec.width // 4), spec.graph == "adaptive"
        self.destination = nn.Linear(spec.width, narrow, bias=False) if adaptive else None
        self.source = nn.Linear(spec.width, narrow, bias=False) if adaptive else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All edges alike to begin with."""
        nn.init.zeros_(self.scores)

    def forward(self, destinations: Tensor, sources: Tensor, allowed: Tensor) -> Tensor:
        """[graphs or 1, tokens or 1, destinations, sources]; very low where there is no edge or it is not kept."""
        with torch.autocast(destinations.device.type, enabled=False):
            scores = self.scores[None, None]
            if self.destination is not None and self.source is not None:
                asked = self.destination(destinations.to(scores.dtype))
                told = self.source(sources.to(scores.dtype))
                scores = scores + asked @ told.transpose(-1, -2) / math.sqrt(asked.shape[-1])
            if self.training and self.gumbel:
                chance = torch.rand(self.scores.shape, device=scores.device).clamp(1e-9, 1 - 1e-7)
                scores = (scores - (-chance.log()).log()) / self.gumbel
            return scores.masked_fill(~self._kept(allowed), torch.finfo(scores.dtype).min).log_softmax(-1)

    def penalty(self) -> Tensor | None:
        """What the loss grows by: the entropy of a destination's shares, moved by no state, in the mean over them."""
        if not self.entropy:
            return None
        kept = self._kept(torch.ones_like(self.scores, dtype=torch.bool))
        shares = self.scores.masked_fill(~kept, torch.finfo(self.scores.dtype).min).log_softmax(-1)
        return -self.entropy * (shares.exp() * shares).sum(-1).mean()

    def best(self) -> Tensor | None:
        """[destinations, kept] int64: the sources of the largest scores, if only so many are kept."""
        if not self.top or self.top == self.scores.shape[1]:
            return None
        return self.scores.detach().topk(self.top, dim=-1).indices

    def _kept(self, allowed: Tensor) -> Tensor:
        best = self.best()
        if best is None:
            return allowed
        return allowed & torch.zeros_like(self.scores, dtype=torch.bool).scatter(-1, best, True)
