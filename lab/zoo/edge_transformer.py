"""The edge transformer: edge layers over pairs of nodes, node layers that attend with their bias, read-out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.spec.models.edge_transformer import EdgeTransformer as Options
from lab.zoo.attention import Pairs
from lab.zoo.cancelled import cancelled
from lab.zoo.edge_layers import EdgeStage, dead_shifts
from lab.zoo.graph_transformer import EncoderLayer
from lab.zoo.parts import way_in
from lab.zoo.taps import Tap
from lab.zoo.walks import one_hot, walk_stack


class Told(nn.Module):
    """Stands in attention where a map from walk vectors to logits would: the edge stage has made them."""

    def forward(self, logits: Tensor, allowed: Tensor) -> Tensor:
        """Hand them on."""
        return logits


class NodeStage(nn.Module):
    """The way in for nodes, and encoder layers whose attention adds what the pairs say."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.options = spec.node_layers()
        self.embedding = way_in(shape, spec.width)
        self.layers = nn.ModuleList(EncoderLayer(self.options, positional=Told()) for _ in range(spec.layers))

    def forward(self, batch: Batch, allowed: Tensor, biases: Sequence[Tensor]) -> Tensor:
        """States [graphs, nodes, width]; the last bias serves the layers that have none of their own."""
        x: Tensor = self.embedding(batch.x)
        pairs = Pairs.of(allowed[:, None], self.options.mask_fill)
        for depth, layer in enumerate(self.layers):
            told = replace(pairs, walks=biases[min(depth, len(biases) - 1)]) if biases else pairs
            x = layer(x, told, batch.mask)
        return x

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        return cancelled(self.options, tokens=isinstance(self.embedding, nn.Embedding))


class PairReadout(nn.Module):
    """Logits of ordered pairs: a linear map of a pair's state, plus a product of its two nodes' states."""

    def __init__(self, edge_width: int, node_width: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.edges = nn.Linear(edge_width, outputs)
        self.rows = nn.Linear(node_width, node_width * outputs) if node_width else None
        self.columns = nn.Linear(node_width, node_width * outputs) if node_width else None

    def forward(self, state: Tensor, x: Tensor | None) -> Tensor:
        """Logits [graphs, nodes, nodes, outputs]."""
        logits: Tensor = self.edges(state)
        if x is None or self.rows is None or self.columns is None:
            return logits
        rows, columns = (each(x).unflatten(-1, (self.outputs, -1)) for each in (self.rows, self.columns))
        return logits + torch.einsum("giod,gjod->gijo", rows, columns) / math.sqrt(x.shape[-1])


class EdgeTransformer(nn.Module):
    """Edge stage, node stage, and a read-out of nodes or of pairs, whichever the data ask for."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.asks_pairs = shape.pairs > 0
        if why := spec.refuses("classify_pairs" if self.asks_pairs else "classify_nodes"):
            raise LabError(why, hint="raise model.layers")
        self.edges = EdgeStage(spec) if self.asks_pairs or spec.edge_bias != "none" else None
        self.nodes = NodeStage(spec, shape) if spec.layers else None
        node_width = spec.width if spec.layers else 0
        self.readout = (
            PairReadout(spec.edge_widths()[-1], node_width, shape.outputs)
            if self.asks_pairs
            else nn.Linear(node_width, shape.outputs)
        )
        self.logits = Tap("logits")

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """What the layers read of the graphs: `walks` [graphs, nodes, nodes, powers], `reach` (any walk at all)."""
        masks = self.spec.unreachable == "mask" and self.nodes is not None
        if not masks and self.edges is None:
            return {}
        walks = walk_stack(batch.adjacency, batch.mask, self.spec.powers, self._dtype)
        told = {"reach": walks.amax(1) > 0} if masks else {}
        if self.edges is not None:
            walks = one_hot(walks) if self.spec.stack == "one_hot" else walks
            told["walks"] = walks.movedim(1, -1).contiguous()
        return told

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]; of pairs [graphs, nodes, nodes, outputs], 0 where one is padding."""
        known: Mapping[str, Tensor] = batch.extra or self.prepare(batch)
        nodes = batch.mask.to(self._dtype)
        real = nodes[:, :, None] * nodes[:, None, :]
        state, biases = self.edges(known["walks"], real) if self.edges is not None else (None, [])
        x = None
        if self.nodes is not None:
            allowed = known["reach"].to(self._dtype) if self.spec.unreachable == "mask" else real
            x = self.nodes(batch, allowed, biases)
        told = self.readout(state, x) * real[..., None] if self.asks_pairs else self.readout(x)
        logits: Tensor = self.logits(told)
        return logits

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        names = {f"edges.{name}" for name in dead_shifts(self.spec, pairs=self.asks_pairs)}
        if self.nodes is not None:
            names |= {f"nodes.{name}" for name in self.nodes.zero_gradient()}
        return {name for name, _ in self.named_parameters() if name in names}
