"""Stochastic block models: PATTERN and CLUSTER, drawn here or as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.datasets.dataset import Count, DatasetSpec, Probability
from lab.spec.spec import factor

Source = Literal["generated", "pyg"]
Tokens = Annotated[int, Field(ge=0, le=1000)]
Scored = Literal["held_out", "training"]

NOT_OF_THE_GRAPHS = frozenset({"draw", "source", "train", "valid", "test"})
"""Options that change which graphs are drawn, but not what kind of graphs they are."""


class BlockModel(DatasetSpec):
    """What the stochastic block model datasets share."""

    known: ClassVar[str] = "lab.data.baselines:block_model_lines"

    sizes: tuple[Count, Count] = (5, 34)
    """Smallest and largest community; sizes are uniform between them."""
    source: Annotated[Source, factor()] = "generated"
    """Graphs `generated` here with the published parameters, or the published files through PyTorch Geometric."""
    scored: Annotated[Scored, factor()] = "held_out"
    """Graphs that are scored: `held_out` ones, or the `training` graphs themselves as validation and test split, to
    see what can be memorised (`valid` and `test` then count for nothing)."""

    REACHED: ClassVar[Mapping[str, float]] = {}
    """What others have reached on graphs of this kind, as published."""

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        if self.sizes[0] > self.sizes[1]:
            raise ValueError(f"sizes {list(self.sizes)}: the smallest community is larger than the largest")
        return self

    def published(self) -> Mapping[str, float]:
        """What others have reached, where these are the published kind of graphs and none that were trained on."""
        changed = set(self.content()) - NOT_OF_THE_GRAPHS - {"kind"}
        return {} if changed else self.REACHED


class Pattern(BlockModel):
    """PATTERN: find the nodes of a planted pattern inside a block model; degree tells most of it."""

    kind: Literal["pattern"] = "pattern"
    code: ClassVar[str] = "lab.data.sbm:pattern"
    REACHED: ClassVar[Mapping[str, float]] = {
        "GIN, published": 0.8559,
        "GRIT, published": 0.87196,
        "best known (CKGCN)": 0.8866,
    }
    train: Count = 10_000
    """Training graphs."""
    valid: Count = 2_000
    """Validation graphs."""
    test: Count = 2_000
    """Test graphs."""
    patterns: Count = 100
    """Planted patterns; every split shares them, in equal parts."""
    communities: Annotated[int, Field(ge=1, le=100)] = 5
    """Communities of the graph around the pattern."""
    p: Probability = 0.5
    """Chance of an edge inside a community."""
    q: Probability = 0.35
    """Chance of an edge between communities."""
    pattern_size: Annotated[int, Field(ge=1, le=1000)] | Literal["as_communities"] = "as_communities"
    """Nodes of a pattern: drawn `as_communities` are, or one number (the paper says 20)."""
    pattern_tokens: tuple[Tokens, Tokens, Tokens] | Literal["drawn"] = "drawn"
    """How many nodes of a pattern carry each token: as `drawn`, or so many, which leak the more the less alike."""

    @model_validator(mode="after")
    def _tokens_are_of_the_pattern(self) -> Self:
        if self.pattern_tokens != "drawn" and sum(self.pattern_tokens) != self.pattern_size:
            told = f"pattern_tokens {list(self.pattern_tokens)} are of {sum(self.pattern_tokens)} nodes"
            raise ValueError(f"{told}, but pattern_size is {self.pattern_size}")
        return self


class Cluster(BlockModel):
    """CLUSTER: name every node's community when one node of each is revealed."""

    kind: Literal["cluster"] = "cluster"
    code: ClassVar[str] = "lab.data.sbm:cluster"
    REACHED: ClassVar[Mapping[str, float]] = {"best known (GRIT)": 0.80026}
    train: Count = 10_000
    """Training graphs."""
    valid: Count = 1_000
    """Validation graphs."""
    test: Count = 1_000
    """Test graphs."""
    communities: Annotated[int, Field(ge=2, le=100)] = 6
    """Communities, hence classes."""
    p: Probability = 0.55
    """Chance of an edge inside a community."""
    q: Probability = 0.25
    """Chance of an edge between communities."""
