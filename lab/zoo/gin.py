"""The graph isomorphism network: baseline and modified, and the stage below a graph transformer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gin import Gin as Options
from lab.zoo.parts import BatchNorm, Relu, Unchanged, dropout, way_in
from lab.zoo.taps import Kind, Tap


class SelfWeight(nn.Module):
    """How much of itself a node keeps: 1 + e, or 1 + sigmoid(e)."""

    def __init__(self, *, squash: bool) -> None:
        super().__init__()
        self.squash = squash
        self.e = nn.Parameter(torch.zeros(1))

    def reset_parameters(self) -> None:
        """Start at e = 0."""
        nn.init.zeros_(self.e)

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the nodes."""
        return (1 + (self.e.sigmoid() if self.squash else self.e)) * x


class NeighbourWeight(SelfWeight):
    """How much of the neighbours' sum a node takes in: sigmoid(e)."""

    def forward(self, x: Tensor) -> Tensor:
        """Weigh the sums."""
        return self.e.sigmoid() * x


class GinLayer(nn.Module):
    """One round: sum over the predecessors, MLP, norm, ReLU, residual."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, *, relu: bool) -> None:
        super().__init__()
        self.spec = spec
        width, hidden = spec.width, spec.width * spec.mlp_factor
        norms = spec.mlp_norm == "batch", spec.between_norm == "batch"
        biases = [spec.bias_before_norm or not normed for normed in norms]
        self.self_weight = (
            nn.Identity() if spec.self_weight == "one" else SelfWeight(squash=spec.self_weight == "sigmoid")
        )
        self.neighbour_weight = nn.Identity() if spec.neighbour_weight == "one" else NeighbourWeight(squash=True)
        self.linear1 = nn.Linear(width, hidden, bias=biases[0])
        self.mlp_norm = BatchNorm(hidden, running_stats=spec.running_stats) if norms[0] else Unchanged()
        self.mlp_relu = Relu()
        self.linear2 = nn.Linear(hidden, width, bias=biases[1])
        self.between_norm = BatchNorm(width, running_stats=spec.running_stats) if norms[1] else Unchanged()
        self.relu = Relu() if relu else nn.Identity()
        self.dropout = dropout(spec.dropout)

    def forward(self, x: Tensor, incoming: Tensor, mask: Tensor) -> Tensor:
        """Update [graphs, nodes, width]; `incoming` counts the edges from column to row."""
        messages = x.relu() if self.spec.neighbour_relu == "before" else x
        gathered = incoming @ messages
        if self.spec.neighbour_relu == "after":
            gathered = gathered.relu()
        hidden = self.linear1(self.self_weight(x) + self.neighbour_weight(gathered))
        y = self.linear2(self.mlp_relu(self.mlp_norm(hidden, mask)))
        y = self.dropout(self.relu(self.between_norm(y, mask)))
        out: Tensor = x + y if self.spec.residual else y
        return out

    def zero_gradient(self) -> set[str]:
        """The biases that a batch norm behind them cancels."""
        if not self.spec.bias_before_norm:
            return set()
        followed = {"linear1.bias": self.mlp_norm, "linear2.bias": self.between_norm}
        return {name for name, behind in followed.items() if isinstance(behind, BatchNorm)}


class GinStage(nn.Module):
    """Several rounds, with the states of all depths."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        relus = [True] * (spec.layers - 1) + [spec.last_relu]
        self.layers = nn.ModuleList(GinLayer(spec, relu=relu) for relu in relus)

    def forward(self, x: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """The state before the first layer and after each."""
        incoming = batch.adjacency.transpose(1, 2).to(x.dtype)
        states = [x]
        for layer in self.layers:
            states.append(layer(states[-1], incoming, batch.mask))
        return tuple(states)

    def zero_gradient(self) -> set[str]:
        """The names of all layers together."""
        return {
            f"layers.{depth}.{name}"
            for depth, layer in enumerate(self.layers)
            for name in layer.zero_gradient()  # type: ignore[operator]
        }


class Readouts(nn.Module):
    """One linear read-out a depth, summed."""

    def __init__(self, depths: int, width: int, outputs: int) -> None:
        super().__init__()
        self.depths = nn.ModuleList(nn.Linear(width, outputs) for _ in range(depths))

    def forward(self, states: tuple[Tensor, ...]) -> Tensor:
        """Read every state."""
        return torch.stack([read(x) for read, x in zip(self.depths, states, strict=True)]).sum(0)


class Gin(nn.Module):
    """Embedding, rounds of message passing, read-out."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = way_in(shape, spec.width)
        self.stage = GinStage(spec)
        self.readout = (
            Readouts(spec.layers + 1, spec.width, shape.outputs)
            if spec.jumping == "readouts"
            else nn.Linear(spec.width, shape.outputs)
        )
        self.logits = Tap("logits")

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        states = self.stage(self.embedding(batch.x), batch)
        jumping = self.spec.jumping
        logits: Tensor = self.logits(self.readout(states if jumping == "readouts" else jump(states, jumping)))
        return logits

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        return {f"stage.{name}" for name in self.stage.zero_gradient()}


def jump(states: tuple[Tensor, ...], jumping: str) -> Tensor:
    """What the next stage reads: the last state, or the sum of all."""
    return torch.stack(states).sum(0) if jumping == "sum" else states[-1]
