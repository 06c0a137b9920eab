"""The general, powerful, scalable graph transformer: a gated convolution and attention over all nodes, side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gatedgcn import GatedGcn as LocalOptions
from lab.spec.models.gps import Gps as Options
from lab.spec.models.graph_transformer import GraphTransformer as AttentionOptions
from lab.zoo.attention import Attention, Pairs
from lab.zoo.edges import Edges
from lab.zoo.encodings import Beginning
from lab.zoo.ends import Readout, linear_way_in
from lab.zoo.feed_forward import FeedForward
from lab.zoo.gatedgcn import GatedGcnLayer
from lab.zoo.parts import BatchNorm, dropout, norm
from lab.zoo.taps import Tap


class GpsLayer(nn.Module):
    """Both branches with a norm each, their sum, and the feed-forward part with its norm."""

    def __init__(self, spec: Options, *, is_last: bool) -> None:
        super().__init__()
        self.residual = spec.residual
        self.dropout_share = spec.dropout
        has_bias = spec.dead_parameters or spec.norm != "batch"
        self.local = GatedGcnLayer(_local(spec), is_last=is_last, is_block=False) if spec.local != "none" else None
        self.local_norm = norm(spec.norm, spec.width) if spec.local != "none" else None
        self.attention = Attention(_attention(spec)) if spec.attention != "none" else None
        self.attention_norm = norm(spec.norm, spec.width) if spec.attention != "none" else None
        self.dropout = dropout(spec.dropout)
        has_ff = spec.feed_forward == "mlp"
        self.feed_forward = FeedForward(spec.width, spec.dropout, bias=has_bias) if has_ff else None
        self.ff_dropout = dropout(spec.dropout) if has_ff else nn.Identity()
        self.ff_norm = norm(spec.norm, spec.width) if has_ff else None
        self.block = Tap("block")

    def forward(
        self, x: Tensor, e: Tensor | None, edges: Edges, pairs: Pairs, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Update nodes [graphs, nodes, width] and the states of edges."""
        heard = []
        if self.local is not None and self.local_norm is not None:
            near, e = self.local(x, e, edges, mask)
            heard.append(self.local_norm(near, mask))
        if self.attention is not None and self.attention_norm is not None:
            far = self.dropout(self.attention(x, pairs))
            heard.append(self.attention_norm(x + far if self.residual else far, mask))
        y = torch.stack(heard).sum(0) if len(heard) > 1 else heard[0]
        if self.feed_forward is not None and self.ff_norm is not None:
            told = self.ff_dropout(self.feed_forward(y))
            y = self.ff_norm(y + told if self.residual else told, mask)
        return self.block(y), e

    def zero_gradient(self) -> set[str]:
        """What this layer has and cannot learn."""
        names = {f"local.{name}" for name in self.local.zero_gradient()} if self.local is not None else set()
        before = {
            "attention.out_projection.bias": self.attention_norm,
            "feed_forward.linear2.bias": self.ff_norm,
        }
        names |= {name for name, behind in before.items() if isinstance(behind, BatchNorm) and not self.dropout_share}
        return names & {name for name, _ in self.named_parameters()}


def _local(spec: Options) -> LocalOptions:
    """The local branch as a gated convolution of the menu."""
    return LocalOptions(
        width=spec.width,
        gates=spec.gates,
        edge_states=spec.edge_states,
        norm=spec.local_norm,
        residual=spec.residual,
        dropout=spec.dropout,
        dead_parameters=spec.dead_parameters,
    )


def _attention(spec: Options) -> AttentionOptions:
    """The global branch as content attention of the graph transformer, which has the same equations."""
    return AttentionOptions(
        width=spec.width,
        heads=spec.heads,
        attention="content",
        unreachable="free",
        norm_first=False,
        attention_norm=spec.norm,
        bias_before_norm=spec.dead_parameters,
        attention_dropout=spec.attention_dropout,
    )


class Gps(nn.Module):
    """Embedding with encodings, layers of two branches, read-out.

    The local branch takes what the gated convolution takes, by the edge on a CPU and by the pair of nodes elsewhere;
    attention takes graphs x nodes x nodes x heads numbers, 8 MB in float32 for 32 graphs padded to 128 nodes.
    """

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.beginning = Beginning(spec.encoding, shape, spec.width, way_in=linear_way_in)
        has_edges = spec.local != "none" and spec.gates == "sigmoid" and spec.edge_states != "none"
        self.edge_start = nn.Embedding(1, spec.width) if has_edges else None
        self.layers = nn.ModuleList(GpsLayer(spec, is_last=at == spec.layers - 1) for at in range(spec.layers))
        self.readout = Readout(spec.readout, spec.width, shape)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        x = self.beginning(batch, batch.extra or self.prepare(batch))
        edges = Edges.of(batch, x.dtype)
        real = batch.mask.to(x.dtype)
        pairs = Pairs.of((real[:, :, None] * real[:, None, :])[:, None], "infinite")
        e = None if self.edge_start is None else (edges.counts > 0).to(x.dtype) * self.edge_start.weight
        for layer in self.layers:
            x, e = layer(x, e, edges, pairs, batch.mask)
        logits: Tensor = self.readout(x)
        return logits

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The encodings of the nodes' places."""
        return self.beginning.prepare(batch, self.readout.last.weight.dtype)

    def ambiguous(self) -> set[str]:
        """What `prepare` gives that a graph alone does not settle."""
        return self.beginning.ambiguous()

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        return {f"layers.{at}.{name}" for at, layer in enumerate(self.layers) for name in layer.zero_gradient()}  # type: ignore[operator]
