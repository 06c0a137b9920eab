"""When a run ends early: patience on the score, a bound on grad/weight."""

from __future__ import annotations

import math

import pytest

from lab.errors import LabError
from lab.spec.experiment import Experiment, StopRun
from lab.train.stopping import Stopping, best_epoch, watched


def test_without_rules_nothing_ends_a_run() -> None:
    stopping = Stopping(StopRun(), "max")
    assert all(stopping.tell(score, 1e9) is None for score in [0.5] * 100)


def test_patience_counts_epochs_without_a_better_score() -> None:
    stopping = Stopping(StopRun(plateau="2 epochs"), "max")
    told = [stopping.tell(score, math.nan) for score in (0.5, 0.6, 0.6, 0.55)]
    assert told == [None, None, None, ("done", "")]


def test_patience_knows_that_errors_are_to_fall() -> None:
    stopping = Stopping(StopRun(plateau="1 epoch"), "min")
    assert [stopping.tell(score, math.nan) for score in (3.0, 2.0, 2.5)] == [None, None, ("done", "")]


def test_a_score_that_is_never_told_runs_out_of_patience() -> None:
    stopping = Stopping(StopRun(plateau="2 epochs"), "max")
    assert [stopping.tell(math.nan, math.nan) for _ in range(2)] == [None, ("done", "")]


PATTERN = {"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}}


def test_patience_may_watch_another_score_whose_goal_it_knows() -> None:
    said = Experiment.model_validate(PATTERN | {"stop_run": {"plateau": "2 epochs of valid.loss"}})
    stopping = Stopping.of(said)
    assert (stopping.goal, watched(said)) == ("min", "valid.loss")
    told = [stopping.tell(0.5 + loss, math.nan, {"valid.loss": loss}) for loss in (3.0, 2.0, 2.5, 2.5)]
    assert told == [None, None, None, ("done", "")]
    assert Stopping.of(Experiment.model_validate(PATTERN)).goal == "max"


def test_the_best_epoch_is_the_first_of_equals_and_none_where_nothing_is_a_number() -> None:
    assert best_epoch((0.5, 0.9, math.nan, 0.9), "max") == 1
    assert best_epoch((3.0, 2.0, 2.0), "min") == 1
    assert best_epoch((math.nan,), "max") is None
    assert best_epoch((), "max") is None


@pytest.mark.parametrize("plateau", ["3 epochs of valid.mae", "3 epochs of cost.seconds", "3 epochs of loss"])
def test_patience_with_a_score_there_is_not_is_refused(plateau: str) -> None:
    with pytest.raises(ValueError, match=r"is no score|write it like"):
        Experiment.model_validate(PATTERN | {"stop_run": {"plateau": plateau}})


@pytest.mark.parametrize(
    ("said", "ratios"), [("> 1 for 2 epochs", (2, 0.5, 2, 3)), ("< 1e-3 for 2 epochs", (0, 1, 0, 0))]
)
def test_a_ratio_must_lie_beyond_its_bound_for_so_many_epochs_in_a_row(said: str, ratios: tuple[float, ...]) -> None:
    stopping = Stopping(StopRun(grad_weight_ratio=said), "max")
    told = [stopping.tell(0.5, ratio) for ratio in ratios]
    assert told[:3] == [None, None, None]
    assert told[3] is not None
    assert told[3][0] == "stopped"
    assert said in told[3][1]


def test_a_ratio_that_was_not_read_is_within_every_bound() -> None:
    stopping = Stopping(StopRun(grad_weight_ratio="> 1 for 1 epoch"), "max")
    assert stopping.tell(0.5, math.nan) is None


def test_a_run_ends_once_a_score_is_reached_whatever_its_own_score_does() -> None:
    stopping = Stopping(StopRun(reached="train.acc > 0.9"), "max")
    told = [stopping.tell(0.5, math.nan, {"train.acc": score}) for score in (0.85, 0.9, 0.91)]
    assert told == [None, None, ("done", "")]


def test_a_score_may_have_to_stay_where_it_is_for_some_epochs() -> None:
    stopping = Stopping(StopRun(reached="valid.acc >= 1 for 2 epochs"), "max")
    told = [stopping.tell(score, math.nan, {"valid.acc": score}) for score in (1.0, 0.5, 1.0, 1.0)]
    assert told == [None, None, None, ("done", "")]


@pytest.mark.parametrize("scores", [{}, {"train.acc": math.nan}, {"valid.acc": 1.0}])
def test_a_score_that_is_not_told_is_not_reached(scores: dict[str, float]) -> None:
    assert Stopping(StopRun(reached="train.acc > 0.5"), "max").tell(1.0, math.nan, scores) is None


def test_patience_with_a_score_that_a_run_never_has_is_a_mistake_and_not_an_end() -> None:
    stopping = Stopping(StopRun(plateau="2 epochs of valid.mae_24"), "min")
    with pytest.raises(LabError, match=r"waits for valid\.mae_24") as told:
        stopping.tell(0.5, math.nan, {"valid.mae": 0.5, "valid.mae_2": 0.6})
    assert "valid.mae_2" in told.value.hint


def test_a_resumed_run_goes_on_counting() -> None:
    stopping = Stopping(StopRun(reached="valid.loss < 1e-2 for 2 epochs"), "max")
    stopping.tell(0.5, math.nan, {"valid.loss": 0.001})
    again = Stopping(StopRun(reached="valid.loss < 1e-2 for 2 epochs"), "max")
    vars(again).update(stopping.state())
    assert again.tell(0.5, math.nan, {"valid.loss": 0.001}) == ("done", "")


@pytest.mark.parametrize(
    ("reached", "told"),
    [
        ("0.9", "write it like"),
        ("train.acc = 0.9", "write it like"),
        ("train.mae < 0.9", "is no score"),
        ("cost.seconds > 9", "is no score"),
        ("train.acc > 0.9", "evaluate_train is false"),
    ],
)
def test_what_can_never_be_reached_is_refused(reached: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Experiment.model_validate(
            {
                "dataset": {"kind": "pattern"},
                "model": {"kind": "gin"},
                "training": {"evaluate_train": False},
                "stop_run": {"reached": reached},
            }
        )
