"""The last part of a model of links: from the states of nodes to a number for every ordered pair of them."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.link_readout import LinkReadout as Options
from lab.zoo.parts import LayerNorm, Relu, dropout
from lab.zoo.taps import Kind

IMPOSSIBLE = -30.0
"""The logit of a link that cannot be; as a probability 1e-13."""

SURE = 0.95
"""How far a past entry is trusted when it is turned into a logit."""


class LinkReadout(nn.Module):
    """One of the forms, then what is the same for all: the pair's past, symmetry, the diagonal, probabilities."""

    tapped: ClassVar[Kind] = "logits"

    def __init__(self, spec: Options, shape: Shape, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec = spec
        hidden = spec.hidden or 2 * width
        self.squeeze = nn.Linear(width, 1) if spec.form == "scalar_row" and width > 1 else nn.Identity()
        self.row: nn.Module | None = None
        self.pair: nn.Module | None = None
        if spec.form in ("row_linear", "bilinear_plus_row", "scalar_row"):
            seen = 1 if spec.form == "scalar_row" else width
            self.row = RowLinear(seen, hidden, shape.nodes, share=dropout)
        if spec.form not in ("row_linear", "scalar_row"):
            self.pair = _pair_part(spec.form, width, hidden, nodes=shape.nodes, share=dropout)
        self.past = Past(spec.adjacency_skip) if spec.adjacency_skip != "none" else None

    def forward(self, h: Tensor, batch: Batch) -> Tensor:
        """Logits or probabilities [graphs, nodes, nodes] from states [graphs, nodes, width]."""
        parts = [] if self.pair is None else [self.pair(h)]
        if self.row is not None:
            parts.append(self.row(self.squeeze(h)))
        if self.past is not None:
            parts.append(self.past(batch.adjacency, h.dtype))
        logits = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
        if self.spec.symmetry == "average_logits":
            logits = (logits + logits.mT) / 2
        if self.spec.diagonal == "masked":
            itself = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
            logits = logits.masked_fill(itself, IMPOSSIBLE)
        return logits.sigmoid() if self.spec.output == "probability" else logits


def _pair_part(form: str, width: int, hidden: int, *, nodes: int, share: float) -> nn.Module:
    """The part that sees more than the row."""
    if form == "pair_mlp":
        return PairMlp(width, hidden, share=share)
    return FlattenDense(width, hidden, nodes, share=share) if form == "flatten_dense" else Bilinear(width)


class RowLinear(nn.Module):
    """A hidden layer with its norm, then one logit for each column: columns enter by their index only."""

    def __init__(self, width: int, hidden: int, nodes: int, *, share: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, hidden)
        self.norm = LayerNorm(hidden)
        self.relu = Relu()
        self.dropout = dropout(share)
        self.linear2 = nn.Linear(hidden, nodes)

    def forward(self, h: Tensor) -> Tensor:
        """Logits [graphs, nodes, nodes]."""
        logits: Tensor = self.linear2(self.dropout(self.relu(self.norm(self.linear1(h)))))
        return logits


class Bilinear(nn.Module):
    """How well what the row looks for matches what the column shows, and a bias for the density."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.row = nn.Linear(width, width)
        self.column = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start from even odds."""
        nn.init.zeros_(self.bias)

    def forward(self, h: Tensor) -> Tensor:
        """Logits [graphs, nodes, nodes]."""
        matches: Tensor = self.row(h) @ self.column(h).mT / math.sqrt(h.shape[-1])
        return matches + self.bias


class PairMlp(nn.Module):
    """An MLP of both states; its hidden layer is the sum of a map of the row's and a map of the column's."""

    def __init__(self, width: int, hidden: int, *, share: float) -> None:
        super().__init__()
        self.row = nn.Linear(width, hidden)
        self.column = nn.Linear(width, hidden, bias=False)
        self.relu = Relu()
        self.dropout = dropout(share)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, h: Tensor) -> Tensor:
        """Logits [graphs, nodes, nodes]."""
        both = self.row(h)[:, :, None] + self.column(h)[:, None]
        logits: Tensor = self.linear(self.dropout(self.relu(both)))
        return logits.squeeze(-1)


class FlattenDense(nn.Module):
    """All states at once through one hidden layer: every node has weights of its own."""

    def __init__(self, width: int, hidden: int, nodes: int, *, share: float) -> None:
        super().__init__()
        self.nodes = nodes
        self.linear1 = nn.Linear(nodes * width, hidden)
        self.relu = Relu()
        self.dropout = dropout(share)
        self.linear2 = nn.Linear(hidden, nodes * nodes)

    def forward(self, h: Tensor) -> Tensor:
        """Logits [graphs, nodes, nodes]."""
        hidden = self.dropout(self.relu(self.linear1(h.flatten(1))))
        logits: Tensor = self.linear2(hidden)
        return logits.view(-1, self.nodes, self.nodes)


class Past(nn.Module):
    """The log odds of a pair's own past, times one learned weight."""

    def __init__(self, taken: str) -> None:
        super().__init__()
        self.taken = taken
        self.weight = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Take the past at its word."""
        nn.init.ones_(self.weight)

    def forward(self, adjacency: Tensor, dtype: torch.dtype) -> Tensor:
        """Logits [graphs, nodes, nodes] from a graph for each frame, or one for all."""
        links = (adjacency if adjacency.ndim == 4 else adjacency[:, None]).clamp(max=1)
        share = links[:, -1].to(dtype) if self.taken == "last_frame" else links.to(dtype).mean(1)
        return self.weight * share.logit(1 - SURE)
