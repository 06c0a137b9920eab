"""On links that no window tells anything of, no model of links is better than chance: what is, has seen the answer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_trial import Diary

from lab.data.batch import Dataset
from lab.data.windows import WindowSplit
from lab.spec.experiment import Experiment
from lab.spec.models import ModelSpec
from lab.train.loop import Member, train

pytestmark = [pytest.mark.torch, pytest.mark.slow]

DATA = {"kind": "psbm_links", "preset": "null", "nodes": 10, "window": 4, "length": 16}
SEQUENCES = {"train": 16, "valid": 1, "test": 24}
SMALL: dict[str, dict[str, object]] = {
    "gman": {"layers": 1, "width": 16},
    "gman_graphlevel": {"layers": 1, "width": 16, "heads": 2},
    "astgcn": {"layers": 1, "graph_filters": 16, "time_filters": 16},
    "stgcn": {"widths": [16]},
}
"""Options that make a model quick to train; others are as they are."""
KINDS = sorted(kind for kind, spec in ModelSpec.members.items() if "predict_links" in spec.tasks)
DEVIATIONS = 4
"""How far from one half chance may take an AUC."""


def experiment(kind: str) -> Experiment:
    training = {"epochs": 2, "batch": 32, "lr": 5e-3, "evaluate_train": False}
    said = {
        "dataset": DATA | SEQUENCES,
        "model": {"kind": kind} | SMALL.get(kind, {}),
        "training": training,
        "probes": "off",
        "rules": "off",
    }
    return Experiment.model_validate(said)


@pytest.fixture(scope="module")
def of_nothing() -> Dataset:
    """Every pair of every frame is drawn on its own, at one rate for all."""
    made: Dataset = experiment("link_baseline").dataset.build(0)
    return made


def deviation(split: WindowSplit) -> float:
    """The standard deviation of the AUC of a forecast that knows nothing, by the numbers of links and of others."""
    answers = split.batch(torch.arange(len(split)), 10).y[:, torch.ones(10, 10).triu(1).bool()] != 0
    links, others = float(answers.sum()), float((~answers).sum())
    return math.sqrt((links + others + 1) / (12 * links * others))


def auc_of(kind: str, data: Dataset) -> float:
    """After a short training, on pairs above the diagonal of the test windows."""
    (outcome,) = train([Member(experiment(kind), 0, kind)], data, watcher=Diary(), checkpoints=None)
    return outcome.scores["test.auc"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_known_is_not_found(kind: str, of_nothing: Dataset) -> None:
    bound = DEVIATIONS * deviation(of_nothing.splits["test"])
    assert bound < 0.04
    assert auc_of(kind, of_nothing) == pytest.approx(0.5, abs=bound)


def test_an_answer_that_stands_in_its_window_is_found_at_once(of_nothing: Dataset) -> None:
    """So much for whether such a test could fail."""
    leaking = {
        name: replace(split, y=torch.cat([split.y[:, :1], split.y[:, :-1]], 1))
        for name, split in of_nothing.splits.items()
        if isinstance(split, WindowSplit)
    }
    assert auc_of("link_baseline", replace(of_nothing, splits=leaking)) > 0.8
