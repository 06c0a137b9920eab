"""What is tried again, what stops a study, and which cells are given up."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_project import Tiny

from lab.plan.plan import Cell, Plan
from lab.records.record import Origin, Record
from lab.run.giving_up import hopeless
from lab.run.policies import Retries, kind_of_error, spent
from lab.run.standing import Standing
from lab.spec.study import Budget, Prune, Retry

THREE = "factors: {model.layers: [1, 2, 3]}\nseeds: 6\n"


def bug(trial: str, error: str) -> Record:
    return Record(trial, "cell", "study", "bug", 0, error=error)


def told(cell: Cell, seed: int, score: float, **said: object) -> Record:
    record = Record(f"{cell.id}-{seed}", cell.id, "question", "done", seed, history={"valid.acc": (score, score)})
    return record if not said else Record(**{**vars(record), **said})  # type: ignore[arg-type]


def standing_of(plan: Plan, scores: dict[int, list[float]]) -> Standing:
    """A standing with these scores, by the number of the cell and the seed."""
    standing = Standing(plan)
    for number, of_seeds in scores.items():
        for seed, score in enumerate(of_seeds):
            standing.add(told(plan.cells[number], seed, score))
    return standing


def test_memory_is_tried_again_once_and_a_bug_not_at_all() -> None:
    retries = Retries(Retry())
    assert retries.handed_back("a-0") == {"out_of_memory"}
    retries.note("a-0", "out_of_memory")
    assert retries.handed_back("a-0") == frozenset()
    assert retries.handed_back("a-1") == {"out_of_memory"}
    assert Retries(Retry(crash=1, oom=0)).handed_back("a-0") == {"bug"}


def test_a_trial_may_take_three_workers_along_unless_it_gets_further_in_between() -> None:
    retries = Retries(Retry())
    assert [retries.survives("a-0", 0) for _ in range(3)] == [True, True, False]
    assert [retries.survives("a-1", epoch) for epoch in (0, 3, 3, 9, 9, 9)] == [True, True, True, True, True, False]
    assert not Retries(Retry(killed="never")).survives("a-0", 5)


def test_the_same_error_in_three_trials_stops_the_study_whatever_its_numbers() -> None:
    retries = Retries(Retry())
    assert retries.stops_study(bug("a-0", "ValueError: shape [3, 4] at 0x7f01")) == ""
    assert retries.stops_study(bug("a-1", "KeyError: 'x'")) == ""
    assert retries.stops_study(bug("a-1", "ValueError: shape [5, 6] at 0x8a11")) == ""
    assert retries.stops_study(bug("a-1", "ValueError: shape [5, 6] at 0x8a11")) == "", "the same trial counts once"
    assert "3 trials" in retries.stops_study(bug("a-2", "ValueError: shape [7, 8] at 0x11"))


def test_a_trial_that_diverges_never_stops_a_study() -> None:
    retries = Retries(Retry(same_error_stops_study=1))
    assert retries.stops_study(Record("a-0", "a", "s", "diverged", 0, error="nan")) == ""


def test_errors_of_one_kind_differ_in_numbers_only() -> None:
    assert kind_of_error("E: 1.5e-3 of 12") == kind_of_error("E: 7 of 9")
    assert kind_of_error("E: a") != kind_of_error("E: b")


def test_hours_are_summed_and_those_on_a_gpu_apart(tiny: Tiny) -> None:
    plan = tiny.study(THREE)
    standing = Standing(plan)
    standing.add(told(plan.cells[0], 0, 0.5, seconds=1800.0, origin=Origin(device="cpu")))
    assert spent(Budget(hours=1.0), standing) == ""
    standing.add(told(plan.cells[0], 1, 0.5, seconds=1800.0, origin=Origin(device="NVIDIA H200")))
    assert "1 of 1 hours" in spent(Budget(hours=1.0), standing)
    assert spent(Budget(gpu_hours=1.0), standing) == ""
    assert spent(Budget(), standing) == ""


def test_what_another_study_paid_for_is_not_spent_here(tiny: Tiny) -> None:
    plan = tiny.study(THREE)
    standing = Standing(plan)
    standing.add(told(plan.cells[0], 0, 0.5, seconds=7200.0, reused="other"))
    assert spent(Budget(hours=1.0), standing) == ""


def test_a_clearly_worse_cell_is_given_up_with_its_interval(tiny: Tiny) -> None:
    plan = tiny.study(THREE + "prune: {rule: paired, after_seeds: 3, worse_by: 0.03, keep: [reference]}\n")
    scores = {0: [0.80, 0.81, 0.79], 1: [0.70, 0.70, 0.69], 2: [0.79, 0.60, 0.80]}
    found = hopeless(plan, standing_of(plan, scores), plan.reference.id)
    assert list(found) == [plan.cells[1].id]
    assert "worse than the reference by 0.1033 [0.08899, 0.1177]" in found[plan.cells[1].id]


def test_a_cell_needs_enough_seeds_shared_with_the_reference(tiny: Tiny) -> None:
    plan = tiny.study(THREE + "prune: {after_seeds: 3, worse_by: 0.03, keep: [reference]}\n")
    assert hopeless(plan, standing_of(plan, {0: [0.8, 0.8], 1: [0.1, 0.1, 0.1]}), plan.reference.id) == {}
    assert hopeless(plan, standing_of(plan, {0: [0.8, 0.81, 0.8], 1: [0.1, 0.1]}), plan.reference.id) == {}


def test_less_is_better_where_the_score_says_so(tiny: Tiny) -> None:
    text = THREE + "prune: {after_seeds: 3, worse_by: 0.03, keep: [reference]}\n"
    plan = tiny.study(text)
    lower = plan.study.score.model_copy(update={"goal": "min"})
    plan = replace(plan, study=plan.study.model_copy(update={"score": lower}))
    scores = {0: [0.80, 0.81, 0.79], 1: [0.70, 0.70, 0.69], 2: [0.95, 0.94, 0.95]}
    assert list(hopeless(plan, standing_of(plan, scores), plan.reference.id)) == [plan.cells[2].id]


def test_named_arms_are_kept(tiny: Tiny) -> None:
    text = (
        "arms: {deep: {model.layers: 3}, wide: {model.width: 8}}\ndesign: arms\nseeds: 6\n"
        "prune: {after_seeds: 3, worse_by: 0.03, keep: [reference, deep]}\n"
    )
    plan = tiny.study(text)
    by_name = {cell.name: number for number, cell in enumerate(plan.cells)}
    bad = [0.1, 0.11, 0.1]
    reference = next(number for number, cell in enumerate(plan.cells) if cell.id == plan.reference.id)
    scores = {reference: [0.8, 0.8, 0.81], by_name["deep"]: bad, by_name["wide"]: bad}
    found = hopeless(plan, standing_of(plan, scores), plan.reference.id)
    assert list(found) == [plan.cells[by_name["wide"]].id]


@settings(deadline=None, max_examples=60)
@given(worse=st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=8))
def test_a_given_up_cell_is_always_worse_by_more_than_the_study_says(worse: list[float]) -> None:
    from scipy.stats import ttest_1samp

    from lab.run.giving_up import _verdict

    given_up = bool(_verdict(worse, Prune(after_seeds=3, worse_by=0.03)))
    mean = sum(worse) / len(worse)
    if len(set(worse)) > 1:
        low = ttest_1samp(worse, 0.0).confidence_interval(0.95).low
        assert given_up == (mean > 0.03 and low > 0) or math.isclose(low, 0, abs_tol=1e-9)


def test_a_given_up_cell_leaves_pruned_records(tiny: Tiny, tmp_path: Path) -> None:
    plan = tiny.study(THREE + "prune: {after_seeds: 3, worse_by: 0.03, keep: [reference]}\n")
    for number, score in ((0, 0.8), (1, 0.5), (2, 0.79)):
        for seed in range(3 if number == 1 else 6):
            tiny.store.write(told(plan.cells[number], seed, score + 0.001 * seed * (number + 1)))
    result = tiny.run(plan)
    assert (result.done, result.pruned, result.exit_code) == (15, 3, 0)
    left = [record for record in tiny.store.records("question") if record.status == "pruned"]
    assert {record.cell for record in left} == {plan.cells[1].id}
    assert all("given up after 3 seeds" in record.error for record in left)
    assert tiny.run(plan).pruned == 3


@pytest.mark.parametrize("rule", ["off", "absent"])
def test_no_cell_is_given_up_unasked(tiny: Tiny, rule: str) -> None:
    plan = tiny.study(THREE + ("prune: {rule: off, keep: [reference]}\n" if rule == "off" else ""))
    assert hopeless(plan, standing_of(plan, {0: [0.8] * 3, 1: [0.1, 0.1, 0.11]}), plan.reference.id) == {}
