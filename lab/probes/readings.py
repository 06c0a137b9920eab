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
AROUND = 200
"""Steps on either side of an alert that are kept as they were read."""
HELD = AROUND + 2 * 64
"""Steps that wait before they are thinned: an alert is told up to two flushes after its step."""
WORST = frozenset(
    {"nonfinite", "stale", "row_err", "mask_leak", "masked_rows", "masked_padding", "pad_grad", "bn_single"}
)
"""Statistics whose window is told by its largest value: a rare event must not vanish in a median."""
PARTIAL = frozenset({"activations", "attention", "padding", "inputs", "evaluation", "noise"})
"""Probes whose NaN means that a statistic does not apply; what is not finite they count under a name of its own."""


class Readings:
    """Collects the chunks of one trial and gives them out as a table in long form.

    Columns: step, probe, name, then one a statistic, empty where a row has none. A thinned row stands for a
    window from `step` on: the statistic is its median there, and `<statistic>_min`, `<statistic>_max` frame it.
    """

    def __init__(self, *, exact: frozenset[str]) -> None:
        self.exact = exact
        """Probes whose readings are all kept."""
        self.waiting: list[Chunk] = []
        """Readings that are not thinned yet."""
        self.alerts: list[int] = []
        """Steps around which readings are kept."""
        self._done: list[pa.Table] = []

    def add(self, chunk: Chunk) -> None:
        """Take readings in, in the order of their steps."""
        if chunk.probe in self.exact:
            self._done.append(table(chunk))
            return
        early = chunk.steps < EXACT_STEPS
        if early.any():
            self._done.append(table(_some(chunk, early)))
        if not early.all():
            self._wait(_some(chunk, ~early))

    def keep_exact(self, step: int) -> None:
        """Leave what lies around a step as it was read, as far as it still waits or comes yet."""
        if step not in self.alerts:
            self.alerts.append(step)

    def _wait(self, chunk: Chunk) -> None:
        same = [known for known in self.waiting if _kin(known) == _kin(chunk)]
        self.waiting = [known for known in self.waiting if _kin(known) != _kin(chunk)]
        joined = _joined([*same, chunk])
        windows = joined.steps // WINDOW
        old = (windows + 1) * WINDOW <= joined.steps[-1] + 1 - HELD
        self._settle(_some(joined, old))
        self.waiting.append(_some(joined, ~old))

    def _settle(self, chunk: Chunk) -> None:
        """Windows that are over for good: thinned, unless an alert is near."""
        windows = chunk.steps // WINDOW
        for window in np.unique(windows):
            own = _some(chunk, windows == window)
            self._done.append(table(own) if self._is_kept(int(window)) else _window(own))

    def _is_kept(self, window: int) -> bool:
        first, last = window * WINDOW, (window + 1) * WINDOW - 1
        return any(first <= alert + AROUND and last >= alert - AROUND for alert in self.alerts)

    def take(self) -> pa.Table | None:
        """The finished rows since the last call."""
        rows, self._done = self._done, []
        return combine(rows)

    def end(self) -> pa.Table | None:
        """The rows that are left, windows cut short included."""
        for chunk in self.waiting:
            self._settle(chunk)
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
        parts[statistic] = pa.array(values, pa.float32(), mask=_not_taken(chunk.probe, statistic, values))
    return pa.table(parts)


def _not_taken(probe: str, statistic: str, values: np.ndarray) -> np.ndarray | None:
    """Of the gradients only zeros are counted now and then; any other NaN of theirs is a finding, not a gap."""
    return np.isnan(values) if probe in PARTIAL or statistic.startswith("zero_share") else None


def combine(tables: list[pa.Table]) -> pa.Table | None:
    """Tables of one trial under each other, missing columns empty; None of nothing."""
    if not tables:
        return None
    return pa.concat_tables(tables, promote_options="default").combine_chunks()
