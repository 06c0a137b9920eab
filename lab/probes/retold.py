"""The curves of a finished trial's readings once more, from its stored readings and without torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.probes.curves import Curves, Point
from lab.probes.summary import MAX_POINTS, Summary
from lab.records.chunk import TOTAL, TOTALS, Chunk
from lab.records.judge import cancelled

MATRICES = b"matrices"
"""The key of a table's metadata that names the parameters with two or more axes."""
NEEDED = ("grad_norm", "weight_norm", "update_norm", "grad_weight", "update_weight", "nonfinite")
"""Statistics that the curves are made of."""
Wanted = tuple[str, bool, tuple[str, ...]]
"""A probe, whether of all together, and statistics."""
SHOWN: tuple[Wanted, ...] = (
    ("activations", True, ("depth_gain",)),
    ("activations", False, ("std",)),
    ("attention", False, ("n_eff",)),
    ("noise", True, ("noise_scale",)),
    ("evaluation", True, ("loss_rel",)),
    ("evaluation", False, ("recall",)),
)
BROKEN = "health/nonfinite_tensors"


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
    if not {"step", "probe", "name"} <= set(readings.column_names):
        return []
    shown = Curves(interval=1)
    curves = list(shown.points(chunk for chunk in map(partial(_of_probe, readings), SHOWN) if chunk is not None))
    return _of_gradients(readings) + _thinned(curves)


def _of_gradients(readings: pa.Table) -> list[Point]:
    parameters = _of_probe(readings, ("gradients", False, NEEDED))
    totals = _of_probe(readings, ("gradients", True, TOTALS))
    if parameters is None or totals is None or not np.array_equal(parameters.steps, totals.steps):
        return []
    matrices = frozenset(json.loads((readings.schema.metadata or {}).get(MATRICES, b"[]")))
    named = _Parameters(parameters.names, tuple(name in matrices for name in parameters.names))
    summary = Summary(named, exempt=cancelled(readings), planned_steps=0)
    summary.interval = 1
    return _thinned(summary.points([parameters, totals]))


def _of_probe(readings: pa.Table, wanted: Wanted) -> Chunk | None:
    """What a probe told of all together, or of its names one by one; None where it lacks one of the statistics."""
    probe, is_total, statistics = wanted
    if not set(statistics) <= set(readings.column_names):
        return None
    of_all = pc.equal(readings["name"], TOTAL)
    own = pc.and_(of_all if is_total else pc.invert(of_all), pc.equal(readings["probe"], probe))
    taken = pc.is_valid(readings[statistics[0]])
    return _chunk(readings.filter(pc.and_(own, taken)), probe, statistics)


def _chunk(rows: pa.Table, probe: str, statistics: tuple[str, ...]) -> Chunk | None:
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
    return Chunk(probe, steps, names, statistics, values)


def _thinned(points: list[Point]) -> list[Point]:
    """No more points of a key than a run may have; counts of broken tensors are kept wherever they are not zero."""
    steps: dict[str, list[int]] = {}
    for key, step, _ in points:
        steps.setdefault(key, []).append(step)
    kept = {key: set(own[:: -(-len(own) // MAX_POINTS)]) for key, own in steps.items()}
    return [point for point in points if point[1] in kept[point[0]] or (point[0] == BROKEN and point[2])]
