"""What one training step of a trial holds in memory, as its record tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

MOST_POINTS = 120
"""Moments of a step that a record keeps."""


@dataclass(frozen=True)
class Moment:
    """A module that was through, on the way forward or back, and the most bytes alive since the one before."""

    module: str
    way: str
    alive: int


@dataclass(frozen=True)
class StepMemory:
    """One step, forward and back; nothing where it was not measured."""

    graphs: int = 0
    """In the batch it was taken with."""
    saved: tuple[tuple[str, int], ...] = ()
    """The modules that keep most for the way back, in bytes, largest first."""
    saved_bytes: int = 0
    """What all modules keep together."""
    timeline: tuple[Moment, ...] = ()

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Self:
        """From what a record's JSON says."""
        return cls(
            graphs=int(said.get("graphs", 0)),
            saved=tuple((str(module), int(size)) for module, size in said.get("saved", ())),
            saved_bytes=int(said.get("saved_bytes", 0)),
            timeline=tuple(Moment(**moment) for moment in said.get("timeline", ())),
        )


def thinned(points: Sequence[tuple[str, str, int]]) -> tuple[Moment, ...]:
    """As many moments as a record keeps: of each stretch the one when most was alive."""
    size = -(-len(points) // MOST_POINTS) or 1
    stretches = (points[start : start + size] for start in range(0, len(points), size))
    return tuple(Moment(*max(stretch, key=lambda point: point[2])) for stretch in stretches)
