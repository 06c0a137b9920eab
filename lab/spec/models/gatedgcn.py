"""The gated graph convolution of the menu, as the benchmark of Dwivedi and others has it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.encoding import EigenMap, Hidden, Join, Laplacian, Logits, NodeEncoding, Readout, Source
from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor

Gates = Literal["sigmoid", "none"]
EdgeStates = Literal["updated", "fixed", "none"]
Norm = Literal["batch", "layer", "none"]


class AddedEncoding(NodeEncoding):
    """The encoding of a node's place, none by default; `laplacian` adds two eigenvectors to the embedding."""

    source: Annotated[Source, Factor(off="none")] = "none"
    """Eigenvectors of the `laplacian`, the chances that random `walks` are back, `both`, or nothing."""
    frequencies: Annotated[int, Field(ge=1, le=256)] = 2
    """Eigenvectors taken, from the smallest eigenvalue up; a smaller graph goes without the rest."""
    laplacian: Annotated[Laplacian, factor()] = "symmetric"
    """Degrees less edges (`plain`), or the same divided by the roots of both degrees."""
    constant: Annotated[bool, factor()] = False
    """Begin with the very first eigenvector, which on a connected graph tells no more than the degree."""
    eigen_map: Annotated[EigenMap, factor()] = "linear"
    """Sum a small MLP of (entry, eigenvalue) over the frequencies, or one `linear` layer of the entries."""
    join: Annotated[Join, factor()] = "add"
    """Give encodings channels of their own, or `add` them to the embedding."""


class HalvingReadout(Readout):
    """From the last state of a node to its logits, by layers that halve."""

    hidden: Annotated[Hidden, Factor(off="none")] = "halving"
    """Hidden layers as wide as the state (`level`), each half as wide as the one before, or none at all."""
    logits: Annotated[Logits, factor()] = "each"
    """Where there are two classes: `one` number, by which the second leads, or one for `each`."""


class GatedGcn(ModelSpec):
    """Gated graph convolution: every edge opens or shuts each channel of what its end hears from its start."""

    kind: Literal["gatedgcn"] = "gatedgcn"
    code: ClassVar[str] = "lab.zoo.gatedgcn:GatedGcn"
    layers: Annotated[int, Field(ge=1, le=64)] = 4
    """Number of message-passing layers."""
    width: Annotated[int, Field(ge=1, le=4096)] = 70
    """Channels of a node and of an edge."""
    gates: Annotated[Gates, Factor(off="none")] = "sigmoid"
    """A `sigmoid` gate a channel and edge, or all neighbours alike; without gates edges carry nothing."""
    normalise: Annotated[bool, Factor(off=False)] = True
    """Divide what is heard by the sum of the gates; without gates, by the number of edges."""
    edge_states: Annotated[EdgeStates, Factor(off="none")] = "updated"
    """What gates read besides both nodes: a state that every layer updates, one that stays as it starts, or none."""
    norm: Annotated[Norm, Factor(off="none")] = "batch"
    """The norm before each ReLU, of nodes and of edges."""
    residual: Annotated[bool, Factor(off=False)] = True
    """Add the layer's input to its output, for nodes and for edges."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of channels dropped behind each ReLU while training."""
    encoding: AddedEncoding = AddedEncoding()
    """What the nodes are told of their place."""
    readout: HalvingReadout = HalvingReadout()
    """The layers behind the last state."""
    dead_parameters: Annotated[bool, Factor(off=False)] = True
    """Keep what cannot learn, as published counts do: biases that a batch norm cancels, the last layer's edge norm."""

    @model_validator(mode="after")
    def _leaves_channels(self) -> Self:
        own = self.encoding.own_channels
        if own >= self.width:
            raise ValueError(f"encodings take {own} of {self.width} channels: nothing is left for the embedding")
        return self
