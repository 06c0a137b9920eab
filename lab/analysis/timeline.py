"""Readings laid out in time: columns of a map, lines thinned to what an eye can take in, profiles at a few moments."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from lab.analysis.probed import Grid
from lab.analysis.table import Floats, Numbers

MOST_COLUMNS = 240
"""Columns of a map."""
MOST_POINTS = 500
"""Points of a line."""
MOMENTS = (0.0, 0.1, 0.3, 0.6, 1.0)
"""Where profiles are taken, as shares of a run."""
AROUND = 0.025
"""How much of a run on either side goes into a profile, as a share; at least ten steps."""


@dataclass(frozen=True)
class Map:
    """Names by columns of time."""

    names: tuple[str, ...]
    edges: Numbers
    """One more than columns: where each begins, and where the last one ends."""
    values: Floats
    """[names, columns]"""

    @property
    def middles(self) -> Floats:
        """Where each column's middle is."""
        middles: Floats = (self.edges[:-1] + self.edges[1:]) / 2
        return middles


def edges_of(steps: int) -> Numbers:
    """Columns of about equal length over so many steps."""
    return np.unique(np.linspace(0, max(1, steps), min(MOST_COLUMNS, max(1, steps)) + 1).astype(np.intp))


def map_of(grid: Grid, edges: Numbers, *, worst: bool = False) -> Map:
    """The middle (or largest) reading of each column; one without any shows the last before it, whose window it is."""
    last = np.searchsorted(grid.steps, edges[:-1], side="right") - 1
    values = np.where(last >= 0, grid.values[:, np.maximum(last, 0)], np.nan)
    column = np.searchsorted(edges, grid.steps, side="right") - 1
    for place in np.unique(column[(column >= 0) & (column < len(edges) - 1)]):
        values[:, place] = _over(grid.values[:, column == place], worst=worst)
    return Map(grid.names, edges, values)


def thinned(grid: Grid, most: int = MOST_POINTS) -> Grid:
    """A grid of no more than so many steps: middles, with the extremes of what they stand for."""
    if len(grid.steps) <= most:
        return grid
    starts = np.unique(np.linspace(0, len(grid.steps), most + 1).astype(int))[:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low = np.fmin.reduceat(grid.low, starts, axis=1)
        high = np.fmax.reduceat(grid.high, starts, axis=1)
    parts = np.split(grid.values, starts[1:], axis=1)
    values = np.stack([_over(part, worst=False) for part in parts], axis=1)
    return Grid(grid.names, grid.steps[starts], values, low, high)


def profiles(grid: Grid, steps: int) -> list[tuple[int, Floats]]:
    """Each name's middle around a few moments of a run, as (step, values); far from any reading the last one counts."""
    reach, told = max(10, round(AROUND * steps)), {}
    for share in MOMENTS:
        moment = round(share * max(0, steps - 1))
        near = np.flatnonzero(np.abs(grid.steps - moment) <= reach)
        if not near.size:
            near = np.flatnonzero(grid.steps <= moment)[-1:]
        if near.size:
            told[int(grid.steps[near].mean())] = _over(grid.values[:, near], worst=False)
    return list(told.items())


def between(one: Grid, other: Grid) -> Map | None:
    """log10 of the other's readings over the one's, where names and times agree; None where none do."""
    names = tuple(name for name in one.names if name in other.names)
    if not names or not len(one.steps) or not len(other.steps):
        return None
    edges = edges_of(int(min(one.steps[-1], other.steps[-1])) + 1)
    maps = [map_of(each.rows([each.names.index(name) for name in names]), edges) for each in (one, other)]
    with np.errstate(all="ignore"):
        values = np.log10(maps[1].values / maps[0].values)
    values[~np.isfinite(values)] = np.nan
    return Map(names, edges, values)


def _over(values: Floats, *, worst: bool) -> Floats:
    """The median (or the largest) of each row's finite readings; NaN where there is none."""
    kept = np.where(np.isfinite(values), values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        told: Floats = np.nanmax(kept, axis=1) if worst else np.nanmedian(kept, axis=1)
    return told
