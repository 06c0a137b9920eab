"""What a node is told of its place in the graph before the first layer, and what is read off it after the last."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.spec.spec import Factor, Spec, factor

Source = Literal["laplacian", "walks", "both", "none"]
Laplacian = Literal["plain", "symmetric"]
EigenMap = Literal["deep_set", "linear"]
SignFlip = Literal["batch", "graph", "none"]
Join = Literal["concat", "add"]
Hidden = Literal["level", "halving", "none"]
Logits = Literal["one", "each"]


class NodeEncoding(Spec):
    """The encoding of a node's place that its embedding starts with."""

    source: Annotated[Source, Factor(off="none")] = "laplacian"
    """Eigenvectors of the `laplacian`, the chances that random `walks` are back, `both`, or nothing."""
    frequencies: Annotated[int, Field(ge=1, le=256)] = 10
    """Eigenvectors taken, from the smallest eigenvalue up; a smaller graph goes without the rest."""
    laplacian: Annotated[Laplacian, factor()] = "plain"
    """Degrees less edges, or the same divided by the roots of both degrees."""
    constant: Annotated[bool, factor()] = True
    """Begin with the very first eigenvector, which is constant on a connected graph."""
    eigen_map: Annotated[EigenMap, factor()] = "deep_set"
    """Sum a small MLP of (entry, eigenvalue) over the frequencies, or one `linear` layer of the entries."""
    sign_flip: Annotated[SignFlip, Factor(off="none")] = "batch"
    """While training, flip each eigenvector's sign at random: the same for the whole `batch`, or graph by graph."""
    steps: Annotated[int, Field(ge=1, le=256)] = 20
    """Lengths of walks, from 1 up."""
    walk_norm: Annotated[Literal["batch", "none"], Factor(off="none")] = "batch"
    """Batch norm of the chances before their linear layer."""
    join: Annotated[Join, factor()] = "concat"
    """Give encodings channels of their own, or `add` them to the embedding."""
    width: Annotated[int, Field(ge=1, le=1024)] = 16
    """Channels of each encoding under `concat`; the embedding has the rest."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The single encodings."""
        return {"both": ("laplacian", "walks"), "none": ()}.get(self.source, (self.source,))

    @property
    def own_channels(self) -> int:
        """Channels that the embedding gives up to encodings."""
        return len(self.sources) * self.width if self.join == "concat" else 0


class Readout(Spec):
    """From the last state of a node to its logits."""

    hidden: Annotated[Hidden, Factor(off="none")] = "level"
    """Hidden layers as wide as the state, each half as wide as the one before, or none at all."""
    layers: Annotated[int, Field(ge=1, le=8)] = 2
    """Number of hidden layers."""
    logits: Annotated[Logits, factor()] = "one"
    """Where there are two classes: `one` number, by which the second leads, or one for `each`."""
