"""The health of gradients: how far each block of a model moves at a step, over the time of training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.analysis.rows import Row
from lab.analysis.table import Floats
from lab.records.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

MOST_SEEDS = 3
"""Seeds of a cell whose readings are read; the map shows their middle."""
MOST_TIMES = 40
"""Columns of a map."""
MEASURES = (("update_norm", "update / weight"), ("grad_norm", "gradient / weight"))
"""What is read, the better first, and how it is told."""


@dataclass(frozen=True)
class Heat:
    """One cell's map: blocks by time."""

    cell: str
    measure: str
    """What was divided by what."""
    blocks: tuple[str, ...]
    """In the order of the model, the first one that the data meets first."""
    steps: tuple[int, ...]
    """The step that each column starts at."""
    values: Floats
    """[blocks, steps] log10 of the ratio; NaN where nothing was read or nothing moved."""


def heat(store: Store, rows: Sequence[Row], cell: str) -> Heat | None:
    """The map of a cell, over its first seeds that have readings; None when there are none."""
    trials = [row for row in rows if row.cell == cell and row.role == "compare" and row.study]
    maps = []
    for row in trials[:MOST_SEEDS]:
        table = store.readings(row.trial, study=row.study)
        told = _ratios(table) if table is not None else None
        if told is not None:
            maps.append(told)
    return _joined(cell, maps) if maps else None


@dataclass(frozen=True)
class _Ratios:
    measure: str
    blocks: tuple[str, ...]
    steps: np.ndarray
    values: Floats
    """[blocks, steps]"""


def block_of(name: str) -> str:
    """The block a parameter belongs to: a numbered layer, or the first word of its name."""
    numbered = re.match(r"(.*?\.\d+)(?:\.|$)", name)
    return numbered[1] if numbered else name.split(".")[0]


def _ratios(table: pa.Table) -> _Ratios | None:
    """The norm of each block's steps over the norm of its weights, at every step that was read."""
    columns = set(table.column_names)
    measure = next((each for each in MEASURES if each[0] in columns), None)
    if measure is None or "weight_norm" not in columns:
        return None
    above, below = (table.column(key).to_numpy().astype(float) for key in (measure[0], "weight_norm"))
    told = np.isfinite(above) & np.isfinite(below)
    if not told.any():
        return None
    encoded = table.column("name").dictionary_encode().combine_chunks()
    names, which = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()[told]
    seen, first = np.unique(which, return_index=True)
    blocks = tuple(dict.fromkeys(block_of(names[code]) for code in seen[np.argsort(first)]))
    of_name = np.array([blocks.index(block_of(name)) if block_of(name) in blocks else -1 for name in names])
    place = of_name[which]
    steps, when = np.unique(table.column("step").to_numpy()[told], return_inverse=True)
    return _Ratios(measure[1], blocks, steps, _divided(above[told], below[told], place * len(steps) + when, blocks))


def _divided(above: Floats, below: Floats, spot: np.ndarray, blocks: Sequence[str]) -> Floats:
    """The ratio of the norms that share a spot."""
    size = -(-(int(spot.max()) + 1) // len(blocks)) * len(blocks)
    squares = [np.bincount(spot, weights=np.square(values), minlength=size) for values in (above, below)]
    with np.errstate(all="ignore"):
        return np.sqrt(squares[0] / squares[1]).reshape(len(blocks), -1)


def _joined(cell: str, maps: Sequence[_Ratios]) -> Heat:
    """The middle of several seeds' maps on one grid of times."""
    first = maps[0]
    alike = [each for each in maps if each.blocks == first.blocks and each.measure == first.measure]
    last = max(int(each.steps[-1]) for each in alike)
    count = min(MOST_TIMES, last + 1)
    edges = np.unique(np.linspace(0, last + 1, count + 1).astype(int))
    grid = np.stack([_binned(each, edges) for each in alike])
    with np.errstate(all="ignore"):
        values = np.log10(_middle(grid))
    values[~np.isfinite(values)] = np.nan
    return Heat(cell, first.measure, first.blocks, tuple(int(edge) for edge in edges[:-1]), values)


def _binned(told: _Ratios, edges: np.ndarray) -> Floats:
    """The middle of each column's readings; one without any shows the last one before it, whose window covers it."""
    column = np.clip(np.searchsorted(edges, told.steps, side="right") - 1, 0, len(edges) - 2)
    last = np.searchsorted(told.steps, edges[:-1], side="right") - 1
    binned = np.where(last >= 0, told.values[:, np.maximum(last, 0)], np.nan)
    for place in np.unique(column):
        binned[:, place] = _middle(told.values[:, column == place].T)
    return binned


def _middle(values: Floats) -> Floats:
    """The median over the first axis of what is finite; NaN where nothing is."""
    kept = np.where(np.isfinite(values), values, np.nan)
    some = np.isfinite(kept).any(axis=0)
    middle = np.full(kept.shape[1:], np.nan)
    middle[some] = np.nanmedian(kept[:, some], axis=0)
    return middle
