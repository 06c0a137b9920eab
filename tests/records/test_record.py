"""A record survives being written: what is read back is what was seen, numbers that are not finite included."""

import dataclasses
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.records.record import FAILED, Origin, Record
from lab.spec.rules import Finding

numbers = st.floats(allow_nan=True, allow_infinity=True)
names = st.text(min_size=1, max_size=12)
levels = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8), st.none())
findings = st.builds(
    Finding,
    rule=names,
    scope=names,
    step=st.integers(0, 10**9),
    level=st.sampled_from(["info", "warn", "fatal"]),
    value=st.none() | numbers,
    threshold=st.none() | numbers,
    says=st.text(max_size=20),
)
origins = st.builds(
    Origin,
    commit=names,
    dirty=st.booleans(),
    diff=st.text(),
    versions=st.dictionaries(names, names, max_size=3),
    data_lines=st.dictionaries(names, numbers, max_size=3),
)
records = st.builds(
    Record,
    trial=names,
    cell=names,
    study=names,
    status=st.sampled_from(["done", "pruned", *sorted(FAILED)]),
    seed=st.integers(0, 2**31 - 1),
    repeat=st.integers(0, 9),
    levels=st.dictionaries(names, levels, max_size=4),
    label=st.text(max_size=20),
    options=st.dictionaries(names, levels, max_size=4),
    history=st.dictionaries(names, st.lists(numbers, max_size=6).map(tuple), max_size=3),
    scores=st.dictionaries(names, numbers, max_size=3),
    findings=st.lists(findings, max_size=3).map(tuple),
    seconds=numbers,
    origin=origins,
    error=st.text(),
    traceback=st.text(alphabet=st.characters(), max_size=30),
)


def comparable(value: Any) -> Any:
    """NaN differs from itself; its text does not."""
    if isinstance(value, float) and math.isnan(value):
        return "not a number"
    if isinstance(value, dict):
        return {key: comparable(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [comparable(inner) for inner in value]
    return value


@settings(max_examples=200, deadline=None)
@given(records)
def test_a_record_read_back_is_the_record_that_was_written(record: Record) -> None:
    read = Record.from_json(record.to_json())
    assert comparable(dataclasses.asdict(read)) == comparable(dataclasses.asdict(record))


@settings(max_examples=300, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_keeps_its_last_bit(value: float) -> None:
    record = Record("a", "a", "s", "done", 0, history={"valid.acc": (value,)})
    (read,) = Record.from_json(record.to_json()).history["valid.acc"]
    assert read.hex() == value.hex()


def test_a_traceback_with_broken_text_is_kept() -> None:
    record = Record("a", "a", "s", "bug", 0, traceback="File '\udcff.py'")
    assert Record.from_json(record.to_json()).traceback == record.traceback


def test_a_field_of_a_later_version_is_passed_over() -> None:
    text = Record("a", "a", "s", "done", 3).to_json().replace('"seed": 3', '"seed": 3, "mood": "fine"')
    assert Record.from_json(text).seed == 3


def test_the_epoch_that_counts_is_the_first_best_finite_one() -> None:
    record = Record(
        "a", "a", "s", "done", 0, history={"v": (0.1, 0.9, math.nan, 0.9, 0.2), "t": (1.0, 2.0, 3.0, 4.0, 5.0)}
    )
    assert record.epoch_of("v", "max", "best_epoch") == 1
    assert record.epoch_of("v", "min", "best_epoch") == 0
    assert record.epoch_of("v", "max", "last_epoch") == 4
    assert record.score("t", 1) == 2.0
    assert record.epoch_of("nothing", "max", "best_epoch") is None
