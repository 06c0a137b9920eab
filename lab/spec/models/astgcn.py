"""The attention-based graph convolution of the menu: attention over frames and nodes scales the edges it works on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.models.graph_source import GraphSource
from lab.spec.models.link_readout import LinkReadout
from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import Factor, factor

Attention = Literal["bilinear_sigmoid", "query_key", "none"]
ChebAttention = Literal["each_term", "chained", "unmodulated"]
Terms = Literal[1, 2, 3, 4]


class Astgcn(ModelSpec):
    """Blocks of attention over frames and nodes, a graph convolution under that attention, and one along time."""

    kind: Literal["astgcn"] = "astgcn"
    code: ClassVar[str] = "lab.zoo.astgcn.astgcn:Astgcn"
    tasks: ClassVar[tuple[str, ...]] = ("predict_links", "forecast")
    fixed_nodes: ClassVar[bool] = True
    layers: Annotated[int, Field(ge=1, le=16)] = 2
    """Number of blocks."""
    graph_filters: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of the graph convolution."""
    time_filters: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of the convolution along time."""
    attention: Annotated[Attention, Factor(off="none")] = "bilinear_sigmoid"
    """Learned weights over the sigmoids of bilinear products, as published; or heads of queries and keys over frames
    and, over the edges of the graph, heads of LeakyReLU scores; or none."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Heads of `query_key`; `bilinear_sigmoid` knows no heads, whatever this says."""
    softmax_axis: Annotated[Literal["first", "second"], factor()] = "first"
    """Which axis of the `bilinear_sigmoid` matrices sums to 1. What a frame reads stands in the first, and what a node
    reads too under `each_term`; under `chained` it stands in the second."""
    cheb_attention: Annotated[ChebAttention, Factor(off="unmodulated")] = "each_term"
    """How attention over nodes enters the graph convolution: it scales the edges of `each_term`, as published; or it is
    `chained`, where the first term scales the input of all others and only the second's edges are scaled; or not."""
    graph_input: Annotated[Literal["attended", "raw"], factor()] = "attended"
    """Feed the graph convolution with what attention over frames has mixed, or with the frames as they are."""
    cheb_terms: Annotated[Terms, factor()] = 3
    """Chebyshev terms: 1 reads no neighbour, 2 those at one step, 3 at two."""
    rescale_attention: Annotated[bool, Factor(off=False)] = True
    """Multiply attention over nodes by their number, so that attention to all alike leaves the graph as it is."""
    vector_init: Annotated[Literal["scaled", "uniform01"], factor()] = "scaled"
    """Start of all vectors: scaled by their length, norms and biases neutral; or everything uniform in 0 .. 1, which
    saturates the attention of deeper blocks at once."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share dropped before the last layer of a read-out with a hidden layer."""
    node_width: Annotated[Literal[1, 16, 64], factor()] = 64
    """Numbers that the last convolution leaves of every node for the links to be read off."""
    graph: GraphSource = GraphSource()
    """Which graph of the window is read."""
    readout: LinkReadout = LinkReadout()
    """How links are read off. Forecasts are the last convolution's own."""

    def answers(self, task: str) -> Answer:
        """Probabilities of links where the read-out gives them."""
        is_probability = task == "predict_links" and self.readout.output == "probability"
        return "probabilities" if is_probability else super().answers(task)
