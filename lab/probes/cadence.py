"""Cadence: which steps a probe reads, so that what it takes stays within its share of a step."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch

FIRST = 20
"""Steps at the start that are all read, and from which the cost of a reading is told."""
WARM = 3
"""Steps that are not counted: the first ones fill caches."""
LONGEST = 1000
"""The longest interval that a cost can lead to."""

Mark = float | torch.cuda.Event


def is_first(step: int) -> bool:
    """Whether a step is one of those that every probe of the forward pass reads."""
    return step < FIRST


class Cadence:
    """Every step at first, then every so many; more of them where a reading would take more than its share.

    Times are those of the device, so they are known only when everything waits anyway, at a flush.
    """

    def __init__(self, every: int, max_overhead: float, device: torch.device) -> None:
        self.every = self.interval = every
        self.max_overhead = max_overhead
        self.device = device
        self.took: list[float] = []
        """Milliseconds of each of the first steps, readings included."""
        self.spent: list[float] = []
        """Milliseconds of the readings in them."""
        self._steps: list[tuple[Mark, Mark]] = []
        self._spans: list[list[tuple[Mark, Mark]]] = []
        self._begun: Mark | None = None

    def is_due(self, step: int) -> bool:
        """Whether this step is read."""
        return is_first(step) or step % self.interval == 0

    def begin(self, step: int) -> None:
        """A step begins; if it is one of the first, its time is taken."""
        if is_first(step) and len(self.took) + len(self._steps) < FIRST:
            self._begun = self.mark()
            self._spans.append([])

    def end(self) -> None:
        """The step is over."""
        if self._begun is not None:
            self._steps.append((self._begun, self.mark()))
            self._begun = None

    def mark(self) -> Mark:
        """This moment, on the device's clock."""
        if self.device.type != "cuda":
            return time.thread_time() * 1000  # Of this thread alone: what else a machine does is not our cost.
        event: torch.cuda.Event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def spend(self, started: Mark) -> None:
        """A part of a reading, begun at this mark, is over."""
        if self._begun is not None:
            self._spans[-1].append((started, self.mark()))

    def settle(self) -> None:
        """Draw the consequences of what the first steps took; the device has caught up."""
        if self._steps and isinstance(last := self._steps[-1][1], torch.cuda.Event):
            last.synchronize()
        self.took += [_between(*step) for step in self._steps]
        self.spent += [sum(_between(*span) for span in spans) for spans in self._spans[: len(self._steps)]]
        self._steps, self._spans, self._begun = [], [], None
        if len(self.took) > WARM:
            reading = median(self.spent[WARM:])
            rest = median(took - spent for took, spent in zip(self.took[WARM:], self.spent[WARM:], strict=True))
            share = reading / max(rest, 1e-9)
            turns = math.ceil(share / self.max_overhead / self.every)
            self.interval = min(max(turns, 1) * self.every, max(LONGEST, self.every))

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {"interval": self.interval, "took": self.took, "spent": self.spent}

    def load(self, said: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.interval, self.took, self.spent = said["interval"], list(said["took"]), list(said["spent"])


def _between(start: Mark, end: Mark) -> float:
    if isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
        return float(start.elapsed_time(end))
    assert isinstance(start, float)
    assert isinstance(end, float)
    return end - start
