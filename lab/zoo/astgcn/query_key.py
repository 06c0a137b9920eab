"""Attention over frames by queries and keys, and over the edges of the graph by LeakyReLU scores, in heads."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from lab.spec.models.astgcn import Astgcn as Options
from lab.zoo.taps import Tap

HEAD_WIDTH = 8
SLOPE = 0.2


class TimeHeads(nn.Module):
    """Every node's frames read each other, in heads; keys have no bias, which a softmax would cancel."""

    def __init__(self, heads: int, channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, heads * HEAD_WIDTH)
        self.key = nn.Linear(channels, heads * HEAD_WIDTH, bias=False)
        self.value = nn.Linear(channels, heads * HEAD_WIDTH)
        self.out = nn.Linear(heads * HEAD_WIDTH, channels)
        self.weights = Tap("attention", over="frames")

    def forward(self, x: Tensor) -> Tensor:
        """The mixed frames, [windows, nodes, frames, channels]."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        weights = (query @ key.mT * HEAD_WIDTH**-0.5).softmax(-1)
        self.weights(weights.flatten(0, 1))
        mixed: Tensor = self.out((weights @ value).transpose(2, 3).flatten(3))
        return mixed

    def _split(self, x: Tensor) -> Tensor:
        """[windows, nodes, heads, frames, channels of a head]."""
        return x.view(*x.shape[:-1], self.heads, HEAD_WIDTH).transpose(2, 3)


class EdgeHeads(nn.Module):
    """Every node weighs whom it has an edge from, and itself; without a graph, everybody. Heads are averaged."""

    def __init__(self, heads: int, frames: int, channels: int) -> None:
        super().__init__()
        self.heads = heads
        self.map = nn.Linear(frames * channels, heads * HEAD_WIDTH, bias=False)
        self.reader = nn.Parameter(torch.empty(heads, HEAD_WIDTH))
        self.read = nn.Parameter(torch.empty(heads, HEAD_WIDTH))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scores of both ends as Glorot has it."""
        nn.init.xavier_uniform_(self.reader)
        nn.init.xavier_uniform_(self.read)

    def forward(self, x: Tensor, graph: Tensor | None) -> Tensor:
        """[windows, nodes, nodes], or [windows, frames, nodes, nodes] where every frame has its graph."""
        h = self.map(x.flatten(2)).view(*x.shape[:2], self.heads, HEAD_WIDTH)
        reader, read = ((h * end).sum(-1).mT for end in (self.reader, self.read))
        scores = leaky_relu(reader[..., :, None] + read[..., None, :], SLOPE)
        if graph is None:
            return scores.softmax(-1).mean(1)
        itself = torch.eye(graph.shape[-1], dtype=torch.bool, device=graph.device)
        allowed = (graph.mT > 0) | itself
        scores = scores if graph.ndim == 3 else scores[:, :, None]
        return scores.masked_fill(~allowed[:, None], -torch.inf).softmax(-1).mean(1)


class QueryKeyAttention(nn.Module):
    """Attention over frames and, where it is asked for, over edges."""

    def __init__(self, spec: Options, frames: int, channels: int) -> None:
        super().__init__()
        self.mixes = spec.graph_input == "attended"
        self.time = TimeHeads(spec.heads, channels)
        self.edge = EdgeHeads(spec.heads, frames, channels) if spec.cheb_attention != "unmodulated" else None

    def forward(self, x: Tensor, graph: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The frames for the graph convolution, and the weights of edges where they are asked for."""
        mixed = self.time(x)
        weights = None if self.edge is None else self.edge(mixed, graph)
        return mixed if self.mixes else x, weights
