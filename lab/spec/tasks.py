"""The tasks there are and the scores each one has, so that a study's `score` is checked before anything runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lab.spec import forecast_scores, link_scores

SPLITS = ("train", "valid", "test")
HELD_OUT = SPLITS[1:]
"""The splits that nothing is fitted to: known lines are measured on each of them."""
COSTS = {
    "cost.seconds": "wall-clock seconds of the trial",
    "cost.step_ms": "milliseconds of a training step",
    "cost.peak_mb": "peak memory in megabytes: of the accelerator over the run, or of one step's tensors on a CPU",
    "cost.saved_mb": "megabytes that one step keeps from its forward for its backward pass",
    "cost.rss_mb": "peak resident memory of the process in megabytes",
    "cost.params": "trainable parameters",
}
COURSE = {
    "course.flips": "epochs in which the share found of some validation class moved by more than 0.3",
    "course.largest_fall": "largest loss of the main validation score from one epoch to the next",
    "course.epochs": "epochs that were trained",
    "course.clipped": "share of the updates whose gradient was scaled down to `clip`",
    "course.skipped": "share of the updates that were not made, their loss or gradient not being finite",
    "course.dead_params": "parameter tensors that one step gives no gradient at all",
    "course.zero_params": "parameter tensors whose gradient of one step is zero everywhere",
    "course.reported_epoch": "the best epoch, where `restore_best` reports the scores of that one",
    "course.grad_weight": "median over the epochs of the median grad/weight of the matrices; needs the gradient probe",
}
ALWAYS = COSTS | COURSE
"""Scores that every task has, one a trial; less of them is better."""


@dataclass(frozen=True)
class Task:
    """What a model is asked to do and how it is scored."""

    name: str
    says: str
    scores: dict[str, str]
    """Score -> meaning; a name may hold `<class>`, `<step>` or the like for one score a class or step."""
    goals: dict[str, Literal["max", "min"]]
    main: str
    """The score that schedules and early stopping watch, and that a known line without a score's name speaks of."""

    def has(self, score: str) -> bool:
        """Whether this is a score of the task, written split.name, or one that every task has."""
        split, _, name = score.partition(".")
        if score in ALWAYS:
            return True
        return split in SPLITS and self.entry_of(name) is not None

    def goal_of(self, score: str) -> Literal["max", "min"]:
        """Whether more or less of a score is better, written split.name or as every task has it."""
        name = score.partition(".")[2]
        return "min" if score in ALWAYS else self.goals.get(self.entry_of(name) or name, "max")

    def entry_of(self, name: str) -> str | None:
        """The entry of `scores` that a name stands under, the longest where several do."""
        known = (each for each in self.scores if re.fullmatch(pattern_of(each), name))
        return max(known, key=len, default=None)

    def all_scores(self) -> list[str]:
        """Every score that may be named."""
        return [f"{split}.{name}" for split in SPLITS for name in self.scores] + list(ALWAYS)


def pattern_of(score: str) -> str:
    """The names that an entry such as `acc_<class>` stands for, as a regular expression."""
    return re.sub(r"<\w+>", "[0-9]+", score)


TASKS: dict[str, Task] = {
    "classify_nodes": Task(
        name="classify_nodes",
        says="name the class of every node",
        scores={
            "acc": "balanced accuracy: the mean over the classes of the share found",
            "acc_<class>": "share of the nodes of one class that were found",
            "acc_batches": "balanced accuracy averaged over batches, as the published benchmark code does",
            "plain_acc": "share of all nodes that were right",
            "loss": "mean loss",
        },
        goals={"acc": "max", "acc_batches": "max", "plain_acc": "max", "loss": "min"},
        main="acc",
    ),
    "classify_pairs": Task(
        name="classify_pairs",
        says="say of every ordered pair of nodes whether both are of one class",
        scores={
            "acc": "share of all pairs that were right",
            "balanced_acc": "mean of the shares found among pairs of one class and among the others",
            "false_positives": "share of all pairs that were wrongly called of one class",
            "false_negatives": "share of all pairs that were wrongly called of two classes",
            "loss": "mean loss",
        },
        goals={
            "acc": "max",
            "balanced_acc": "max",
            "false_positives": "min",
            "false_negatives": "min",
            "loss": "min",
        },
        main="acc",
    ),
    "regress_nodes": Task(
        name="regress_nodes",
        says="predict a number for every node",
        scores={"mae": "mean absolute error", "rmse": "root of the mean squared error", "loss": "mean loss"},
        goals={"mae": "min", "rmse": "min", "loss": "min"},
        main="mae",
    ),
    "predict_links": Task(
        name="predict_links",
        says="say which links the next frame of a changing graph has",
        scores=link_scores.SCORES,
        goals=link_scores.GOALS,
        main="auc",
    ),
    "forecast": Task(
        name="forecast",
        says="forecast the values of every node over a horizon",
        scores=forecast_scores.SCORES,
        goals=forecast_scores.GOALS,
        main="mae",
    ),
}


def lines_on(split: str, lines: Mapping[str, float]) -> dict[str, float]:
    """Known lines such as "mae: last value", measured on one split, under names that say so."""
    return {f"{split}.{name}": value for name, value in lines.items()}


def line_beside(line: str, score: str) -> str:
    """What a known line of the data is called beside a score (split.name); empty where it speaks of another one.

    "plain_acc: majority" speaks of plain_acc, "test.acc: always no" of acc on the test graphs only, and a name without
    a colon of a task's main score.
    """
    about, _, name = line.rpartition(": ")
    asked = score.partition(".")[2]
    if about:
        return name if about in (asked, score) else ""
    return line if asked in {"acc_batches", *(task.main for task in TASKS.values())} else ""
