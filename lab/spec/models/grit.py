"""The graph inductive-bias transformer of the menu: attention by random walks whose pair states are updated too."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.encoding import Readout
from lab.spec.models.gatedgcn import Norm
from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor


class Grit(ModelSpec):
    """Attention over pairs that start as random-walk vectors and learn along with the nodes; no message passing."""

    kind: Literal["grit"] = "grit"
    code: ClassVar[str] = "lab.zoo.grit:Grit"
    layers: Annotated[int, Field(ge=1, le=64)] = 10
    """Number of layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a node and of a pair of nodes; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    """Number of attention heads."""
    steps: Annotated[int, Field(ge=1, le=256)] = 21
    """Powers of the random-walk matrix in a pair's walk vector, counted from power 0."""
    node_encoding: Annotated[bool, Factor(off=False)] = True
    """Tell each node the walk vector of the pair it makes with itself."""
    pair_encoding: Annotated[bool, Factor(off=False)] = True
    """Start each pair from its walk vector."""
    edge_embedding: Annotated[bool, Factor(off=False)] = True
    """Start pairs that an edge joins from a learned vector, added to the walk vector's."""
    reach: Annotated[Literal["all", "edges"], factor()] = "all"
    """Whom a node reads: `all` nodes of its graph, or itself and those with an edge to it."""
    attention: Annotated[Literal["learned", "mean"], Factor(off="mean")] = "learned"
    """Weights learned from the pair states, or the same for all that a node reads."""
    signed_root: Annotated[bool, Factor(off=False)] = True
    """Take the root of the product's size, keeping its sign, before a pair's shift is added."""
    pair_relu: Annotated[bool, Factor(off=False)] = True
    """Pass the new pair state through a ReLU."""
    clamp: Annotated[float, Field(gt=0)] | None = 5.0
    """Bound of the logits on both sides; none when null."""
    pair_values: Annotated[bool, Factor(off=False)] = True
    """Let nodes read pair states besides the other nodes' values."""
    pair_update: Annotated[bool, Factor(off=False)] = True
    """Hand the new pair states on to the next layer; else every layer starts from the first ones."""
    pair_output: Annotated[bool, Factor(off=False)] = True
    """A linear layer on the pair states that are handed on."""
    degree_scaler: Annotated[bool, Factor(off=False)] = True
    """Mix what is read with itself times the logarithm of the degree, channel by channel."""
    norm: Annotated[Norm, Factor(off="none")] = "batch"
    """The norm of nodes, behind attention and behind the feed-forward part."""
    pair_norm: Annotated[Norm, Factor(off="none")] = "batch"
    """The norm of the pair states that are handed on."""
    residual: Annotated[bool, Factor(off=False)] = True
    """Add a part's input to its output, for nodes and for pairs."""
    feed_forward: Annotated[Literal["mlp", "none"], Factor(off="none")] = "mlp"
    """The part behind attention, twice as wide inside, with its norm."""
    readout: Readout = Readout()
    """The layers behind the last state."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of channels dropped behind attention, of new pair states and inside the feed-forward part in training."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of attention weights dropped while training."""
    dead_parameters: Annotated[bool, Factor(off=False)] = True
    """Keep what cannot learn, as published counts do: biases that a norm cancels, the last layer's pair output."""

    @property
    def reads_pairs(self) -> bool:
        """Whether pair states matter at all; where no layer reads them there are none."""
        return self.attention == "learned" or self.pair_values

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.reads_pairs and not (self.pair_encoding or self.edge_embedding):
            raise ValueError("pair_encoding and edge_embedding are both off: pairs would start from nothing")
        return self
