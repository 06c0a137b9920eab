"""Attention inside a frame and between frames, on states [graphs, frames, nodes, width]."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lab.spec.models.gman import Gman as Options
from lab.spec.models.gman import SpatialAttention as SpatialOptions
from lab.zoo.attention import InProjection, OutProjection
from lab.zoo.parts import dropout
from lab.zoo.taps import Over, Tap


class Weigh(nn.Module):
    """From logits to weights: softmax over the last axis, a tap, dropout."""

    def __init__(self, share: float, *, over: Over) -> None:
        super().__init__()
        self.tap = Tap("attention", over=over)
        self.dropout = dropout(share)

    def forward(self, logits: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Weights [graphs, heads, rows, columns]; what is not allowed weighs exactly 0, and each row may read one."""
        if allowed is not None:
            logits = logits.masked_fill(~allowed, torch.finfo(logits.dtype).min)
        weights: Tensor = self.dropout(self.tap(logits.softmax(-1), allowed))
        return weights


class NodeAttention(nn.Module):
    """The nodes of a frame, the whole of it or not, read each other, or, `across` heads, the heads of one node do."""

    def __init__(self, spec: SpatialOptions, width: int, share: float, *, is_whole: bool = True) -> None:
        super().__init__()
        self.spec = spec
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.bias = EdgeBias(spec.heads) if spec.graph == "attention_bias" else None
        self.weigh = Weigh(share, over="nodes" if is_whole and spec.across == "nodes" else "others")
        self.projection = nn.Linear(width, width) if spec.projection else nn.Identity()
        self.root = math.sqrt(width // spec.heads if spec.scale == "head_width" else width)

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Read [graphs, frames, nodes, width]; `edges` [graphs, frames or 1, nodes, nodes] lead from column to row."""
        bias, allowed = None, None
        if edges is not None and self.spec.graph.startswith("attention_"):
            of_frames = edges.expand(-1, x.shape[1], -1, -1).flatten(0, 1)[:, None]
            if self.bias is not None:
                bias = self.bias(of_frames)
            else:
                allowed = of_frames.bool() | torch.eye(x.shape[2], dtype=torch.bool, device=x.device)
        return self.read(x.flatten(0, 1), bias=bias, allowed=allowed).view(x.shape)

    def read(self, x: Tensor, *, bias: Tensor | None = None, allowed: Tensor | None = None) -> Tensor:
        """Read [frames, nodes, width]; `bias` and `allowed` are of logits [frames, heads, rows, columns]."""
        parts = [part(x).unflatten(-1, (self.spec.heads, -1)) for part in (self.query, self.key, self.value)]
        if self.spec.across == "nodes":
            parts = [part.transpose(1, 2) for part in parts]
        query, key, value = parts  # [frames, heads, nodes, size], or [frames, nodes, heads, size]
        logits = query @ key.mT / self.root
        heard = self.weigh(logits if bias is None else logits + bias, allowed) @ value
        heard = heard.transpose(1, 2) if self.spec.across == "nodes" else heard
        told: Tensor = self.projection(heard.flatten(-2))
        return told

    def zero_gradient(self) -> set[str]:
        """A key's bias moves all logits of a row alike; a single head among heads has nothing to choose from."""
        if self.spec.across == "nodes":
            return {"key.bias"}
        alone = {f"{part}.{name}" for part in ("query", "key") for name in ("weight", "bias")}
        return alone if self.spec.heads == 1 else set()


class EdgeBias(nn.Module):
    """What an edge adds to the logit of the pair it joins, one number a head."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(heads))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Edges count in favour at first."""
        nn.init.ones_(self.weight)

    def forward(self, edges: Tensor) -> Tensor:
        """Biases [graphs, heads, nodes, nodes] of edges [graphs, 1, nodes, nodes]."""
        bias: Tensor = self.weight[:, None, None] * edges
        return bias


class EdgeConvolution(nn.Module):
    """A graph convolution in every frame, by the roots of both degrees, each node its own neighbour too."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        """Read [graphs, frames, nodes, width] along `edges` [graphs, frames or 1, nodes, nodes]."""
        near = edges + torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
        root = near.sum(-1).rsqrt()
        told: Tensor = self.linear(root[..., None] * (near @ (root[..., None] * x)))
        return told


class Temporal(nn.Module):
    """Multi-head attention between the frames of a node, or inside blocks of the list of all nodes of all frames."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec.temporal
        self.in_projection = InProjection(spec.width, 3 * spec.width)
        self.weigh = Weigh(spec.dropout, over="frames" if spec.temporal.layout == "own_frames" else "others")
        self.out_projection = OutProjection(spec.width, spec.width)

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Read [graphs, frames, nodes, width]."""
        graphs, frames, nodes, width = x.shape
        is_own = self.spec.layout == "own_frames"
        rows = (x.transpose(1, 2) if is_own else x).reshape(graphs * nodes, frames, width)
        query, key, value = self.in_projection(rows).unflatten(-1, (3, self.spec.heads, -1)).permute(2, 0, 3, 1, 4)
        logits = query / math.sqrt(query.shape[-1]) @ key.mT
        earlier = torch.ones(frames, frames, dtype=torch.bool, device=x.device).tril()
        weights = self.weigh(logits, earlier if self.spec.mask == "causal" else None)
        told: Tensor = self.out_projection((weights @ value).transpose(1, 2).flatten(2))
        return told.view(graphs, nodes, frames, width).transpose(1, 2) if is_own else told.view(x.shape)


class Transform(nn.Module):
    """Attention from one series of a node to another: the frames of the first ask, those of the second are read."""

    def __init__(self, width: int, heads: int, share: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.weigh = Weigh(share, over="frames")
        self.projection = nn.Linear(width, width)

    def forward(self, asked: Tensor, x: Tensor) -> Tensor:
        """[graphs, steps, nodes, width] of queries of this shape and states [graphs, frames, nodes, width]."""
        query, key, value = (
            part(states).transpose(1, 2).unflatten(-1, (self.heads, -1)).transpose(2, 3).flatten(0, 1)
            for part, states in ((self.query, asked), (self.key, x), (self.value, x))
        )
        weights = self.weigh(query @ key.mT / math.sqrt(query.shape[-1]))
        read = (weights @ value).transpose(1, 2).flatten(2)
        told: Tensor = self.projection(read.unflatten(0, (len(x), -1)).transpose(1, 2))
        return told

    def zero_gradient(self) -> set[str]:
        """A key's bias moves all logits of a row alike."""
        return {"key.bias"}
