"""Learning curves: a score by epoch and cell, as the mean over seeds with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lab.analysis.estimate import ALPHA
from lab.analysis.rows import Row
from lab.analysis.table import Floats
from lab.records.store import Store

MOST_SEEDS = 24
"""Seeds of a cell that are read: a curve is looked at, not tested."""
MOST_POINTS = 120
"""Epochs of a long run that are drawn, evenly spread, the last among them."""


@dataclass(frozen=True)
class Band:
    """Means over seeds at some places, with their 95 % t intervals."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    """NaN where there is one seed."""
    high: tuple[float, ...]
    seeds: tuple[int, ...]

    @classmethod
    def over_seeds(cls, scores: Floats) -> Self:
        """Of [seeds, places]; what is not finite is left out."""
        from scipy.special import stdtrit

        seen = np.where(np.isfinite(scores), scores, np.nan)
        n = np.isfinite(seen).sum(axis=0)
        mean, reach = np.full((2, len(n)), np.nan)
        some, many = n > 0, n > 1
        mean[some] = np.nanmean(seen[:, some], axis=0)
        spread = np.nanstd(seen[:, many], axis=0, ddof=1)
        reach[many] = stdtrit(n[many] - 1, 1 - ALPHA / 2) * spread / np.sqrt(n[many])
        low, high = mean - reach, mean + reach
        return cls(tuple(mean.tolist()), tuple(low.tolist()), tuple(high.tolist()), tuple(n.tolist()))


@dataclass(frozen=True)
class Curve:
    """What one cell's score did while it trained."""

    cell: str
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    """Lower end of the 95 % t interval over the seeds that reached the epoch; NaN where there is one seed."""
    high: tuple[float, ...]
    seeds: tuple[int, ...]
    """How many seeds each epoch's mean is of: runs that stopped early are missing from the later ones."""


def curve(store: Store, rows: Sequence[Row], cell: str, score: str) -> Curve | None:
    """The curve of a cell's finished trials; None when none of them has the score."""
    done = [row for row in rows if row.cell == cell and row.role == "compare" and row.status == "done"]
    histories = [_history(store, row, score) for row in done[:MOST_SEEDS]]
    told = [values for values in histories if len(values)]
    if not told:
        return None
    length = max(map(len, told))
    scores = np.full((len(told), length), np.nan)
    for place, values in enumerate(told):
        scores[place, : len(values)] = values
    return _over_seeds(cell, scores, _drawn(length))


def _history(store: Store, row: Row, score: str) -> tuple[float, ...]:
    record = store.read(row.trial, study=row.study)
    return record.history.get(score, ()) if record is not None else ()


def _drawn(length: int) -> list[int]:
    """Indices of the epochs that are drawn."""
    stride = math.ceil(length / MOST_POINTS)
    return sorted({*range(0, length, stride), length - 1})


def _over_seeds(cell: str, scores: Floats, drawn: Sequence[int]) -> Curve:
    told = Band.over_seeds(scores[:, drawn])
    return Curve(cell, tuple(index + 1 for index in drawn), told.mean, told.low, told.high, told.seeds)
