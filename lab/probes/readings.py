"""From chunks to the table of readings: exact at first, then the middle and the extremes of 50 steps."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa

from lab.records.chunk import Chunk

EXACT_STEPS = 200
"""Steps at the start that are kept as they were read."""
WINDOW = 50
"""Steps that become one row a name afterwards."""
WORST = frozenset({"nonfinite"})
"""Statistics whose window is told by its largest value: a rare event must not vanish in a median."""


class Readings:
    """Collects the chunks of one trial and gives them out as a table in long form.

    Columns: step, probe, name, then one a statistic, empty where a row has none. A thinned row stands for a
    window from `step` on: the statistic is its median there, and `<statistic>_min`, `<statistic>_max` frame it.
    """

    def __init__(self, *, exact: frozenset[str]) -> None:
        self.exact = exact
        """Probes whose readings are all kept."""
        self.waiting: list[Chunk] = []
        """Readings of windows that are not over."""
        self._done: list[pa.Table] = []

    def add(self, chunk: Chunk) -> None:
        """Take readings in, in the order of their steps."""
        if chunk.probe in self.exact:
            self._keep(table(chunk))
            return
        early = chunk.steps < EXACT_STEPS
        if early.any():
            self._keep(table(_some(chunk, early)))
        if not early.all():
            self._thin(_some(chunk, ~early))

    def _keep(self, rows: pa.Table) -> None:
        self._done.append(rows)

    def _thin(self, chunk: Chunk) -> None:
        same = [known for known in self.waiting if _kin(known) == _kin(chunk)]
        self.waiting = [known for known in self.waiting if _kin(known) != _kin(chunk)]
        joined = _joined([*same, chunk])
        windows = joined.steps // WINDOW
        for window in np.unique(windows)[:-1]:
            self._keep(_window(_some(joined, windows == window)))
        self.waiting.append(_some(joined, windows == windows[-1]))

    def take(self) -> pa.Table | None:
        """The finished rows since the last call."""
        rows, self._done = self._done, []
        return combine(rows)

    def end(self) -> pa.Table | None:
        """The rows that are left, windows cut short included."""
        for chunk in self.waiting:
            self._keep(_window(chunk))
        self.waiting = []
        return self.take()


def _kin(chunk: Chunk) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    return chunk.probe, chunk.names, chunk.statistics


def _some(chunk: Chunk, which: np.ndarray) -> Chunk:
    return Chunk(chunk.probe, chunk.steps[which], chunk.names, chunk.statistics, chunk.values[which])


def _joined(chunks: list[Chunk]) -> Chunk:
    first = chunks[0]
    steps = np.concatenate([chunk.steps for chunk in chunks])
    values = np.concatenate([chunk.values for chunk in chunks])
    return Chunk(first.probe, steps, first.names, first.statistics, values)


def table(chunk: Chunk) -> pa.Table:
    """A chunk in long form, one row a reading and name."""
    columns = {statistic: chunk.values[:, place].reshape(-1) for place, statistic in enumerate(chunk.statistics)}
    return _long(chunk, chunk.steps, columns)


def _window(chunk: Chunk) -> pa.Table:
    """All readings of a chunk as one row a name."""
    columns = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        for statistic in chunk.statistics:
            values = chunk.of(statistic)
            middle = np.nanmax if statistic in WORST else np.nanmedian
            columns[statistic] = middle(values, axis=0)
            columns[f"{statistic}_min"] = np.nanmin(values, axis=0)
            columns[f"{statistic}_max"] = np.nanmax(values, axis=0)
    return _long(chunk, chunk.steps[:1], columns)


def _long(chunk: Chunk, steps: np.ndarray, columns: dict[str, np.ndarray]) -> pa.Table:
    rows = len(steps) * len(chunk.names)
    names = np.tile(np.arange(len(chunk.names), dtype=np.int32), len(steps))
    parts = {
        "step": pa.array(np.repeat(steps, len(chunk.names)), pa.int32()),
        "probe": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([chunk.probe])),
        "name": pa.DictionaryArray.from_arrays(pa.array(names), pa.array(chunk.names)),
    }
    for statistic, values in columns.items():
        parts[statistic] = pa.array(values, pa.float32(), mask=_not_taken(statistic, values))
    return pa.table(parts)


def _not_taken(statistic: str, values: np.ndarray) -> np.ndarray | None:
    """Zeros are counted now and then; for every other statistic NaN is a finding, not a gap."""
    return np.isnan(values) if statistic.startswith("zero_share") else None


def combine(tables: list[pa.Table]) -> pa.Table | None:
    """Tables of one trial under each other, missing columns empty; None of nothing."""
    if not tables:
        return None
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
