"""The attention model of windows of the menu: nodes read nodes and frames read frames, for links or for values."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.link_readout import LinkReadout
from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import Factor, Spec, factor

Across = Literal["nodes", "heads", "none"]
TimeLayout = Literal["own_frames", "token_blocks", "none"]
Order = Literal["spatial_then_temporal", "temporal_then_spatial", "parallel_sum", "gated_fusion"]
NormPlacement = Literal["branch", "before", "after", "none"]
Among = Literal["all_nodes", "random_groups"]
GraphUse = Literal["ignored", "attention_bias", "attention_mask", "gcn_branch"]


class SpatialAttention(Spec):
    """Attention inside a frame."""

    across: Annotated[Across, Factor(off="none")] = "nodes"
    """Who reads whom: `nodes` each other, or the `heads` of one node each other, which lets no node see another."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of heads."""
    scale: Annotated[Literal["head_width", "width"], factor()] = "head_width"
    """Logits are divided by the root of this."""
    projection: Annotated[bool, Factor(off=False)] = True
    """A linear layer behind the heads."""
    graph: Annotated[GraphUse, Factor(off="ignored")] = "ignored"
    """What the edges of a frame do: nothing, a learned bias of each head's logits, a mask that leaves a node itself and
    those with an edge to it, or a graph convolution beside attention."""
    among: Annotated[Among, Factor(off="all_nodes")] = "all_nodes"
    """Whom a node reads: all of its frame, or, as published for many nodes, those of a random group, to which is added
    what the groups' largest values read of each other. Groups are drawn once, from the trial's seed; one that holds all
    nodes is as `all_nodes`."""
    group_size: Annotated[int, Field(ge=2)] | Literal["fewest_pairs"] = "fewest_pairs"
    """Nodes of a random group; by itself the cube root of twice their number, which leaves the fewest pairs to weigh:
    325 nodes make 37 groups."""


class TemporalAttention(Spec):
    """Attention between frames."""

    layout: Annotated[TimeLayout, Factor(off="none")] = "own_frames"
    """Every node reads its `own_frames`; `token_blocks` cuts the list of all nodes of all frames into pieces as long as
    the window, which are other nodes of the same frame rather than other frames."""
    heads: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of heads."""
    mask: Annotated[Literal["none", "causal"], Factor(off="none")] = "none"
    """Read all frames of the window, or none that is later (`causal`)."""


class Gman(ModelSpec):
    """Attention over nodes and over frames in turn, for the links of the next frame or the values of the next ones.

    A block costs T N^2 C + N T^2 C + 8 T N C^2 multiply-adds a window of T frames, N nodes and C channels; in random
    groups of M nodes N^2 becomes N M + (N / M)^2, and 4 T N C^2 / M come on top. To forecast,
    every step ahead reads a node's frames by attention, and `decoder_layers` blocks work on what was read; pooling
    and read-out are of links only.
    """

    kind: Literal["gman"] = "gman"
    code: ClassVar[str] = "lab.zoo.gman.model:Gman"
    tasks: ClassVar[tuple[str, ...]] = ("predict_links", "forecast")
    fixed_nodes: ClassVar[bool] = True
    layers: Annotated[int, Field(ge=0, le=32)] = 3
    """Number of blocks."""
    width: Annotated[int, Field(ge=1, le=4096)] = 128
    """Channels of a node; a multiple of both numbers of heads."""
    spatial: SpatialAttention = SpatialAttention()
    """The part in which the nodes of a frame read each other."""
    temporal: TemporalAttention = TemporalAttention()
    """The part in which the frames of a node read each other."""
    order: Annotated[Order, factor()] = "spatial_then_temporal"
    """How the two parts of a block meet: one after the other, their sum, or a learned gate between them."""
    norm: Annotated[NormPlacement, Factor(off="none")] = "branch"
    """Layer norm of what a part adds (`branch`), `before` the part, `after` the sum, or none."""
    residual: Annotated[bool, Factor(off=False)] = True
    """Add a part's input to its output."""
    feed_forward: Annotated[Literal["mlp", "none"], Factor(off="none")] = "none"
    """A third part of a block, four times as wide inside."""
    time_encoding: Annotated[Literal["learned", "sinusoidal", "none"], Factor(off="none")] = "learned"
    """What a frame is told of its place in the window; without, its order cannot be seen."""
    node_encoding: Annotated[Literal["none", "learned", "laplacian"], Factor(off="none")] = "none"
    """What a node is told of itself: a `learned` vector for its index, or eigenvectors of the window's mean graph."""
    eigenvectors: Annotated[int, Field(ge=1, le=256)] = 4
    """Eigenvectors of the `laplacian` encoding, from the smallest eigenvalue above the constant one up."""
    time_pooling: Annotated[Literal["last", "mean", "attention"], factor()] = "last"
    """From the frames to one state for each node: the `last`, their `mean`, or a mean of learned weights."""
    readout: LinkReadout = LinkReadout()
    """From the states of nodes to links."""
    decoder_layers: Annotated[int, Field(ge=0, le=32)] = 1
    """Blocks behind the steps ahead of a forecast."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of attention weights and of hidden units dropped while training."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for part in ("spatial", "temporal"):
            heads = getattr(self, part).heads
            if self.width % heads:
                raise ValueError(f"width {self.width} is not a multiple of {part}.heads {heads}")
        self._attention_fits()
        return self

    def _attention_fits(self) -> None:
        """Edges are of pairs of nodes, and groups leave most pairs out."""
        spatial, grouped = self.spatial, self.spatial.among == "random_groups"
        reads_edges = spatial.graph.startswith("attention_")
        if reads_edges and spatial.across != "nodes":
            raise ValueError(f"spatial.graph {spatial.graph} needs spatial.across nodes, not {spatial.across}")
        if grouped and spatial.across != "nodes":
            raise ValueError(f"spatial.among random_groups needs spatial.across nodes, not {spatial.across}")
        if grouped and reads_edges:
            raise ValueError(f"spatial.graph {spatial.graph} needs spatial.among all_nodes, not random_groups")

    def answers(self, task: str) -> Answer:
        """Links as its read-out puts them, forecasts as values."""
        if task == "forecast":
            return "values"
        return "probabilities" if self.readout.output == "probability" else "logits"
