"""The graph transformer: encoder layers over walk stacks, with or without GIN layers below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gin import Gin as GinOptions
from lab.spec.models.graph_transformer import GraphTransformer as Options
from lab.zoo.attention import Attention, Pairs
from lab.zoo.cancelled import cancelled
from lab.zoo.gin import GinStage, jump
from lab.zoo.parts import Relu, Unchanged, dropout, norm, way_in
from lab.zoo.taps import Kind, Tap
from lab.zoo.walks import one_hot, walk_stack


class FeedForward(nn.Module):
    """Linear, norm, ReLU, linear, node by node."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        inner, outer = spec.mlp_norm == "batch", spec.ff_norm == "batch" and not spec.norm_first
        self.linear1 = nn.Linear(spec.width, spec.feed_forward, bias=spec.bias_before_norm or not inner)
        self.norm = norm(spec.mlp_norm, spec.feed_forward, masked=spec.masked_norm)
        self.relu = Relu()
        self.inner_dropout = dropout(spec.dropout)
        self.linear2 = nn.Linear(spec.feed_forward, spec.width, bias=spec.bias_before_norm or not outer)
        self.outer_dropout = dropout(spec.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Map [graphs, nodes, width]."""
        hidden = self.inner_dropout(self.relu(self.norm(self.linear1(x), mask)))
        out: Tensor = self.outer_dropout(self.linear2(hidden))
        return out


class EncoderLayer(nn.Module):
    """Attention and feed-forward, each in a residual sum, with a norm before or after it."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, *, positional: nn.Module | None = None) -> None:
        super().__init__()
        self.norm_first = spec.norm_first
        self.attention_norm = norm(spec.attention_norm, spec.width, masked=spec.masked_norm)
        self.attention = Attention(spec, positional=positional)
        self.dropout = dropout(spec.dropout)
        self.ff_norm = norm(spec.ff_norm, spec.width, masked=spec.masked_norm)
        self.feed_forward = FeedForward(spec) if spec.feed_forward_kind == "mlp" else Unchanged()

    def forward(self, x: Tensor, pairs: Pairs, mask: Tensor) -> Tensor:
        """Update [graphs, nodes, width]."""
        out: Tensor
        if self.norm_first:
            x = x + self.dropout(self.attention(self.attention_norm(x, mask), pairs))
            out = x + self.feed_forward(self.ff_norm(x, mask), mask)
        else:
            x = self.attention_norm(x + self.dropout(self.attention(x, pairs)), mask)
            out = self.ff_norm(x + self.feed_forward(x, mask), mask)
        return out


class GraphTransformer(nn.Module):
    """Embedding, GIN layers where asked for, encoder layers, read-out."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.embedding = way_in(shape, spec.width)
        self.stage = GinStage(_below(spec)) if spec.gin_layers else None
        self.layers = nn.ModuleList(EncoderLayer(spec) for _ in range(spec.layers))
        self.readout = nn.Linear(spec.width, shape.outputs)
        self.logits = Tap("logits")

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        x = self.embedding(batch.x)
        if self.stage is not None:
            x = jump(self.stage(x, batch), self.spec.gin_jumping)
        pairs = self._pairs(batch)
        for layer in self.layers:
            x = layer(x, pairs, batch.mask)
        logits: Tensor = self.logits(self.readout(x))
        return logits

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """What the layers read of the graphs: `walks` [graphs, powers, nodes, nodes], `reach` (any walk at all)."""
        reads_walks = self.spec.attention == "position" or self.spec.distance_bias
        reads_reach = self.spec.unreachable != "free"
        if not (reads_walks or reads_reach):
            return {}
        with torch.no_grad(), torch.autocast(batch.x.device.type, enabled=False):
            walks = walk_stack(batch.adjacency, batch.mask, self.spec.powers, self.readout.weight.dtype)
            told = {}
            if reads_walks:
                told["walks"] = one_hot(walks) if self.spec.stack == "one_hot" else walks
            if reads_reach:
                told["reach"] = walks.amax(1) > 0  # a tenth of the time that `any` takes over an inner axis
            return told

    def _pairs(self, batch: Batch) -> Pairs:
        known: Mapping[str, Tensor] = batch.extra
        if not {"walks", "reach"} & known.keys():
            known = self.prepare(batch)
        dtype, unreachable = self.readout.weight.dtype, self.spec.unreachable
        beyond = None
        if unreachable == "mask":
            allowed = known["reach"][:, None].to(dtype)
        else:
            nodes = batch.mask.to(dtype)
            allowed = (nodes[:, :, None] * nodes[:, None, :])[:, None]
            if unreachable == "learned":
                beyond = allowed * ~known["reach"][:, None]
        return Pairs.of(allowed, self.spec.mask_fill, known.get("walks"), beyond)

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        names = cancelled(self.spec, tokens=isinstance(self.embedding, nn.Embedding))
        if self.stage is not None:
            names |= {f"stage.{name}" for name in self.stage.zero_gradient()}
        return {name for name, weight in self.named_parameters() if name in names and weight.requires_grad}


def _below(spec: Options) -> GinOptions:
    """The baseline GIN as the stage below the encoder."""
    return GinOptions(
        layers=spec.gin_layers,
        width=spec.width,
        residual=spec.gin_residual,
        bias_before_norm=spec.bias_before_norm,
        dropout=spec.dropout,
    )
