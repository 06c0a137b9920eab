"""Rules over stored readings: the very rules that watched the run, so that old records can be judged again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lab.records.chunk import Chunk
from lab.records.rules.facts import CANCELLED, facts_of
from lab.records.rules.health import Health
from lab.spec.rules import Finding, RuleSpec

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("step", "name", "probe")
"""Columns of the readings that are not statistics."""
GRADIENTS = "gradients"
"""The probe of tables that name none."""
FRAMES = ("_min", "_max")
"""Endings of the columns that frame the median of a window."""
WINDOW = 50
"""Steps that a thinned row stands for."""


def with_cancelled(readings: pa.Table, names: Iterable[str]) -> pa.Table:
    """The same readings, telling which parameters get no gradient by construction."""
    import json

    said = {**(readings.schema.metadata or {}), CANCELLED: json.dumps(sorted(names)).encode()}
    return readings.replace_schema_metadata(said)


def cancelled(readings: pa.Table) -> frozenset[str]:
    """The parameters that the readings name as without a gradient by construction."""
    return facts_of(readings).cancelled


def judge(rules: Sequence[RuleSpec], readings: pa.Table | None) -> tuple[Finding, ...]:
    """What the rules say of a trial's readings; a rule that raises is told as a finding, never as a crash."""
    if readings is None or readings.num_rows == 0:
        return ()
    return judged(rules, readings).ordered


def judged(rules: Sequence[RuleSpec], readings: pa.Table) -> Health:
    """The health of a run by its stored readings."""
    health = Health(rules, facts_of(readings))
    health.see(list(chunks_of(readings)))
    health.end()
    return health


def chunks_of(readings: pa.Table) -> Iterator[Chunk]:
    """A table in long form as chunks: names of one probe that have the same statistics at the same steps go together.

    A thinned row stands for every reading of its window, each with the window's median.
    """
    alike: dict[tuple[str, tuple[str, ...], bytes], list[tuple[str, np.ndarray, np.ndarray]]] = {}
    for probe, name, statistics, steps, values in _series(readings):
        alike.setdefault((probe, statistics, steps.tobytes()), []).append((name, steps, values))
    for (probe, statistics, _), told in alike.items():
        names = tuple(name for name, _, _ in told)
        yield Chunk(probe, told[0][1], names, statistics, np.stack([values for _, _, values in told], axis=2))


def _is_frame(column: str, known: frozenset[str]) -> bool:
    """Whether a column frames another: `input_max` is a statistic of its own, as there is no `input`."""
    return column.endswith(FRAMES) and column[: -len(FRAMES[0])] in known


def _series(readings: pa.Table) -> Iterator[tuple[str, str, tuple[str, ...], np.ndarray, np.ndarray]]:
    """Probe, name, statistics, steps and values [steps, statistics] of everything that was measured."""
    known = frozenset(readings.column_names)
    columns = [name for name in readings.column_names if name not in KEYS and not _is_frame(name, known)]
    values = np.stack([_floats(readings[name]) for name in columns], axis=1)
    taken = np.stack([readings[name].is_valid().to_numpy() for name in columns], axis=1)
    thinned = np.zeros(len(values), dtype=bool)
    for name in (name for name in readings.column_names if name.endswith(FRAMES[0]) and _is_frame(name, known)):
        thinned |= readings[name].is_valid().to_numpy()
    steps = readings["step"].to_numpy().astype(np.int64)
    has_probe = "probe" in readings.column_names
    probes, probe_words = _words(readings["probe"]) if has_probe else (np.zeros(len(steps), np.int64), [GRADIENTS])
    names, words = _words(readings["name"])
    code = probes * len(words) + names
    order = np.lexsort((steps, code))
    order = order[taken[order].any(axis=1)]
    for own in np.split(order, np.flatnonzero(np.diff(code[order])) + 1) if len(order) else ():
        has = np.flatnonzero(taken[own].any(axis=0))
        at = _spread(steps[own], thinned[own])
        told = tuple(columns[place] for place in has.tolist())
        chosen = own[at[0]]
        yield probe_words[probes[own[0]]], words[names[own[0]]], told, at[1], values[chosen][:, has]


def _spread(steps: np.ndarray, thinned: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which row stands for each reading, and the step of that: windows are as dense as the exact rows before them."""
    exact = np.diff(steps[~thinned])
    stride = max(1, int(np.median(exact))) if len(exact) else 1
    ends = np.append(steps[1:], steps[-1] + WINDOW)
    counts = np.where(thinned, -(-np.minimum(ends - steps, WINDOW) // stride), 1)
    rows = np.repeat(np.arange(len(steps)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, steps[rows] + within * stride


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    found: np.ndarray = column.cast(pa.float32()).to_numpy(zero_copy_only=False)
    return found.astype(np.float32)


def _words(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """Texts as codes and the texts they stand for."""
    told = column.cast("string").combine_chunks().dictionary_encode()
    return told.indices.to_numpy().astype(np.int64), told.dictionary.to_pylist()
