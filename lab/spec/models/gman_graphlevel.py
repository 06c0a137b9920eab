"""The larger successor of the attention model of windows, with all links read off vectors of the whole graph or not."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor


class GmanGraphlevel(ModelSpec):
    """Convolutions and an LSTM over time, blocks of graph convolution and attention, then an MLP for every pair.

    As it was written the MLP is handed the same two vectors for each pair, so that all links of a window get one
    number and only the density can be told; `pair_features: node_pair` hands it the two nodes' own.
    """

    kind: Literal["gman_graphlevel"] = "gman_graphlevel"
    code: ClassVar[str] = "lab.zoo.gman.graph_level:GmanGraphlevel"
    tasks: ClassVar[tuple[str, ...]] = ("predict_links",)
    fixed_nodes: ClassVar[bool] = True
    layers: Annotated[int, Field(ge=1, le=32)] = 4
    """Number of structural blocks."""
    width: Annotated[int, Field(ge=3, le=4096)] = 256
    """Channels of a node; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 8
    """Number of attention heads."""
    pair_features: Annotated[Literal["node_pair", "graph_level"], factor()] = "node_pair"
    """What the last MLP is told of a pair: both nodes' vectors, or two vectors of the whole graph, the same for all."""
    convolution_graph: Annotated[Literal["own", "mixed_up", "none"], Factor(off="none")] = "own"
    """The graph that the convolution of a frame follows: its own; that of the frame whose place in the batch it has
    when windows and frames are taken for each other, so that windows of a batch leak into one another; or none."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of attention weights and of hidden units dropped while training."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self
