"""The learning rate over time: the schedules there are, and the options of those that have any."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.spec.spec import Factor, Spec

Schedule = Literal["constant", "plateau", "cosine", "onecycle", "warm_restarts_per_step", "warm_restarts_per_epoch"]


class OneCycle(Spec):
    """One rise to the highest rate and one fall far below where it began, both half a cosine."""

    rise: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """Share of all steps that the rise takes."""
    start_divisor: Annotated[float, Field(ge=1)] = 25.0
    """The first rate is the highest divided by this."""
    end_divisor: Annotated[float, Field(ge=1)] = 1e4
    """The last rate is the first one, not the highest, divided by this."""
    cycle_momentum: Annotated[bool, Factor(off=False)] = True
    """Let momentum, or the first beta of Adam, fall from 0.95 to 0.85 while the rate rises, and rise again."""


class Restarts(Spec):
    """Cosines that fall from the highest rate and start over, each longer than the one before."""

    first: Annotated[int, Field(ge=1)] = 5
    """Length of the first cosine, in steps or in epochs."""
    growth: Annotated[int, Field(ge=1)] = 2
    """How many times as long as the last one each cosine is."""
    lowest: Annotated[float, Field(ge=0)] = 0.0
    """Learning rate that they fall to."""
