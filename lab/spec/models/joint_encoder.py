"""An encoder over all frames and nodes at once, the costly kind, on which claims about memory are put to the test."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.model import ModelSpec
from lab.spec.spec import factor


class JointEncoder(ModelSpec):
    """Convolutions along time and hops over the graph, multiplied with each other and attending to each other.

    Attention runs over frames times nodes, so that its plain form keeps the square of that; all levels compute the
    same function. It is here to be measured, not to forecast well.
    """

    kind: Literal["joint_encoder"] = "joint_encoder"
    code: ClassVar[str] = "lab.zoo.joint_encoder:JointEncoder"
    tasks: ClassVar[tuple[str, ...]] = ("forecast",)
    fixed_nodes: ClassVar[bool] = True
    layers: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of encoder layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a node and frame; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of heads."""
    product: Annotated[Literal["reordered", "einsum"], factor()] = "reordered"
    """How time and space are multiplied in each head: a matrix on one, then entry by entry, or all `einsum` operands
    at once, which writes a matrix for every node and frame."""
    broadcast: Annotated[Literal["view", "copied", "chunked"], factor()] = "view"
    """How learned places meet a batch: as a view that takes no memory, copied out, or copied chunk by chunk."""
    built: Literal["at_once", "when_called"] = "at_once"
    """Make all layers in the beginning, or the last in the first forward pass, as some code does: an optimiser that
    was made before never moves it, and what is kept of such a model does not load into a new one."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share dropped of what a layer has made, while training."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
