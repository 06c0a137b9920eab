"""The flight recorder's options: how often a run takes a snapshot of itself, and how many bundles a trial may leave."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from lab.spec.spec import Spec

LATEST = 128
"""Steps that an alert may come after the step it is about: a snapshot from before that step must be there still."""


class FlightRecorder(Spec):
    """Keeps the last steps of a run, so that a step that went wrong can be replayed exactly."""

    every: Annotated[int, Field(ge=LATEST)] = 200
    """Steps between two snapshots, of which the last two are kept: an alert may come 128 steps late."""
    keep: Annotated[int, Field(ge=0)] = 3
    """Bundles a trial may leave, one an alert; 0 switches the recorder off."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """The word `off`, for keeping nothing."""
        return {"keep": 0} if said == "off" else said

    @property
    def is_on(self) -> bool:
        """Whether anything is recorded."""
        return self.keep > 0
