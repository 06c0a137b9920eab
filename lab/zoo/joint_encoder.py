"""The joint encoder: time and space side by side in every layer, with attention over all frames and nodes at once."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.spec.models.joint_encoder import JointEncoder as Options
from lab.zoo.parts import LayerNorm, dropout
from lab.zoo.taps import Kind

SIZES = (1, 3, 5, 7)
HOPS = 3
CHUNK = 32
"""Frames of a chunk."""


class Places(nn.Module):
    """A learned vector for each node and one for each frame."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.broadcast = spec.broadcast
        self.node = nn.Parameter(torch.empty(shape.nodes, spec.width))
        self.frame = nn.Parameter(torch.empty(shape.window, spec.width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw them, small."""
        nn.init.normal_(self.node, std=0.02)
        nn.init.normal_(self.frame, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Add them to [graphs, frames, nodes, width]."""
        told = (self.frame[:, None] + self.node).expand(x.shape)
        if self.broadcast == "copied":
            told = told.contiguous()
        elif self.broadcast == "chunked":
            told = torch.cat(torch.split(told, CHUNK, dim=1), dim=1)
        return x + told


class Product(nn.Module):
    """In each head, time times a learned matrix times space."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        size = spec.width // spec.heads
        self.way = spec.product
        self.weight = nn.Parameter(torch.empty(spec.heads, size, size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the matrices as a linear layer would."""
        bound = self.weight.shape[-1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    def forward(self, time: Tensor, space: Tensor) -> Tensor:
        """[..., width] of two of them."""
        one, other = (torch.unflatten(each, -1, (len(self.weight), -1)) for each in (time, space))
        if self.way == "reordered":
            made: Tensor = one * torch.einsum("hij,...hj->...hi", self.weight, other)
        else:
            made = ((one[..., None] * self.weight) @ other[..., None]).squeeze(-1)
        return made.flatten(-2)


class Layer(nn.Module):
    """One round: along time, over the graph, their product, their attention, and gates that decide what is kept."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        width, self.heads = spec.width, spec.heads
        self.places = Places(spec, shape)
        self.along = nn.ModuleList(nn.Conv1d(width, width, size, padding=size // 2) for size in SIZES)
        self.across = nn.ModuleList(nn.Linear(width, width) for _ in range(HOPS))
        self.time_norm, self.space_norm, self.norm = (LayerNorm(width) for _ in range(3))
        self.product = Product(spec)
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.product_gate, self.attention_gate, self.gate = (nn.Linear(2 * width, width) for _ in range(3))
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor, hop: Tensor) -> Tensor:
        """Update [graphs, frames, nodes, width]; `hop` [graphs, 1, nodes, nodes] takes means over neighbours."""
        x = self.places(x)
        time = self.time_norm(self._along(x) + x, x)
        space = self.space_norm(self._across(x, hop) + x, x)
        product, attended = self.product(time, space), self._attend(time, space)
        product = torch.sigmoid(self.product_gate(torch.cat([product, x], -1))) * product
        attended = torch.sigmoid(self.attention_gate(torch.cat([attended, x], -1))) * attended
        made = product + attended
        kept = torch.sigmoid(self.gate(torch.cat([made, x], -1)))
        out: Tensor = self.norm(self.dropout(kept * made + (1 - kept) * x), x)
        return out

    def _along(self, x: Tensor) -> Tensor:
        series = x.transpose(1, 2).flatten(0, 1).transpose(1, 2)
        made = torch.stack([conv(series).relu() for conv in self.along]).mean(0)
        return made.transpose(1, 2).reshape(len(x), x.shape[2], x.shape[1], -1).transpose(1, 2)

    def _across(self, x: Tensor, hop: Tensor) -> Tensor:
        made = []
        reached = x
        for linear in self.across:
            reached = hop @ reached
            made.append(linear(reached).relu())
        return torch.stack(made).mean(0)

    def _attend(self, time: Tensor, space: Tensor) -> Tensor:
        asked, told, value = (
            each.flatten(1, 2).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.query(time), self.key(space), self.value(space))
        )
        heard = scaled_dot_product_attention(asked, told, value).transpose(1, 2).flatten(2)
        out: Tensor = self.out(heard).view_as(time)
        return out


class JointEncoder(nn.Module):
    """A linear way in, layers, a linear layer, and the horizon read off each node's last frame."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        if not (shape.window and shape.horizon):
            raise LabError("joint_encoder forecasts windows of series", hint="give it a dataset whose task is forecast")
        self.spec, self.shape = spec, shape
        self.embedding = nn.Linear(shape.features, spec.width)
        early = spec.layers - (spec.built == "when_called")
        self.layers = nn.ModuleList(Layer(spec, shape) for _ in range(early))
        self.last = nn.Linear(spec.width, spec.width)
        self.readout = nn.Linear(spec.width, shape.horizon)

    def forward(self, batch: Batch) -> Tensor:
        """[graphs, horizon, nodes, 1] of windows [graphs, frames, nodes, features]."""
        x = self.embedding(batch.x)
        if len(self.layers) < self.spec.layers:
            self.layers.append(Layer(self.spec, self.shape).to(x.device).train(self.training))
        known = batch.adjacency[:, -1] if batch.adjacency.ndim == 4 else batch.adjacency
        # Edges lead from row to column; every node hears itself too, so that none is without neighbours.
        edges = known.mT.to(x.dtype) + torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
        hop = (edges / edges.sum(-1, keepdim=True))[:, None]
        for layer in self.layers:
            x = layer(x, hop)
        told: Tensor = self.readout(self.last(x[:, -1]))
        return told.transpose(1, 2)[..., None]
