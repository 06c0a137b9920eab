"""The menu of probes: what is measured while a model trains. Measuring changes nothing."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lab.spec.spec import Family

Moment = Literal["after_backward", "after_step", "after_epoch"]
Cost = Literal["cheap", "moderate", "costly"]


class ProbeSpec(Family):
    """A measurement. A plug-in overrides `read(model)`, which yields (scope, 0-d tensor) at its moment."""

    noun: ClassVar[str] = "probe"
    moment: ClassVar[Moment] = "after_backward"
    cost: ClassVar[Cost] = "cheap"

    every: Annotated[int, Field(ge=1)] = 1
    """Steps (or epochs, for a probe that reads after an epoch) between two readings."""

    def read(self, model: Any) -> Any:
        """Yield (scope, 0-d tensor) pairs; the loop copies them to the host, never this method."""
        raise NotImplementedError(f"{type(self).__name__} neither overrides read nor names its code")


class Gradients(ProbeSpec):
    """Gradient, weight and update norms of every parameter, with their ratios, zeros and non-finite values."""

    kind: Literal["gradients"] = "gradients"
    code: ClassVar[str] = "lab.probes.gradients:GradientProbe"
    moment: ClassVar[Moment] = "after_step"
    zeros_every: Annotated[int, Field(ge=1)] = 10
    """Readings between two counts of exact zeros, the one costly part."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""
