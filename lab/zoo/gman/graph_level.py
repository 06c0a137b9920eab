"""The larger attention model of windows: time first, then structure, then one MLP for all pairs of nodes."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gman import SpatialAttention
from lab.spec.models.gman_graphlevel import GmanGraphlevel as Options
from lab.zoo.gman.attention import EdgeConvolution, NodeAttention, Transform
from lab.zoo.parts import BatchNorm, LayerNorm, Relu, dropout
from lab.zoo.taps import Tap

KERNELS = (3, 5, 7)
"""Frames that the parallel convolutions along time see."""


class GmanGraphlevel(nn.Module):
    """The series of every node, the blocks between nodes, attention from structure to time, and the links."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.start = _layer(shape.features, spec.width, spec.dropout)
        self.convolutions = TimeConvolutions(spec.width)
        self.memory = nn.LSTM(spec.width, spec.width, num_layers=2, batch_first=True)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.layers))
        self.transform = Transform(spec.width, spec.heads, spec.dropout)
        self.pair = nn.Sequential(
            *(_layer(a, b, spec.dropout) for a, b in pairwise((2 * spec.width, 4 * spec.width, 2 * spec.width)))
        )
        self.link = nn.Linear(2 * spec.width, 1, bias=False)
        self.logits = Tap("logits")

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, nodes]."""
        series = self._series(self.convolutions(self.start(batch.x)))
        states, edges = series, self._edges(batch, series.dtype)
        for block in self.blocks:
            states = block(states, edges)
        if self.spec.pair_features == "graph_level":
            series, states = series.mean(2, keepdim=True), states.mean(2, keepdim=True)
        heard = self.transform(states, series).mean(1)
        pairs = _pairs(heard, heard) if self.spec.pair_features == "node_pair" else _pairs(heard, states.mean(1))
        links: Tensor = self.link(self.pair(pairs)).squeeze(-1)
        nodes = batch.x.shape[2]
        told: Tensor = self.logits(links.expand(-1, nodes, nodes))
        return told

    def _series(self, x: Tensor) -> Tensor:
        """The LSTM along the frames of every node."""
        rows: Tensor = self.memory(x.transpose(1, 2).flatten(0, 1))[0]
        return rows.view(len(x), -1, *rows.shape[1:]).transpose(1, 2)

    def _edges(self, batch: Batch, dtype: torch.dtype) -> Tensor | None:
        """[graphs, frames, nodes, nodes], 1 where an edge leads from column to row; None where they do nothing."""
        if self.spec.convolution_graph == "none":
            return None
        edges = batch.adjacency if batch.adjacency.ndim == 4 else batch.adjacency[:, None]
        edges = (edges.mT > 0).to(dtype).expand(-1, batch.x.shape[1], -1, -1)
        return edges if self.spec.convolution_graph == "own" else edges.transpose(0, 1).reshape(edges.shape)

    def zero_gradient(self) -> set[str]:
        """Biases that a batch norm cancels, and those of keys."""
        return {
            *(f"convolutions.parts.{at}.bias" for at in range(len(KERNELS))),
            *(f"blocks.{at}.attention.key.bias" for at in range(len(self.blocks))),
            "transform.key.bias",
        }


class TimeConvolutions(nn.Module):
    """Convolutions along time of several lengths, each for a third of the channels, then batch norm and a ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        third = width // len(KERNELS)
        widths = [third] * (len(KERNELS) - 1) + [width - third * (len(KERNELS) - 1)]
        both = zip(widths, KERNELS, strict=True)
        self.parts = nn.ModuleList(nn.Conv1d(width, out, kernel, padding=kernel // 2) for out, kernel in both)
        self.norm = BatchNorm(width, masked=False)
        self.relu = Relu()

    def forward(self, x: Tensor) -> Tensor:
        """Map [graphs, frames, nodes, width] along its frames."""
        rows = x.permute(0, 2, 3, 1).flatten(0, 1)
        found = torch.cat([part(rows) for part in self.parts], dim=1)
        found = found.view(len(x), -1, *found.shape[1:]).permute(0, 3, 1, 2)
        told: Tensor = self.relu(self.norm(found, torch.ones_like(found[..., 0], dtype=torch.bool)))
        return told


class Block(nn.Module):
    """A graph convolution and attention between the nodes of a frame, joined by an MLP."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        width, has_graph = spec.width, spec.convolution_graph != "none"
        self.convolution = EdgeConvolution(width) if has_graph else None
        self.attention = NodeAttention(SpatialAttention(heads=spec.heads), width, spec.dropout)
        self.linear1 = nn.Linear(2 * width if has_graph else width, 4 * width)
        self.relu = Relu()
        self.dropout = dropout(spec.dropout)
        self.linear2 = nn.Linear(4 * width, width)
        self.norm = LayerNorm(width)
        self.block = Tap("block")

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Update [graphs, frames, nodes, width]."""
        heard = [self.attention(x, None)]
        if self.convolution is not None and edges is not None:
            heard.append(self.convolution(x, edges))
        told = self.linear2(self.dropout(self.relu(self.linear1(torch.cat(heard, dim=-1)))))
        y: Tensor = self.block(self.norm(x + told).transpose(1, 2))  # Probes look at [graphs, nodes, ...].
        return y.transpose(1, 2)


def _layer(inputs: int, outputs: int, share: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), LayerNorm(outputs), Relu(), dropout(share))


def _pairs(rows: Tensor, columns: Tensor) -> Tensor:
    """[graphs, rows, columns, 2 width] of vectors [graphs, rows or columns, width]."""
    shape = (-1, rows.shape[1], columns.shape[1], -1)
    return torch.cat([rows[:, :, None].expand(shape), columns[:, None].expand(shape)], dim=-1)
