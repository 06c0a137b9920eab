"""Rules judge readings: the same ones the same way, whatever their order, and never bring a trial down."""

import random
from typing import ClassVar, Literal

import pyarrow as pa
import pytest

from lab.records.judge import cancelled, judge, with_cancelled
from lab.spec.rules import Finding, RuleSpec, Series, Vanishing


def readings(rows: list[tuple[int, str, float | None]], **more: list[object]) -> pa.Table:
    steps, names, norms = zip(*rows, strict=True)
    return pa.table(
        {"step": pa.array(steps, pa.int64()), "name": names, "grad_norm": pa.array(norms, pa.float32()), **more}
    )


def fading(name: str, steps: int = 40) -> list[tuple[int, str, float | None]]:
    return [(step, name, 10.0**-step) for step in range(steps)]


def steady(name: str, steps: int = 40) -> list[tuple[int, str, float | None]]:
    return [(step, name, 0.1) for step in range(steps)]


class Broken(RuleSpec):
    """Raises where a careless plug-in would."""

    reads: ClassVar[str] = "gradients.grad_norm"
    kind: Literal["broken_for_a_test"] = "broken_for_a_test"

    def check(self, scope: str, series: Series) -> Finding | None:
        raise ZeroDivisionError("division by zero")


class Looks(RuleSpec):
    """Keeps what it was shown."""

    reads: ClassVar[str] = "gradients.grad_norm"
    kind: Literal["looks_for_a_test"] = "looks_for_a_test"
    seen: ClassVar[list[Series]] = []

    def check(self, scope: str, series: Series) -> Finding | None:
        self.seen.append(series)
        return None


for known in ("broken_for_a_test", "looks_for_a_test"):  # they are not for the menu that other tests read
    del RuleSpec.members[known]


def test_a_vanishing_gradient_is_found_and_a_healthy_one_spared() -> None:
    faded, floored = judge([Vanishing()], readings(fading("first.weight") + steady("last.weight")))
    assert (faded.rule, faded.scope, faded.step, faded.level) == ("vanishing", "first", 25, "warn")
    assert (floored.scope, floored.step, floored.value) == ("first.weight", 27, pytest.approx(1e-39))


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = fading("b") + steady("a") + fading("c")
    shuffled = random.Random(0).sample(rows, len(rows))
    assert judge([Vanishing()], readings(shuffled)) == judge([Vanishing()], readings(rows))
    assert {found.scope for found in judge([Vanishing()], readings(shuffled))} == {"b", "c"}


def test_what_was_not_measured_is_no_reading() -> None:
    rows = [(step, "a", None if step % 2 else 0.0) for step in range(30)]
    assert judge([Vanishing(readings=16)], readings(rows)) == ()
    assert len(judge([Vanishing(readings=15)], readings(rows))) == 1


def test_readings_of_another_probe_are_not_judged() -> None:
    rows = fading("a") + fading("b")
    probe = ["gradients"] * 40 + ["other"] * 40
    assert [found.scope for found in judge([Vanishing()], readings(rows, probe=list(probe)))] == ["a"]


def test_a_rule_that_raises_is_told_once_as_information() -> None:
    found = judge([Broken(), Vanishing()], readings(fading("a") + fading("b")))
    assert [(each.rule, each.level) for each in found] == [
        ("broken_for_a_test", "info"),
        ("vanishing", "warn"),
        ("vanishing", "warn"),
    ]
    assert "ZeroDivisionError: division by zero" in found[0].says


def test_a_rule_without_its_probe_says_so() -> None:
    table = pa.table({"step": [1], "name": ["a"], "weight_norm": pa.array([1.0], pa.float32())})
    (found,) = judge([Vanishing()], table)
    assert found.level == "info"
    assert "no probe measured gradients.grad_norm" in found.says


@pytest.mark.parametrize("nothing", [None, readings([(0, "a", 1.0)]).slice(0, 0)])
def test_nothing_measured_is_nothing_found(nothing: pa.Table | None) -> None:
    assert judge([Vanishing()], nothing) == ()


def test_a_series_can_be_read_like_a_list_of_pairs() -> None:
    judge([Looks()], readings([(2, "a", 0.5), (1, "a", 0.25)]))
    series = Looks.seen[-1]
    assert list(series) == [(1, 0.25), (2, 0.5)]
    assert series[-1] == (2, 0.5)
    assert series[-5:] == [(1, 0.25), (2, 0.5)]
    assert len(series) == 2


def test_a_gradient_that_is_zero_by_construction_is_no_finding():
    told = readings(fading("norm.bias") + fading("lin.weight"))
    marked = with_cancelled(told, {"norm.bias"})
    assert {finding.scope for finding in judge((Vanishing(),), told)} == {"norm.bias", "lin.weight"}
    assert {finding.scope for finding in judge((Vanishing(),), marked)} == {"lin.weight"}


def test_what_is_zero_by_construction_survives_the_file(tmp_path):
    import pyarrow.parquet as pq

    pq.write_table(with_cancelled(readings(steady("a")), {"a", "b"}), tmp_path / "x.parquet")
    assert cancelled(pq.read_table(tmp_path / "x.parquet")) == {"a", "b"}


def test_a_statistic_whose_own_name_ends_like_a_frame_is_judged_too() -> None:
    from lab.spec.rules import ModeAndInput

    steps, name = list(range(5)), ["__total__"] * 5
    told = pa.table({"step": steps, "name": name, "probe": ["inputs"] * 5, "input_max": [5e3] * 5})
    (found,) = judge([ModeAndInput()], told)
    assert (found.scope, found.level, found.value) == ("input_max", "warn", 5e3)
    framed = pa.table(
        {"step": steps, "name": name, "probe": ["inputs"] * 5, "input": [1.0] * 5, "input_max": [5e3] * 5}
    )
    assert [each.level for each in judge([ModeAndInput()], framed)] == ["info"]
