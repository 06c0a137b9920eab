"""Norms between latent layers; each takes [batch, frames, nodes, width] and knows its axes."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lab.spec.models.latent_seq2seq import LatentNorm
from lab.zoo.parts import BatchNorm
from lab.zoo.taps import Kind

EPSILON = 1e-5


def latent_norm(kind: LatentNorm, width: int) -> nn.Module:
    """The norm of this kind, or a stand-in that hands on what it gets."""
    made: dict[LatentNorm, type[nn.Module]] = {
        "layer": ChannelNorm,
        "batch": TokenNorm,
        "graph": GraphNorm,
        "pair": PairNorm,
    }
    return made[kind](width) if kind in made else nn.Identity()


class ChannelNorm(nn.LayerNorm):
    """Layer norm, node by node."""

    tapped: ClassVar[Kind] = "norm"


class TokenNorm(BatchNorm):
    """Batch norm over all nodes of all frames; in training a sample's numbers hang on those it came with."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Normalise over everything but the channels."""
        return super().forward(x, x.new_ones(x.shape[:-1], dtype=torch.bool))


class GraphNorm(nn.Module):
    """Over the nodes of each frame, with a learned share of their mean taken out first."""

    tapped: ClassVar[Kind] = "norm"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.empty(width))
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Take out all of the mean and scale nothing."""
        nn.init.ones_(self.share)
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise each channel over a frame's nodes."""
        left = x - self.share * x.mean(-2, keepdim=True)
        return self.weight * left * (left.square().mean(-2, keepdim=True) + EPSILON).rsqrt() + self.bias


class PairNorm(nn.Module):
    """Centres each frame's nodes and fixes their mean square at 1 a channel, so that they cannot grow alike."""

    tapped: ClassVar[Kind] = "norm"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        """Keep the total distance of nodes."""
        centred = x - x.mean(-2, keepdim=True)
        return centred * (centred.square().mean((-2, -1), keepdim=True) + EPSILON).rsqrt()


CENTRING = (TokenNorm, GraphNorm, PairNorm)
"""Those that take out what is the same at all nodes; a graph norm does until it has learned to leave some of it."""
