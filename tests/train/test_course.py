"""How a run went, in numbers that claims can be made about."""

from __future__ import annotations

import math

import pytest

from lab.spec.tasks import COURSE, TASKS
from lab.train.course import course_of

pytestmark = pytest.mark.torch

NOTES = {  # epochs 79 to 81 of the unstable run in the notes: nodes found of 3055 and of 576
    "valid.acc": [0.597, 0.799, 0.676],
    "valid.acc_0": [3034 / 3055, 2163 / 3055, 1117 / 3055],
    "valid.acc_1": [116 / 576, 513 / 576, 568 / 576],
}


def test_the_notes_example_flips_twice() -> None:
    told = course_of(NOTES, [0.1, math.nan, 0.3, 0.2], main="acc", goal="max")
    assert told["course.flips"] == 2
    assert told["course.largest_fall"] == pytest.approx(0.123)
    assert told["course.epochs"] == 3
    assert told["course.grad_weight"] == 0.2
    counted = {"course.clipped", "course.skipped", "course.reported_epoch", "course.dead_params", "course.zero_params"}
    assert set(told) == set(COURSE) - counted


def test_a_steady_run_neither_flips_nor_falls() -> None:
    told = course_of({"valid.acc": [0.5, 0.6, 0.7], "valid.acc_0": [0.9, 0.8, 0.7]}, [], main="acc", goal="max")
    assert (told["course.flips"], told["course.largest_fall"]) == (0, 0)


def test_a_fall_of_an_error_is_its_rise() -> None:
    told = course_of({"valid.mae": [1.0, 0.4, 0.9, math.nan]}, [math.nan], main="mae", goal="min")
    assert told == {"course.epochs": 4, "course.largest_fall": pytest.approx(0.5)}


def test_a_run_without_scores_has_no_course() -> None:
    assert course_of({}, [0.1], main="acc", goal="max") == {}


def test_every_task_has_these_scores() -> None:
    assert all(task.has(name) and name in task.all_scores() for task in TASKS.values() for name in COURSE)
