"""Attention over frames and nodes as published: learned weights over the sigmoids of bilinear products."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.spec.models.astgcn import Astgcn as Options
from lab.zoo.astgcn.starts import Vector
from lab.zoo.taps import Tap


class Scores(nn.Module):
    """Softmax of V sigmoid(products + b), from products of all rows with all columns."""

    def __init__(self, size: int, *, axis: int) -> None:
        super().__init__()
        self.axis = axis
        self.weight = nn.Parameter(torch.empty(size, size))
        self.bias = nn.Parameter(torch.empty(1, size, size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Both as Glorot has it."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.xavier_uniform_(self.bias)

    def forward(self, products: Tensor) -> Tensor:
        """[windows, size, size], which sums to 1 along the axis."""
        return (self.weight @ (products + self.bias).sigmoid()).softmax(self.axis)


class Matrix(nn.Module):
    """Holds one matrix of weights."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(rows, columns))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As Glorot has it."""
        nn.init.xavier_uniform_(self.weight)


class TimeAttention(nn.Module):
    """How much of each frame goes into each other frame of a window."""

    def __init__(self, spec: Options, nodes: int, frames: int, channels: int) -> None:
        super().__init__()
        self.nodes = Vector(nodes, spec.vector_init)
        self.left = Matrix(channels, nodes)
        self.right = Vector(channels, spec.vector_init)
        self.scores = Scores(frames, axis=1 if spec.softmax_axis == "first" else 2)
        self.weights = Tap("attention", over="frames")

    def forward(self, x: Tensor) -> Tensor:
        """E [windows, read, readers]: a frame t becomes the sum of x_s E[s, t] over all s."""
        rows = torch.einsum("bntf,n->btf", x, self.nodes.weight) @ self.left.weight
        weights: Tensor = self.scores(rows @ (x @ self.right.weight))
        self.weights(weights.mT[:, None])
        return weights


class NodeAttention(nn.Module):
    """How much every node has to do with every other in a window, seen through the attention over its frames."""

    def __init__(self, spec: Options, nodes: int, frames: int, channels: int) -> None:
        super().__init__()
        self.frames = Vector(frames, spec.vector_init)
        self.left = Matrix(channels, frames)
        self.right = Vector(channels, spec.vector_init)
        self.scores = Scores(nodes, axis=1 if spec.softmax_axis == "first" else 2)

    def forward(self, x: Tensor, mixing: Tensor) -> Tensor:
        """S [windows, nodes, nodes] of the frames that `mixing` makes of x; they themselves are never made."""
        taken = mixing @ self.frames.weight
        rows = torch.einsum("bntf,bt->bnf", x, taken) @ self.left.weight
        weights: Tensor = self.scores(rows @ ((x @ self.right.weight) @ mixing).mT)
        return weights


class BilinearAttention(nn.Module):
    """Attention over frames and, where it is asked for, over nodes."""

    def __init__(self, spec: Options, nodes: int, frames: int, channels: int) -> None:
        super().__init__()
        self.mixes = spec.graph_input == "attended"
        self.reads_columns = spec.cheb_attention == "each_term"
        self.time = TimeAttention(spec, nodes, frames, channels)
        modulates = spec.cheb_attention != "unmodulated"
        self.node = NodeAttention(spec, nodes, frames, channels) if modulates else None

    def forward(self, x: Tensor, graph: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The frames for the graph convolution, and S [windows, readers, read] where it is asked for.

        The published convolution transposes what it makes of S, so that its readers are columns. No graph is looked at.
        """
        mixing = self.time(x)
        seen = torch.einsum("bnsf,bst->bntf", x, mixing) if self.mixes else x
        if self.node is None:
            return seen, None
        weights = self.node(x, mixing)
        return seen, weights.mT if self.reads_columns else weights
