"""Ringed probes: those whose readings wait as rows of numbers in a ring on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from torch import Tensor

from lab.probes.probe import RING, Probe
from lab.probes.ring import Ring
from lab.records.chunk import Chunk
from lab.spec.rules import Finding


class RingProbe(Probe, ABC):
    """Keeps a row a reading, and makes chunks of the rows once they are on the host."""

    def __init__(self) -> None:
        self.ring = Ring(RING)

    def waiting(self) -> Tensor | None:
        """All rows since the last flush."""
        return self.ring.waiting()

    def told(self, host: np.ndarray) -> list[Chunk]:
        """The chunks of what was waiting; none of nothing."""
        return self.chunks(*self.ring.take(host)) if self.ring.steps else []

    @abstractmethod
    def chunks(self, steps: np.ndarray, rows: np.ndarray) -> list[Chunk]:
        """What rows [readings, width] say, statistic by statistic."""


def not_measured(probe: str, scope: str, why: str) -> Finding:
    """A remark that a reader of the readings should find, told once."""
    return Finding("not_measured", scope, 0, "info", says=f"the probe '{probe}' could not read: {why}")
