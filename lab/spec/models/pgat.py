"""The probabilistic graph-attention forecaster of the menu: waves drive targets through learned transitions."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import Factor, factor

Structure = Literal["complete", "given"]
Prior = Literal["learned", "fixed", "adaptive"]
EdgeGate = Literal["dynamic", "none"]
TimeMixer = Literal["attention", "autocorrelation", "convolution", "none"]
TimeEncoding = Literal["sinusoid", "adaptive", "none"]
StructuralEncoding = Literal["laplacian", "walks", "none"]
Head = Literal["mixture", "gaussian", "quantile", "point"]
Layout = Literal["dense", "edge"]

ANSWERS: dict[Head, Answer] = {
    "mixture": "mixture",
    "gaussian": "gaussian",
    "quantile": "quantiles",
    "point": "values",
}


class Pgat(ModelSpec):
    """Forecasts targets from driving waves: attention along time in each series, and over a graph between series.

    The graph has three kinds of nodes: a wave for each driver of the data, a transition (a learned event without
    data), and a target for each series to forecast; waves reach targets through transitions. Where the data have no
    drivers every series is a wave and a target. Features beyond the first are taken for side inputs that all series
    share, by their mean over the series.
    """

    kind: Literal["pgat"] = "pgat"
    code: ClassVar[str] = "lab.zoo.pgat.pgat:Pgat"
    tasks: ClassVar[tuple[str, ...]] = ("forecast",)
    fixed_nodes: ClassVar[bool] = True
    layers: Annotated[int, Field(ge=1, le=64)] = 2
    """Number of blocks."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels of a token; a multiple of `heads`."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of attention heads, along time and over the graph."""
    feed_forward: Annotated[int, Field(ge=1, le=16)] = 2
    """Hidden width of the feed-forward part as a multiple of the width."""
    patch: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Frames in a token, a divisor of the window; when absent the largest up to 8 that leaves four tokens."""
    transitions: Annotated[int, Field(ge=1, le=4096)] = 3
    """Number of learned events; under `structure: given` there is one for each target instead."""
    structure: Annotated[Structure, factor()] = "complete"
    """Every wave reaches every target, or those that the data's graph has an edge from (its last, if it changes)."""
    graph: Annotated[Prior, Factor(off="fixed")] = "learned"
    """How much a node listens along each edge before it looks: `learned` weights, also `adaptive` to the states, or
    all edges alike."""
    edge_gate: Annotated[EdgeGate, Factor(off="none")] = "dynamic"
    """A gate on every edge, read off the states at both of its ends."""
    top_edges: Annotated[int, Field(ge=0)] = 0
    """Edges a node keeps, those of the largest learned weight; 0 keeps all."""
    gumbel: Annotated[float, Field(ge=0, le=10)] = 0.0
    """Temperature of the Gumbel noise on learned edge weights while training; 0 is without."""
    edge_entropy: Annotated[float, Field(ge=0)] = 0.0
    """What the entropy of the learned edge weights, in the mean over the nodes that listen, is multiplied by and added
    to the loss in training: the larger, the fewer edges a node comes to listen along; 0 adds nothing."""
    graph_attention: Annotated[bool, Factor(off=False)] = True
    """Listen over the graph at all; without it targets are forecast from themselves, and waves are not read."""
    bidirectional: Annotated[bool, Factor(off=False)] = False
    """Also go back from targets to transitions to waves, in every block but the last."""
    levels: Annotated[Literal[1, 2], Factor(off=1)] = 1
    """With 2, transitions also hear half as many coarse waves, learned mixtures of the waves."""
    time_mixer: Annotated[TimeMixer, Factor(off="none")] = "attention"
    """How the tokens of a series hear each other: softmax `attention`, the strongest lags of the series'
    `autocorrelation`, depthwise `convolution` of four sizes, or not."""
    lag_factor: Annotated[float, Field(gt=0, le=10)] = 1.0
    """Lags that `autocorrelation` keeps, as a multiple of the logarithm of the number of tokens; at least two."""
    skip_zero_lag: Annotated[bool, factor()] = False
    """Leave out lag 0, which mostly ranks first, of the `autocorrelation`."""
    time_encoding: Annotated[TimeEncoding, Factor(off="none")] = "sinusoid"
    """What tells tokens their place in time: sinusoids, or their mean over four learned scales."""
    structural_encoding: Annotated[StructuralEncoding, Factor(off="none")] = "none"
    """What tells nodes their place in the graph: eigenvectors of its `laplacian`, or chances that `walks` of even
    length are back. On a complete graph either tells the kind of node and nothing else."""
    sign_flip: Annotated[bool, Factor(off=False)] = False
    """Flip each eigenvector's sign at random, step by step, while training."""
    graph_encoding: Annotated[bool, Factor(off=False)] = False
    """Tell nodes their degree, mean distance, eccentricity and chances of return."""
    head: Annotated[Head, Factor(off="point")] = "mixture"
    """What is told of each coming value: a `mixture` of Gaussians, one `gaussian`, a grid of quantiles, a number."""
    components: Annotated[int, Field(ge=1, le=64)] = 3
    """Gaussians of the `mixture`."""
    quantiles: Annotated[int, Field(ge=1, le=999)] = 9
    """Quantiles of the grid, evenly spread."""
    std_floor: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Least standard deviation that is told, in scaled units."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share dropped of what every part adds, and inside the feed-forward part, while training."""
    layout: Annotated[Layout, factor()] = "dense"
    """How attention over the graph is computed: on all pairs, or along the list of `edge`s; lists keep three channels
    of a head for each edge, so that they pay where less than one pair in three times that many is an edge."""
    node_chunk: Annotated[int, Field(ge=0)] = 0
    """Nodes that listen at a time, what they need being computed again in the backward pass; 0 is all at once."""
    graph_cache: Annotated[Literal["buffer", "none"], factor()] = "buffer"
    """Work out encodings of a complete graph once, or again in every pass."""

    def answers(self, task: str) -> Answer:
        """A distribution, a grid of quantiles or a number, as the head has it."""
        return ANSWERS[self.head]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.node_chunk and self.layout == "edge":
            raise ValueError("node_chunk splits the nodes of layout dense; layout edge has none to split")
        return self
