"""Products over the nodes between: how the pairs of a graph are composed or compared, inside an edge layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.spec.models.edge_transformer import EdgeTransformer as Options
from lab.zoo.parts import Relu
from lab.zoo.taps import Tap

PATHS = {"path": "gikpc,gkjpc->gijp", "cluster": "gikpc,gjkpc->gijp"}
"""g graphs; i, j, k nodes; p products; c channels that are summed over with k. One bmm each, nothing of size n^3."""
EPSILON = 1e-5


class EdgeProduct(nn.Module):
    """Two linear images of the pairs' state, multiplied as matrices: path attention or cluster attention."""

    def __init__(self, spec: Options, width: int) -> None:
        super().__init__()
        self.sizes = spec.products, spec.product_size
        self.path = PATHS[spec.product]
        channels = spec.products * spec.product_size
        self.left = nn.Linear(width, channels, bias=False)
        self.right = nn.Linear(width, channels, bias=False) if spec.separate else None
        self.scores = Scores(spec.scores)

    def forward(self, state: Tensor, real: Tensor) -> Tensor:
        """Scores [graphs, nodes, nodes, products] of a state [graphs, nodes, nodes, width]; `real` is 1 or 0."""
        left = self.left(state)
        right = left if self.right is None else self.right(state)
        left = (left * real[..., None]).unflatten(-1, self.sizes)  # So no sum goes over a node of padding.
        scores: Tensor = self.scores(torch.einsum(self.path, left, right.unflatten(-1, self.sizes)), real)
        return scores


class Scores(nn.Module):
    """What a score matrix passes before it comes back to the pairs' state."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.relu = Relu() if kind == "relu" else None
        self.attention = Tap("attention") if kind == "softmax" else None

    def forward(self, scores: Tensor, real: Tensor) -> Tensor:
        """Map [graphs, nodes, nodes, products]."""
        if self.relu is not None:
            through: Tensor = self.relu(scores)
            return through
        if self.attention is not None:
            allowed = real[:, None]
            weights: Tensor = self.attention(_softmax(scores.movedim(-1, 1), allowed), allowed)
            return weights.movedim(1, -1)
        if self.kind == "mean":
            return scores / real.amax(1).sum(-1).clamp(min=1)[:, None, None, None]
        return _standardised(scores, real[..., None]) if self.kind == "standardise" else scores

    def extra_repr(self) -> str:
        """What print shows between the brackets."""
        return self.kind


def _softmax(scores: Tensor, allowed: Tensor) -> Tensor:
    """Over the real columns of each row; a row of padding weighs nothing."""
    floor = torch.finfo(scores.dtype).min
    return torch.addcmul((1 - allowed) * floor, scores, allowed).softmax(-1) * allowed


def _standardised(scores: Tensor, real: Tensor) -> Tensor:
    """Mean 0 and variance 1 over the real pairs of each graph."""
    share = real / real.sum((1, 2), keepdim=True).clamp(min=1)
    away = scores - (scores * share).sum((1, 2), keepdim=True)
    var = (away.square() * share).sum((1, 2), keepdim=True)
    return away * (var + EPSILON).rsqrt()
