"""The table of readings: exact at first, then windows, and the same however the readings arrive."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.probes.readings import EXACT_STEPS, WINDOW, Readings, combine
from lab.records.chunk import Chunk

pytestmark = pytest.mark.torch


def chunk(steps: range, *, probe: str = "gradients", poison: int = -1) -> Chunk:
    told = np.array(steps, dtype=np.int32)
    values = np.stack([np.stack([told, told * 2], axis=1), np.zeros((len(told), 2))], axis=1).astype(np.float32)
    values[told == poison, 1] = 1.0
    return Chunk(probe, told, ("a", "b"), ("grad_norm", "nonfinite"), values)


def collected(*chunks: Chunk, exact: bool = False) -> pa.Table:
    readings = Readings(exact=frozenset({"gradients"}) if exact else frozenset())
    for each in chunks:
        readings.add(each)
    ended = readings.end()
    assert ended is not None
    return ended


def test_early_steps_are_kept_as_they_were_read() -> None:
    rows = collected(chunk(range(EXACT_STEPS))).to_pandas()
    assert len(rows) == 2 * EXACT_STEPS
    assert rows.columns.tolist() == ["step", "probe", "name", "grad_norm", "nonfinite"]
    assert rows.query("name == 'b'").grad_norm.tolist() == [2.0 * step for step in range(EXACT_STEPS)]


def test_later_steps_become_a_median_framed_by_the_extremes() -> None:
    rows = collected(chunk(range(EXACT_STEPS, EXACT_STEPS + 2 * WINDOW))).to_pandas().query("name == 'a'")
    assert rows.step.tolist() == [EXACT_STEPS, EXACT_STEPS + WINDOW]
    assert rows.grad_norm.tolist() == [224.5, 274.5]
    assert rows.grad_norm_min.tolist() == [200.0, 250.0]
    assert rows.grad_norm_max.tolist() == [249.0, 299.0]


def test_a_single_bad_step_is_not_lost_in_its_window() -> None:
    rows = collected(chunk(range(200, 300), poison=231)).to_pandas().query("name == 'a'")
    assert rows.nonfinite.tolist() == [1.0, 0.0]


def test_a_last_window_may_be_short() -> None:
    rows = collected(chunk(range(200, 207))).to_pandas()
    assert rows.query("name == 'a'").grad_norm.tolist() == [203.0]


def test_exact_keeps_all() -> None:
    assert collected(chunk(range(0, 1000, 10)), exact=True).num_rows == 200


def test_types_are_small_and_gaps_are_empty() -> None:
    other = Chunk("own", np.array([3], np.int32), ("x",), ("value",), np.array([[[7.0]]], np.float32))
    rows = collected(chunk(range(3)), other)
    assert rows.schema.field("step").type == pa.int32()
    assert rows.schema.field("grad_norm").type == pa.float32()
    assert pa.types.is_dictionary(rows.schema.field("name").type)
    assert rows["value"].null_count == 6
    assert rows["grad_norm"].null_count == 1


def test_zeros_that_were_not_counted_are_gaps_while_other_nans_are_kept() -> None:
    values = np.full((2, 2, 1), math.nan, np.float32)
    values[0, 0] = 0.25
    rows = collected(Chunk("gradients", np.arange(2, dtype=np.int32), ("a",), ("zero_share", "grad_norm"), values))
    assert rows["zero_share"].to_pylist() == [0.25, None]
    assert [math.isnan(value) for value in rows["grad_norm"].to_pylist()] == [True, True]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.lists(st.integers(1, 64), min_size=1, max_size=12),
    st.integers(0, 11),
)
def test_the_table_does_not_depend_on_where_readings_were_cut_nor_on_a_resumption(
    every: int, cuts: list[int], resumed_after: int
) -> None:
    steps = range(0, sum(cuts) * every, every)
    whole = collected(chunk(steps))
    readings, parts, start = Readings(exact=frozenset()), [], 0
    for at, length in enumerate(cuts):
        readings.add(chunk(steps[start : start + length]))
        start += length
        if at == resumed_after:
            parts.append(readings.take())
            waiting = readings.waiting
            readings = Readings(exact=frozenset())
            readings.waiting = waiting
    parts.append(readings.end())
    joined = combine([part for part in parts if part is not None])
    assert joined is not None
    assert joined.to_pandas().equals(whole.to_pandas())


def test_what_lies_around_an_alert_stays_as_it_was_read() -> None:
    readings = Readings(exact=frozenset())
    for start in range(0, 2048, 64):
        readings.add(chunk(range(start, start + 64)))
        if start == 1088:
            readings.keep_exact(1030)
    ended = readings.end()
    assert ended is not None
    rows = ended.to_pandas().query("name == 'a'")
    exact = rows[rows.grad_norm_min.isna()].step.tolist()
    assert set(range(EXACT_STEPS)) | set(range(830, 1231)) <= set(exact)
    assert exact == [*range(EXACT_STEPS), *range(800, 1250)]
    assert sorted(rows.step) == rows.step.tolist()
    assert rows.step.is_unique


def test_an_alert_may_come_late_and_twice() -> None:
    readings = Readings(exact=frozenset())
    for start in range(0, 1024, 64):
        readings.add(chunk(range(start, start + 64)))
    for _ in range(2):
        readings.keep_exact(1024 - 128)
    assert readings.alerts == [896]
    ended = readings.end()
    assert ended is not None
    steps = set(ended.to_pandas().query("grad_norm_min.isna()").step)
    assert set(range(696, 1024)) <= steps


def test_a_statistic_that_does_not_apply_is_a_gap_where_the_probe_counts_what_is_not_finite() -> None:
    values = np.array([[[1.0, math.nan], [0.0, 1.0]]], np.float32)
    rows = collected(Chunk("activations", np.array([0], np.int32), ("a", "b"), ("mean", "nonfinite"), values))
    assert rows["mean"].to_pylist() == [1.0, None]
    assert rows["nonfinite"].to_pylist() == [0.0, 1.0]
