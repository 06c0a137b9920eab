"""Graphs with one colouring in three colours: which nodes have the same one?"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.datasets.dataset import Count, DatasetSpec, rises

Base = Annotated[int, Field(ge=2, le=64)]
Size = Annotated[int, Field(ge=3, le=1000)]


class OfPyramids(DatasetSpec):
    """What the datasets of pyramids share: one to train on, and larger ones to be scored on."""

    top: Annotated[int, Field(ge=1, le=64)] = 1
    """Nodes of the first row; more than one cuts the tip off."""

    @model_validator(mode="after")
    def _top_is_above_the_base(self) -> Self:
        for name in ("base", "valid_base", "test_base"):
            if getattr(self, name) < self.top:
                raise ValueError(f"{name} {getattr(self, name)} is less than top {self.top}")
        return self


class Pyramid(OfPyramids):
    """Pyramids of the triangular lattice: which ordered pairs of nodes are of one colour?"""

    kind: Literal["pyramid"] = "pyramid"
    code: ClassVar[str] = "lab.data.colouring:pyramid"
    known: ClassVar[str] = "lab.data.baselines:pair_lines"
    task: ClassVar[str] = "classify_pairs"
    base: Base = 10
    """Nodes of the last row of the pyramid to train on."""
    valid_base: Base = 11
    """The same of the validation pyramid."""
    test_base: Base = 12
    """The same of the test pyramid."""


class PyramidNodes(OfPyramids):
    """Pyramids of the triangular lattice: what is each node's colour, when one node of each colour is revealed?"""

    kind: Literal["pyramid_nodes"] = "pyramid_nodes"
    code: ClassVar[str] = "lab.data.colouring:pyramid_nodes"
    known: ClassVar[str] = "lab.data.baselines:token_lines"
    base: Base = 5
    """Nodes of the last row of the pyramid to train on."""
    valid_base: Base = 6
    """The same of the validation pyramid."""
    test_base: Base = 7
    """The same of the test pyramid."""
    examples: Count | Literal["all"] = "all"
    """Graphs of each split: `all` choices of names for the colours and of nodes to reveal, or so many of them."""


class Colouring(DatasetSpec):
    """Random graphs grown triangle by triangle, so that they have one colouring; a node of each colour is revealed."""

    kind: Literal["colouring"] = "colouring"
    code: ClassVar[str] = "lab.data.colouring:grown"
    known: ClassVar[str] = "lab.data.baselines:token_lines"
    train: Count = 1_000
    """Training graphs."""
    valid: Count = 200
    """Validation graphs."""
    test: Count = 200
    """Test graphs."""
    sizes: tuple[Size, Size] = (10, 30)
    """Smallest and largest graph of training; sizes are uniform between them."""
    test_sizes: tuple[Size, Size] = (31, 40)
    """The same of the validation and test graphs."""

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        rises("sizes", self.sizes)
        rises("test_sizes", self.test_sizes)
        return self
