"""The simplest model of a pair of nodes: what can be told from its walk vector alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from lab.spec.models.model import ModelSpec
from lab.spec.spec import Factor, factor


class PairMlp(ModelSpec):
    """An MLP from a pair's walk vector to its logit, the same for every pair; no pair learns of another."""

    kind: Literal["pair_mlp"] = "pair_mlp"
    code: ClassVar[str] = "lab.zoo.pair_mlp:PairMlp"
    tasks: ClassVar[tuple[str, ...]] = ("classify_pairs",)
    layers: Annotated[int, Field(ge=0, le=64)] = 2
    """Hidden layers; 0 is logistic regression."""
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """Units of a hidden layer."""
    powers: tuple[Annotated[int, Field(ge=0, le=64)], ...] = (0, 1, 2, 3, 4)
    """Powers of the random-walk matrix that make up a pair's walk vector."""
    stack: Annotated[Literal["walk", "one_hot"], factor()] = "walk"
    """Walk probabilities as they are, or a `one_hot` of the first power that reaches."""
    standardise: Annotated[bool, Factor(off=False)] = True
    """Bring every power to mean 0 and variance 1 over the pairs first: far ones are tiny as they are."""
    norm: Annotated[Literal["none", "batch"], Factor(off="none")] = "batch"
    """Batch norm over the pairs, before each ReLU."""

    @model_validator(mode="after")
    def _powers_rise(self) -> Self:
        if not self.powers or list(self.powers) != sorted(set(self.powers)):
            raise ValueError(f"powers {list(self.powers)} must rise without repeats, and there must be one")
        return self
