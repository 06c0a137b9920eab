"""Edge layers: the state of every ordered pair of nodes, mapped pair by pair and mixed over the nodes between."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lab.spec.models.edge_transformer import EdgeTransformer as Options
from lab.zoo.edge_products import EdgeProduct
from lab.zoo.parts import Relu, norm
from lab.zoo.taps import Kind


class EdgeFeedForward(nn.Module):
    """Norm, linear, ReLU, linear, pair by pair; in a residual sum where asked for."""

    def __init__(self, spec: Options, width: int) -> None:
        super().__init__()
        self.residual = spec.edge_residual
        self.norm = norm(spec.edge_norm, width)
        self.linear1 = nn.Linear(width, width * spec.edge_mlp_factor)
        self.relu = Relu()
        self.linear2 = nn.Linear(width * spec.edge_mlp_factor, width)

    def forward(self, state: Tensor, real: Tensor) -> Tensor:
        """Map [graphs, nodes, nodes, width]."""
        made: Tensor = self.linear2(self.relu(self.linear1(self.norm(state, real))))
        return state + made if self.residual else made


class EdgeLayer(nn.Module):
    """A feed-forward part, then products whose scores join the state or take its place."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, width: int) -> None:
        super().__init__()
        self.appends = spec.feedback == "append"
        self.feed_forward = EdgeFeedForward(spec, width) if spec.edge_feed_forward == "mlp" else None
        self.product = EdgeProduct(spec, width) if spec.product != "none" else None

    def forward(self, state: Tensor, real: Tensor) -> Tensor:
        """The next state [graphs, nodes, nodes, next width]; `real` [graphs, nodes, nodes] is 1 or 0."""
        if self.feed_forward is not None:
            state = self.feed_forward(state, real)
        if self.product is None:
            return state
        scores: Tensor = self.product(state, real)
        return torch.cat([state, scores], -1) if self.appends else scores


class EdgeStage(nn.Module):
    """The way in for walk vectors, edge layers, and what they say to the attention of node layers."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        widths = spec.edge_widths()
        linear = spec.entry == "linear"
        self.entry = nn.Linear(len(spec.powers), widths[0], bias=False) if linear else nn.Identity()
        self.layers = nn.ModuleList(EdgeLayer(spec, width) for width in widths[:-1])
        told = widths[1:] if spec.order == "alongside" else widths[-1:]
        speaks = spec.layers > 0 and spec.edge_bias != "none"
        self.biases = nn.ModuleList(
            nn.Linear(width, spec.heads, bias=bias_counts(spec)) for width in (told if speaks else ())
        )

    def forward(self, walks: Tensor, real: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The last state, and edge biases [graphs, heads, nodes, nodes]: one a layer, or one of the last."""
        state, biases, silent = self.entry(walks), [], len(self.layers) - len(self.biases)
        for depth, layer in enumerate(self.layers):
            state = layer(state, real)
            if depth >= silent:
                biases.append(self.biases[depth - silent](state).movedim(-1, 1))
        return state, biases


def bias_counts(spec: Options) -> bool:
    """Whether a constant added to an edge bias changes attention: a softmax over a sum drops it."""
    return spec.edge_bias == "log_gate" or spec.mixing == "gate"


def dead_shifts(spec: Options, *, pairs: bool) -> set[str]:
    """The biases of feed-forward parts that only add one constant to all pairs, and that nothing above sees.

    Batch norm takes such a constant out, and so does a softmax over a sum; products, layer norm and a read-out of
    pairs see it.
    """
    if spec.product != "none" or spec.edge_feed_forward == "none":
        return set()
    heard = spec.layers > 0 and spec.edge_bias != "none" and bias_counts(spec)
    lives, names = pairs, set()
    for depth in reversed(range(spec.edge_layers)):
        lives = lives or (heard and (spec.order == "alongside" or depth == spec.edge_layers - 1))
        if not lives:
            names.add(f"layers.{depth}.feed_forward.linear2.bias")
        lives = spec.edge_norm != "batch" or (spec.edge_residual and lives)
    return names
