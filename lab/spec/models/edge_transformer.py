"""The edge transformer of the menu: pairs of nodes have a state of their own, mixed by products, read by attention."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.gin import BatchNorm
from lab.spec.models.graph_transformer import GraphTransformer, Norm, Stack
from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor

Entry = Literal["stack", "linear"]
EdgeFeedForward = Literal["mlp", "none"]
Product = Literal["none", "path", "cluster"]
Scores = Literal["identity", "mean", "relu", "softmax", "standardise"]
Feedback = Literal["append", "replace"]
Order = Literal["first", "alongside"]
EdgeBias = Literal["none", "plus", "log_gate", "alone"]


class EdgeTransformer(ModelSpec):
    """Transformer over pairs of nodes: their states are composed by products, then told to attention as edge bias.

    A pair's state starts as its walk vector; each edge layer maps it by a feed-forward part and mixes it by a product
    over all nodes between. Without products it is the transformer with edge bias, without node layers the simple edge
    model. Weights (norms and biases aside), with l edge layers of width e, L node layers of width d, n nodes, H heads,
    p products of c channels: edge feed-forward 8 e^2 l, products 2 e p c l, edge bias H e (once, or l times
    `alongside`), node layers 12 d^2 L at feed_forward = 4 d. Multiply-adds of a graph: n^2 8 e^2 l,
    (n^2 2 e + n^3) p c l, n^2 H e, and (12 n d^2 + 2 n^2 d) L. Appended products make each next e larger by p.
    """

    kind: Literal["edge_transformer"] = "edge_transformer"
    code: ClassVar[str] = "lab.zoo.edge_transformer:EdgeTransformer"
    tasks: ClassVar[tuple[str, ...]] = ("classify_nodes", "classify_pairs")
    layers: Annotated[int, Field(ge=0, le=64)] = 2
    """Number of node layers; with 0, which suits pairs only, nodes have no state and tokens are not read."""
    width: Annotated[int, Field(ge=1, le=4096)] = 60
    """Channels of a node; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 2
    """Attention heads of a node layer, each with an edge bias of its own."""
    feed_forward: Annotated[int, Field(ge=1, le=16384)] = 240
    """Hidden width of the nodes' feed-forward part."""
    edge_layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Number of edge layers; 1 embeds the pairs once."""
    powers: tuple[Annotated[int, Field(ge=0, le=64)], ...] = (0, 1, 2, 3, 4)
    """Powers of the random-walk matrix that a pair's state starts from."""
    stack: Annotated[Stack, factor()] = "walk"
    """Walk probabilities as they are, or a `one_hot` of the first power that reaches (needs powers 0..K-1)."""
    entry: Annotated[Entry, Factor(off="stack")] = "stack"
    """The first state of a pair: the walk `stack` itself, or a `linear` image of it."""
    edge_width: Annotated[int, Field(ge=1, le=1024)] = 16
    """Channels of a pair behind a `linear` entry; else there are as many as powers."""
    edge_norm: Annotated[Norm, Factor(off="none")] = "none"
    """The norm before the edge feed-forward, over channels or over all pairs of the batch."""
    edge_feed_forward: Annotated[EdgeFeedForward, Factor(off="none")] = "mlp"
    """The edge feed-forward part, linear, ReLU, linear, or none."""
    edge_mlp_factor: Annotated[int, Field(ge=1, le=16)] = 4
    """Hidden width of the edge feed-forward as a multiple of a pair's channels."""
    edge_residual: Annotated[bool, Factor(off=False)] = False
    """Add the state of a pair to what the edge feed-forward makes of it."""
    product: Annotated[Product, Factor(off="none")] = "path"
    """How pairs mix: `path` composes i -> k -> j, `cluster` compares what i and j are to every k, or not at all."""
    products: Annotated[int, Field(ge=1, le=256)] = 1
    """Score matrices of a layer, each a product of its own."""
    product_size: Annotated[int, Field(ge=1, le=256)] = 1
    """Channels that a product sums over besides the nodes between; 1 makes both of its factors plain matrices."""
    separate: Annotated[bool, Factor(off=False)] = True
    """Give the second factor of a product weights of its own; shared, `cluster` is symmetric."""
    scores: Annotated[Scores, Factor(off="identity")] = "identity"
    """What a score matrix passes: nothing, division by the number of nodes (`mean`), a ReLU, a `softmax` over each
    row, or `standardise` to mean 0 and variance 1 over the graph's pairs."""
    feedback: Annotated[Feedback, factor()] = "append"
    """How scores come back: as further channels of the pairs' state, or in place of it."""
    order: Annotated[Order, factor()] = "first"
    """All edge layers `first`, then node layers that share one bias; or `alongside`: each edge layer has a bias of
    its own for the node layer of its depth, and the last for those above."""
    edge_bias: Annotated[EdgeBias, Factor(off="none")] = "plus"
    """What pairs say to attention: their logit `plus` the content's, log sigmoid of theirs + content (`log_gate`),
    their logit `alone`, or nothing; a model of nodes then has no edge layers."""
    mixing: Annotated[Literal["softmax", "gate"], factor()] = "softmax"
    """How logits of node layers become weights: `softmax` over the row, or a sigmoid `gate` on each pair."""
    unreachable: Annotated[Literal["free", "mask"], factor()] = "free"
    """In node layers, leave pairs whose walk vector is zero `free`, or `mask` them."""
    norm_first: Annotated[bool, factor()] = True
    """In node layers, normalise before attention and feed-forward instead of after the residual sum."""
    attention_norm: Annotated[Norm, Factor(off="none")] = "layer"
    """The norm that belongs to the attention part of a node layer."""
    ff_norm: Annotated[Norm, Factor(off="none")] = "layer"
    """The norm that belongs to the feed-forward part of a node layer."""
    mlp_norm: Annotated[BatchNorm, Factor(off="none")] = "none"
    """Batch norm inside the nodes' feed-forward part, before its ReLU."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of attention weights, attention outputs and feed-forward units of nodes dropped while training."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.node_layers()
        if not any(self.powers):
            raise ValueError("powers must hold one above 0: the identity alone says nothing of the graph")
        if self.order == "alongside" and self.edge_layers > self.layers > 0:
            raise ValueError(f"order alongside: {self.edge_layers} edge_layers are more than {self.layers} layers")
        if self.edge_norm == "layer" and self.edge_feed_forward == "mlp" and 1 in self.edge_widths()[:-1]:
            raise ValueError("edge_norm layer needs pairs of two channels or more: of one it leaves nothing")
        return self

    def refuses(self, task: str) -> str:
        """Nodes can only be told apart by node layers."""
        if task == "classify_nodes" and not self.layers:
            return "model.layers is 0: without node layers an edge transformer tells pairs of nodes only"
        return ""

    def edge_widths(self) -> tuple[int, ...]:
        """Channels of a pair before the first edge layer and after each."""
        widths = [len(self.powers) if self.entry == "stack" else self.edge_width]
        for _ in range(self.edge_layers):
            kept = 0 if self.feedback == "replace" and self.product != "none" else widths[-1]
            widths.append(kept + (self.products if self.product != "none" else 0))
        return tuple(widths)

    def node_layers(self) -> GraphTransformer:
        """The options of the node layers, which are those of the graph transformer's encoder."""
        alone = self.edge_bias == "alone"
        return GraphTransformer(
            layers=max(self.layers, 1),
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            attention="position" if alone else "content",
            distance_bias=self.edge_bias in ("plus", "log_gate"),
            merge="log_gate" if self.edge_bias == "log_gate" else "plus",
            powers=self.powers,
            stack=self.stack,
            mixing=self.mixing,
            unreachable=self.unreachable,
            norm_first=self.norm_first,
            attention_norm=self.attention_norm,
            ff_norm=self.ff_norm,
            mlp_norm=self.mlp_norm,
            dropout=self.dropout,
        )
