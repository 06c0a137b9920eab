"""Memory of rules: streaks, windows and traces over readings that come in pieces, the same however they are cut."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

EVIDENCE = 50
"""Readings that a finding shows."""


class Streak:
    """How many readings in a row something has held, by name."""

    def __init__(self, readings: int) -> None:
        self.readings = readings
        self.counts: dict[str, int] = {}

    def held(self, names: Sequence[str], holds: np.ndarray, seen: np.ndarray | None = None) -> np.ndarray:
        """Where it has held long enough, [readings, names]; what was not `seen` neither counts nor breaks."""
        count = np.array([self.counts.get(name, 0) for name in names])
        long = np.zeros(holds.shape, dtype=bool)
        for at, row in enumerate(holds):
            new = np.where(row, count + 1, 0)
            count = new if seen is None else np.where(seen[at], new, count)
            long[at] = row & (count >= self.readings)
        self.counts |= dict(zip(names, count.tolist(), strict=True))
        return long


class Spacing:
    """Passes over readings that follow too closely: four in a row say little while every step is read."""

    def __init__(self, apart: int) -> None:
        self.apart = apart
        self.last: dict[str, int] = {}

    def kept(self, names: Sequence[str], steps: np.ndarray) -> list[int]:
        """The places of the readings that count."""
        key, places = "|".join(names), []
        for place, step in enumerate(steps.tolist()):
            if step - self.last.get(key, step - self.apart) >= self.apart:
                self.last[key] = step
                places.append(place)
        return places


class Window:
    """The last readings of one series, so that each new one can be judged with those before it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.values: list[float] = []

    def push(self, values: np.ndarray) -> np.ndarray:
        """A window [length] for each new reading, [new, length]; those not full yet are NaN at the front."""
        if not len(values):
            return np.empty((0, self.length))
        empty = np.full(self.length - 1 - len(self.values), np.nan)
        joined = np.concatenate([empty, self.values, values.astype(np.float64)])
        kept = joined[len(joined) - self.length + 1 :] if self.length > 1 else joined[:0]
        self.values = kept[~np.isnan(kept)].tolist()
        windows: np.ndarray = sliding_window_view(joined, self.length)
        return windows
