"""The menu of datasets; each is also a task, since data without a question cannot be scored."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.spec import Family, factor

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Source = Literal["generated", "pyg"]
Draw = Literal["fixed", "per_seed"]


class DatasetSpec(Family):
    """A dataset and the task it sets. `build(seed)` gives the Dataset."""

    noun: ClassVar[str] = "dataset"
    task: ClassVar[str] = "classify_nodes"

    draw: Annotated[Draw, factor()] = "fixed"
    """One draw of the data for all seeds, or a fresh one `per_seed`."""


class BlockModel(DatasetSpec):
    """What the stochastic block model datasets share."""

    sizes: tuple[Count, Count] = (5, 34)
    """Smallest and largest community; sizes are uniform between them."""
    source: Annotated[Source, factor()] = "generated"
    """Graphs `generated` here with the published parameters, or the published files through PyTorch Geometric."""

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        if self.sizes[0] > self.sizes[1]:
            raise ValueError(f"sizes {list(self.sizes)}: the smallest community is larger than the largest")
        return self


class Pattern(BlockModel):
    """PATTERN: find the nodes of a planted pattern inside a block model; degree tells most of it."""

    kind: Literal["pattern"] = "pattern"
    code: ClassVar[str] = "lab.data.sbm:pattern"
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


class Cluster(BlockModel):
    """CLUSTER: name every node's community when one node of each is revealed."""

    kind: Literal["cluster"] = "cluster"
    code: ClassVar[str] = "lab.data.sbm:cluster"
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
