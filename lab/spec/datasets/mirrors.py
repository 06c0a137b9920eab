"""Lines read from both ends: palindromes, and what it takes to see one."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.datasets.dataset import Count, DatasetSpec, rises

Length = Annotated[int, Field(ge=2, le=256)]
Lengths = tuple[Length, Length]


class OfLines(DatasetSpec):
    """What the datasets of lines share: lengths to train on, and longer ones to be scored on."""

    sizes: Lengths = (3, 12)
    """Shortest and longest line to train on."""
    valid_sizes: Lengths = (13, 14)
    """The same of the validation lines."""
    test_sizes: Lengths = (15, 16)
    """The same of the test lines."""

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        for name in ("sizes", "valid_sizes", "test_sizes"):
            rises(name, getattr(self, name))
        return self

    def lengths(self) -> dict[str, Lengths]:
        """Shortest and longest line of each split."""
        return {"train": self.sizes, "valid": self.valid_sizes, "test": self.test_sizes}


class Lines(OfLines):
    """Lines of nodes, one of each length: which ordered pairs are mirror images, or a node with itself?"""

    kind: Literal["lines"] = "lines"
    code: ClassVar[str] = "lab.data.mirrors:lines"
    known: ClassVar[str] = "lab.data.baselines:pair_lines"
    task: ClassVar[str] = "classify_pairs"


class Palindromes(OfLines):
    """Palindromes on lines of nodes: of each letter and its mirror image one is hidden, and must be told."""

    kind: Literal["palindromes"] = "palindromes"
    code: ClassVar[str] = "lab.data.mirrors:palindromes"
    known: ClassVar[str] = "lab.data.baselines:token_lines"
    train: Count = 1_000
    """Training graphs."""
    valid: Count = 200
    """Validation graphs."""
    test: Count = 200
    """Test graphs."""
    letters: Annotated[int, Field(ge=2, le=100)] = 2
    """Letters there are, hence classes."""
