"""The GPS transformer of the menu: gated convolution and attention over all nodes, side by side."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.encoding import NodeEncoding, Readout
from lab.spec.models.gatedgcn import EdgeStates, Gates, Norm
from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor


class Gps(ModelSpec):
    """Layers that add a gated graph convolution to attention over all nodes, then a feed-forward part."""

    kind: Literal["gps"] = "gps"
    code: ClassVar[str] = "lab.zoo.gps:Gps"
    layers: Annotated[int, Field(ge=1, le=64)] = 6
    """Number of layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a node and of an edge; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of attention heads."""
    local: Annotated[Literal["gatedgcn", "none"], Factor(off="none")] = "gatedgcn"
    """The branch that follows the edges."""
    attention: Annotated[Literal["softmax", "none"], Factor(off="none")] = "softmax"
    """The branch in which every node reads all nodes of its graph."""
    feed_forward: Annotated[Literal["mlp", "none"], Factor(off="none")] = "mlp"
    """The part behind both branches, twice as wide inside, with its norm."""
    gates: Annotated[Gates, Factor(off="none")] = "sigmoid"
    """Of the local branch: a `sigmoid` gate a channel and edge, or all neighbours alike."""
    edge_states: Annotated[EdgeStates, Factor(off="none")] = "updated"
    """Of the local branch: edge states that every layer updates, that stay as they start, or none."""
    norm: Annotated[Norm, Factor(off="none")] = "batch"
    """The norm behind each branch and behind the feed-forward part."""
    local_norm: Annotated[Norm, Factor(off="none")] = "batch"
    """The norm inside the local branch, of nodes and of edges."""
    residual: Annotated[bool, Factor(off=False)] = True
    """Add the layer's input to both branches, and a part's input to the feed-forward part."""
    encoding: NodeEncoding = NodeEncoding()
    """What the nodes are told of their place."""
    readout: Readout = Readout()
    """The layers behind the last state."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of channels dropped in both branches and inside the feed-forward part while training."""
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of attention weights dropped while training."""
    dead_parameters: Annotated[bool, Factor(off=False)] = True
    """Keep what cannot learn, as published counts do: biases that a batch norm cancels, the last layer's edge norm."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.local == "none" and self.attention == "none":
            raise ValueError("local and attention are both none: nodes would hear nothing of each other")
        own = self.encoding.own_channels
        if own >= self.width:
            raise ValueError(f"encodings take {own} of {self.width} channels: nothing is left for the embedding")
        return self
