"""The curves of a finished trial's gradients once more, from its stored readings and without torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.probes.summary import MAX_POINTS, Point, Summary
from lab.records.chunk import TOTAL, TOTALS, Chunk
from lab.records.judge import cancelled

MATRICES = b"matrices"
"""The key of a table's metadata that names the parameters with two or more axes."""
NEEDED = ("grad_norm", "weight_norm", "update_norm", "grad_weight", "update_weight", "nonfinite")
"""Statistics that the curves are made of."""


@dataclass(frozen=True)
class _Parameters:
    names: tuple[str, ...]
    is_matrix: tuple[bool, ...]


def with_matrices(readings: pa.Table, names: Iterable[str]) -> pa.Table:
    """The same readings, telling which parameters are matrices: bands of ratios are over those."""
    said = {**(readings.schema.metadata or {}), MATRICES: json.dumps(sorted(names)).encode()}
    return readings.replace_schema_metadata(said)


def retold(readings: pa.Table) -> list[Point]:
    """The points that a server was, or would have been, shown of these readings while the trial ran."""
    if not {"step", "name", *NEEDED, *TOTALS} <= set(readings.column_names):
        return []
    of_all = pc.equal(readings["name"], TOTAL)
    totals = _chunk(readings.filter(of_all), TOTALS)
    own = readings.filter(pc.and_(pc.invert(of_all), pc.equal(readings["probe"], "gradients")))
    parameters = _chunk(own, NEEDED)
    if parameters is None or totals is None or not np.array_equal(parameters.steps, totals.steps):
        return []
    matrices = frozenset(json.loads((readings.schema.metadata or {}).get(MATRICES, b"[]")))
    named = _Parameters(parameters.names, tuple(name in matrices for name in parameters.names))
    summary = Summary(named, exempt=cancelled(readings), planned_steps=0)
    summary.interval = 1
    return _thinned(summary.points([parameters, totals]), len(totals.steps))


def _chunk(rows: pa.Table, statistics: tuple[str, ...]) -> Chunk | None:
    """Rows in long form as [readings, statistics, names]; the middle of a window stands for its step."""
    if rows.num_rows == 0:
        return None
    steps, at = np.unique(rows["step"].to_numpy(), return_inverse=True)
    told = rows["name"].cast(pa.string()).combine_chunks().dictionary_encode()
    names = tuple(told.dictionary.to_pylist())
    values = np.full((len(steps), len(statistics), len(names)), np.nan, dtype=np.float32)
    where = told.indices.to_numpy()
    for place, statistic in enumerate(statistics):
        values[at, place, where] = rows[statistic].to_numpy(zero_copy_only=False)
    return Chunk("gradients", steps, names, statistics, values)


def _thinned(points: list[Point], readings: int) -> list[Point]:
    """No more points of a key than a run may have; counts of broken tensors are kept wherever they are not zero."""
    stride = -(-readings // MAX_POINTS)
    if stride <= 1:
        return points
    kept = set(sorted({step for _, step, _ in points})[::stride])
    return [point for point in points if point[1] in kept or (point[0] == "health/nonfinite_tensors" and point[2])]
