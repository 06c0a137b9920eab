"""The graph isomorphism network of the menu, as first run and as modified while looking for its fault."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor

SelfWeight = Literal["plain", "sigmoid", "one"]
NeighbourWeight = Literal["one", "sigmoid"]
NeighbourRelu = Literal["before", "after", "none"]
BatchNorm = Literal["batch", "none"]
Jumping = Literal["last", "sum", "readouts"]


class Gin(ModelSpec):
    """Graph isomorphism network: the sum over the neighbours, then a small MLP, layer upon layer."""

    kind: Literal["gin"] = "gin"
    code: ClassVar[str] = "lab.zoo.gin:Gin"
    layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of message-passing layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 110
    """Channels of a node between the layers."""
    mlp_factor: Annotated[int, Field(ge=1, le=16)] = 1
    """Hidden width of the layer's MLP as a multiple of `width`."""
    self_weight: Annotated[SelfWeight, Factor(off="one")] = "plain"
    """Weight of the node itself: `plain` is 1 + e, `sigmoid` is 1 + sigmoid(e), `one` learns nothing."""
    neighbour_weight: Annotated[NeighbourWeight, Factor(off="one")] = "one"
    """Weight of the sum over the neighbours: 1, or a learnt sigmoid(e)."""
    neighbour_relu: Annotated[NeighbourRelu, Factor(off="none")] = "before"
    """Where messages pass a ReLU: `before` the sum, `after` it, or nowhere."""
    mlp_norm: Annotated[BatchNorm, Factor(off="none")] = "batch"
    """Batch norm inside the MLP, before its ReLU."""
    between_norm: Annotated[BatchNorm, Factor(off="none")] = "batch"
    """Batch norm after the MLP, between the layers."""
    last_relu: Annotated[bool, Factor(off=False)] = False
    """Also put a ReLU behind the last layer."""
    residual: Annotated[bool, Factor(off=False)] = True
    """Add the layer's input to its output."""
    jumping: Annotated[Jumping, factor()] = "last"
    """What is read out: the `last` layer, the `sum` of all with the embedding, or one linear read-out a depth."""
    running_stats: Annotated[bool, factor()] = True
    """Evaluate batch norm with running statistics instead of the batch's own."""
    bias_before_norm: Annotated[bool, Factor(off=False)] = False
    """Keep the biases that a following batch norm cancels (their true gradient is zero)."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of channels dropped after each layer while training."""
