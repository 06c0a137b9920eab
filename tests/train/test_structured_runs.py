"""Whole runs on pairs and on training graphs that are scored themselves: they learn, and end where they are told to."""

from __future__ import annotations

import pytest
from small_trial import Diary

from lab.data.batching import prepare_splits
from lab.spec.datasets import Pattern, Pyramid
from lab.spec.experiment import Experiment, StopRun, Training
from lab.spec.models import Gin, GraphTransformer, PairMlp
from lab.train.loop import train
from lab.train.member import Member, Outcome

pytestmark = pytest.mark.torch


def run(experiment: Experiment) -> Outcome:
    dataset = experiment.dataset.build(0)
    (outcome,) = train([Member(experiment, seed=0, cell="test")], dataset, watcher=Diary(), checkpoints=None)
    assert outcome.status == "done", outcome.error + outcome.traceback
    return outcome


def test_a_pair_mlp_learns_the_colours_of_a_small_pyramid_and_stops_once_it_has() -> None:
    outcome = run(
        Experiment(
            dataset=Pyramid(base=4, valid_base=5, test_base=6),
            model=PairMlp(width=32, powers=(0, 1, 2, 3)),
            training=Training(epochs=400, batch=1, lr=1e-2, class_weights="none"),
            stop_run=StopRun(reached="train.acc >= 0.95 for 2 epochs"),
        )
    )
    told = outcome.history["train.acc"]
    assert len(told) < 400
    assert min(told[-2:]) >= 0.95 > told[-3]
    assert outcome.history["valid.false_positives"][-1] < outcome.history["valid.false_positives"][0] + 0.3
    assert outcome.scores["course.epochs"] == len(told)


def test_training_graphs_that_are_scored_have_one_score_under_three_names() -> None:
    spec = Pattern(train=6, patterns=1, sizes=(4, 8), scored="training")
    outcome = run(Experiment(dataset=spec, model=Gin(layers=2, width=8), training=Training(epochs=4, batch=6)))
    for name in ("acc", "acc_0", "plain_acc"):
        train_, valid, test = (outcome.history[f"{split}.{name}"] for split in ("train", "valid", "test"))
        assert train_ == valid == test
    assert outcome.history["train.loss"] != outcome.history["valid.loss"]


def test_what_has_three_names_is_prepared_once() -> None:
    built = Pattern(train=6, patterns=1, sizes=(4, 8), scored="training").build(0)
    model = GraphTransformer(layers=1, width=8, feed_forward=8).build(built.shape)
    prepared = prepare_splits(built, model)
    assert prepared["train"] is prepared["valid"] is prepared["test"]
    assert prepared["train"].is_kept
