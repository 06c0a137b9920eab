"""The gated graph convolution: gates on every edge and channel, read off both nodes and the edge's own state."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gatedgcn import GatedGcn as Options
from lab.zoo.edges import Edges
from lab.zoo.encodings import Beginning
from lab.zoo.ends import Readout
from lab.zoo.parts import BatchNorm, dropout, norm, way_in
from lab.zoo.portions import by_portions
from lab.zoo.taps import Tap

EPSILON = 1e-6
SHOWN = 8
"""Channels whose gates are shown to whoever looks, evenly spread: enough to tell whether gates are stuck."""


class AddPositive(torch.autograd.Function):
    """old + ReLU(new) on edges, and old elsewhere; keeps a byte a number, where a ReLU keeps four."""

    generate_vmap_rule = True

    @staticmethod
    def forward(old: Tensor, new: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The sum, and where something was added."""
        added = by_portions(lambda new, counts: (new > 0) & (counts > 0), new, counts)
        return by_portions(lambda new, old, added: old + new * added, new, old, added), added

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what the backward pass reads."""
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, above: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of old and new."""
        (added,) = ctx.saved_tensors
        return above, by_portions(torch.mul, above, added), None


class GatedGcnLayer(nn.Module):
    """One round: gates from both nodes and the edge, a gated sum, norm, ReLU, residual, for nodes and edges."""

    def __init__(self, spec: Options, *, is_last: bool, is_block: bool = True) -> None:
        super().__init__()
        self.spec = spec
        width, cancelled = spec.width, spec.norm == "batch"
        gated = spec.gates == "sigmoid"
        keeps = spec.dead_parameters
        self.updates = gated and spec.edge_states == "updated" and not is_last
        self.own = nn.Linear(width, width, bias=keeps or not cancelled)
        self.value = nn.Linear(width, width)
        self.reader = nn.Linear(width, width) if gated else None
        self.read = nn.Linear(width, width) if gated else None
        self.edge = nn.Linear(width, width) if gated and spec.edge_states != "none" else None
        self.norm = norm(spec.norm, width)
        has_edge_norm = gated and spec.edge_states == "updated" and (keeps or not is_last)
        self.edge_norm = norm(spec.norm, width) if has_edge_norm else None
        self.gate = Tap("gate")
        self.relu = Tap("relu")
        self.dropout = dropout(spec.dropout)
        self.edge_dropout = dropout(spec.dropout) if self.updates else nn.Identity()
        self.block = Tap("block") if is_block else nn.Identity()

    def forward(self, x: Tensor, e: Tensor | None, edges: Edges, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Update nodes [graphs, nodes, width] and the states of edges; where there is no edge `e` stays as it began."""
        logits = self._logits(x, e, edges)
        heard, total = self._heard(self.value(x), logits, edges)
        if self.spec.normalise:
            heard = heard / (total + EPSILON)
        y = self.dropout(self.relu(self.norm(self.own(x) + heard, mask).relu()))
        out = self.block(x + y if self.spec.residual else y)
        if logits is None or self.edge_norm is None or not self.updates:
            return out, e
        return out, self._updated(e, self.edge_norm(logits, edges.counts), edges.counts)

    def _logits(self, x: Tensor, e: Tensor | None, edges: Edges) -> Tensor | None:
        if self.reader is None or self.read is None:
            return None
        own = None if self.edge is None or e is None else self.edge(e)
        return edges.add_ends(own, self.reader(x), self.read(x))

    def _heard(self, values: Tensor, logits: Tensor | None, edges: Edges) -> tuple[Tensor, Tensor]:
        if logits is None:
            return edges.matrix @ values, edges.matrix.sum(2, keepdim=True)
        if self.gate.is_watched:
            some = logits.detach()[..., :: max(1, logits.shape[-1] // SHOWN)][..., :SHOWN]
            self.gate(edges.dense(some.sigmoid()), edges.matrix[:, None] > 0)
        return edges.gated(logits, values)

    def _updated(self, e: Tensor | None, y: Tensor, counts: Tensor) -> Tensor:
        old = e if self.spec.residual and e is not None else torch.zeros_like(y)
        found: Tensor = AddPositive.apply(old, self.edge_dropout(y), counts)[0]  # type: ignore[no-untyped-call]
        return found

    def zero_gradient(self) -> set[str]:
        """What this layer has and cannot learn."""
        names = {"own.bias"} if isinstance(self.norm, BatchNorm) and self.own.bias is not None else set()
        if self.edge_norm is not None and not self.updates:
            names |= {f"edge_norm.{name}" for name, _ in self.edge_norm.named_parameters()}
        return names


class GatedStage(nn.Module):
    """The first state of the edges and the layers above it."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        has_edges = spec.gates == "sigmoid" and spec.edge_states != "none"
        self.edge_start = nn.Linear(1, spec.width) if has_edges else None
        self.layers = nn.ModuleList(GatedGcnLayer(spec, is_last=at == spec.layers - 1) for at in range(spec.layers))

    def forward(self, x: Tensor, batch: Batch) -> Tensor:
        """The last state of the nodes."""
        edges = Edges.of(batch, x.dtype)
        e = None if self.edge_start is None else self.edge_start((edges.counts > 0).to(x.dtype))
        for layer in self.layers:
            x, e = layer(x, e, edges, batch.mask)
        return x

    def zero_gradient(self) -> set[str]:
        """The names of all layers together."""
        return {
            f"layers.{at}.{name}"
            for at, layer in enumerate(self.layers)
            for name in layer.zero_gradient()  # type: ignore[operator]
        }


class GatedGcn(nn.Module):
    """Embedding, rounds of gated convolution, read-out.

    On a CPU a layer works on edges x width numbers and keeps 2.25 times as many for the backward pass, 0.1 GB in
    float32 for 32 graphs of PATTERN at width 70. Elsewhere edge states are dense, so that the host need not wait for
    the number of edges: graphs x nodes x nodes x width, three times as much on PATTERN and far more on sparse graphs.
    """

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.beginning = Beginning(spec.encoding, shape, spec.width, way_in=way_in)
        self.stage = GatedStage(spec)
        self.readout = Readout(spec.readout, spec.width, shape)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        x = self.beginning(batch, batch.extra or self.prepare(batch))
        logits: Tensor = self.readout(self.stage(x, batch))
        return logits

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The encodings of the nodes' places."""
        return self.beginning.prepare(batch, self.readout.last.weight.dtype)

    def ambiguous(self) -> set[str]:
        """What `prepare` gives that a graph alone does not settle."""
        return self.beginning.ambiguous()

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        return {f"stage.{name}" for name in self.stage.zero_gradient()}
