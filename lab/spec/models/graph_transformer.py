"""The graph transformer of the menu: attention by position in the graph or by content, with or without gates."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.gin import BatchNorm
from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, Spec, factor

Attention = Literal["position", "content"]
Mixing = Literal["softmax", "gate"]
Stack = Literal["walk", "one_hot"]
Unreachable = Literal["mask", "learned", "free"]
MaskFill = Literal["infinite", "million"]
Norm = Literal["layer", "batch", "none"]
PositionalMap = Literal["linear", "mlp"]
Replace = Literal["none", "sum", "relu"]
Merge = Literal["plus", "log_gate"]


class Positional(Spec):
    """The map from a pair's walk vector to one logit a head."""

    map: Annotated[PositionalMap, factor()] = "linear"
    """One linear layer, or an MLP with one hidden layer, batch norm and ReLU."""
    hidden: Annotated[int, Field(ge=1, le=64)] = 4
    """Hidden units of the MLP as a multiple of the number of powers."""
    bias: Annotated[bool, Factor(off=False)] = True
    """Add a bias to every logit."""
    init_weight: tuple[float, ...] | None = None
    """Weights to start from, one a power, the same for every head; drawn at random when absent."""
    init_bias: float | None = None
    """Bias to start from; drawn at random when absent."""
    freeze: Annotated[bool, factor()] = False
    """Leave the map as it was initialised."""
    replace: Annotated[Replace, Factor(off="none")] = "none"
    """Put something else in the map's place: the `sum` of the walk vector, or `relu` of the linear map."""

    @model_validator(mode="after")
    def _start_is_of_the_linear_map(self) -> Self:
        told = self.init_weight is not None or self.init_bias is not None
        if told and (self.map == "mlp" or self.replace == "sum"):
            raise ValueError("init_weight and init_bias are starts of the linear map, which is not there")
        return self


class GraphTransformer(ModelSpec):
    """Transformer encoder on graphs whose attention reads random-walk powers, node content, or both."""

    kind: Literal["graph_transformer"] = "graph_transformer"
    code: ClassVar[str] = "lab.zoo.graph_transformer:GraphTransformer"
    layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of encoder layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 60
    """Channels of a node; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 1
    """Number of attention heads."""
    feed_forward: Annotated[int, Field(ge=1, le=16384)] = 240
    """Hidden width of the feed-forward part."""
    attention: Annotated[Attention, factor()] = "position"
    """What a logit is made of: the pair's `position` in the graph, or the nodes' `content`."""
    mixing: Annotated[Mixing, factor()] = "softmax"
    """How logits become weights: `softmax` over the row, or a sigmoid `gate` on each pair."""
    powers: tuple[Annotated[int, Field(ge=0, le=64)], ...] = (0, 1, 2, 3, 4)
    """Powers of the random-walk matrix that make up a pair's walk vector."""
    stack: Annotated[Stack, factor()] = "walk"
    """Walk probabilities as they are, or a `one_hot` of the first power that reaches (needs powers 0..K-1)."""
    distance_bias: Annotated[bool, Factor(off=False)] = False
    """Content attention only: combine the content logit with the positional one."""
    merge: Annotated[Merge, factor()] = "plus"
    """How the two logits meet under `distance_bias`: their sum, or log sigmoid(position) + content."""
    unreachable: Annotated[Unreachable, factor()] = "mask"
    """Real pairs whose walk vector is zero: `mask` them, add a `learned` logit, or leave them `free`."""
    unreachable_init: float = -100.0
    """Start of the learned logit; at -30 and below it never moves."""
    mask_fill: Annotated[MaskFill, factor()] = "infinite"
    """The logit of a forbidden pair: minus infinity, or minus a `million` (the old way: a fully masked
    softmax row then averages everything, padding included)."""
    norm_first: Annotated[bool, factor()] = True
    """Normalise before attention and feed-forward instead of after the residual sum."""
    attention_norm: Annotated[Norm, Factor(off="none")] = "layer"
    """The norm that belongs to the attention part."""
    ff_norm: Annotated[Norm, Factor(off="none")] = "layer"
    """The norm that belongs to the feed-forward part."""
    mlp_norm: Annotated[BatchNorm, Factor(off="none")] = "none"
    """Batch norm inside the feed-forward part, between its first linear layer and the ReLU."""
    masked_norm: Annotated[bool, Factor(off=False)] = True
    """Norms see real nodes only, not padding."""
    feed_forward_kind: Annotated[Literal["mlp", "identity"], Factor(off="identity")] = "mlp"
    """The feed-forward part itself, or the identity in its place."""
    positional: Positional = Positional()
    """The map from walk vectors to logits."""
    bias_before_norm: Annotated[bool, Factor(off=False)] = False
    """Keep the biases that a following batch norm cancels (their true gradient is zero)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share dropped behind attention and inside the feed-forward part while training."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of attention weights dropped while training; `dropout` when absent."""
    gin_layers: Annotated[int, Field(ge=0, le=64)] = 0
    """GIN layers below the encoder."""
    gin_residual: Annotated[bool, Factor(off=False)] = True
    """Residual sums in the GIN layers below."""
    gin_jumping: Annotated[Literal["last", "sum"], factor()] = "last"
    """What the encoder reads of the GIN layers below."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if not self.powers:
            raise ValueError("powers is empty: name at least one power")
        if list(self.powers) != sorted(set(self.powers)):
            raise ValueError(f"powers {list(self.powers)} must rise without repeats")
        if self.stack == "one_hot" and self.powers != tuple(range(len(self.powers))):
            raise ValueError(f"stack one_hot needs powers 0..K-1 without gaps, not {list(self.powers)}")
        start = self.positional.init_weight
        if start is not None and len(start) != len(self.powers):
            raise ValueError(f"positional.init_weight has {len(start)} numbers for {len(self.powers)} powers")
        return self
