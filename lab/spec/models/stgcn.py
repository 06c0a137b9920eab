"""The spatio-temporal graph convolution of the menu: gates along time around a convolution on the graph."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.models.graph_source import GraphSource
from lab.spec.models.link_readout import LinkReadout
from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import Factor, factor

Gate = Literal["glu_residual", "product_plus_branch_relu", "sum_gate"]
Norm = Literal["batch_over_nodes", "layer_norm_node_channel", "none"]


class Stgcn(ModelSpec):
    """Blocks of two gated convolutions along time with a Chebyshev convolution on the graph between them."""

    kind: Literal["stgcn"] = "stgcn"
    code: ClassVar[str] = "lab.zoo.stgcn:Stgcn"
    tasks: ClassVar[tuple[str, ...]] = ("predict_links", "forecast")
    fixed_nodes: ClassVar[bool] = True
    widths: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)] = (32, 32)
    """Channels that each block puts out, block by block."""
    hidden: Annotated[int, Field(ge=1, le=4096)] = 32
    """Channels within a block, where the graph is read."""
    kernel: Annotated[int, Field(ge=1, le=16)] = 3
    """Frames that one convolution along time sees; it leaves kernel - 1 fewer. A window that is too short for all of
    them is lengthened by its oldest frame."""
    gate: Annotated[Gate, factor()] = "glu_residual"
    """How a convolution along time is gated, with P, Q and R convolutions of the input x: (P + x) sigmoid(Q) before
    the graph and relu(P + x) behind it, as published; relu(P sigmoid(Q) + R); or a port's slip,
    relu(P + sigmoid(Q) + R)."""
    cheb_terms: Annotated[Literal[1, 2, 3, 4], factor()] = 3
    """Chebyshev terms of the graph convolution: 1 reads no neighbour, 2 those at one step, 3 at two."""
    norm: Annotated[Norm, Factor(off="none")] = "layer_norm_node_channel"
    """The norm behind each block: over nodes and channels of a frame, or of each node over the batch and its frames."""
    activation_order: Annotated[Literal["relu_then_dropout", "dropout_then_relu"], factor()] = "relu_then_dropout"
    """Which comes first behind a block; as neither moves zero, it should make no difference."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of channels dropped behind each block while training, and before the last layer of a read-out."""
    graph: GraphSource = GraphSource()
    """Which graph of the window is read."""
    readout: LinkReadout = LinkReadout()
    """How links are read off; `flatten_dense` takes all nodes and frames at once. Forecasts have their own head."""

    def answers(self, task: str) -> Answer:
        """Probabilities of links where the read-out gives them."""
        is_probability = task == "predict_links" and self.readout.output == "probability"
        return "probabilities" if is_probability else super().answers(task)
