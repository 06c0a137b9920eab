"""Chunk: readings on the host, where torch is no longer needed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

GUARD = 1e-12
"""Added to a weight norm before dividing by it."""
TOTAL = "__total__"
"""The name that readings of all parameters together go by."""
TOTALS = ("loss", "total_norm", "clip_coef", "lr")
"""What the loop hands a probe after a step; `total_norm` is the gradient's before clipping."""


@dataclass(frozen=True)
class Chunk:
    """Readings on the host."""

    probe: str
    steps: np.ndarray
    """[readings] int32."""
    names: tuple[str, ...]
    statistics: tuple[str, ...]
    values: np.ndarray
    """[readings, statistics, names] float32; NaN where a statistic was not taken."""

    def of(self, statistic: str) -> np.ndarray:
        """One statistic, [readings, names]."""
        taken: np.ndarray = self.values[:, self.statistics.index(statistic)]
        return taken

    def until(self, step: float) -> Chunk:
        """The readings up to a step."""
        early = self.steps <= step
        return self if early.all() else replace(self, steps=self.steps[early], values=self.values[early])
