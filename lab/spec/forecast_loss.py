"""What the losses of forecasts leave open."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.spec.spec import Spec, factor


class ForecastLoss(Spec):
    """How the errors of forecasts are weighed in training; scores do not heed it."""

    missing: Annotated[Literal["left_out", "learned"], factor()] = "left_out"
    """Missing targets teach nothing, or are learned as if what marks them had been measured."""
    units: Annotated[Literal["scaled", "original"], factor()] = "scaled"
    """Errors of scaled values, or in the units of the data: it weighs nodes that are scaled by numbers of their own."""
    huber: Annotated[float, Field(gt=0)] = 1.0
    """Error at which `huber` turns from squared to absolute."""
    beta: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Weigh `nll` by this power of the forecast variance: 0 is plain, 0.5 gives back half of what doubt takes away."""
    mixtures: Annotated[Literal["apart", "together"], factor()] = "apart"
    """Each node has weights of its own, or the components of a mixture speak of all nodes together."""
