"""Models that start from the training data: the same in runs and replays, and with nothing else moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_trial import data_of, run
from torch import Tensor

from lab.data.batch import Dataset
from lab.data.forecast_windows import similarity, training_frames
from lab.spec.experiment import Experiment
from lab.train.build import build_model, model_for, smoke
from lab.train.member import Member
from lab.train.replay.rerun import Rerun

pytestmark = pytest.mark.torch

SERIES = {"kind": "latent_graph_series", "nodes": 6, "length": 300, "window": 6, "horizon": 3}
STATIC = {"first.static.weight", "second.static.weight"}


def said(start: str, **latent: Any) -> Experiment:
    model = {"kind": "latent_seq2seq", "width": 8, "latent": {"static_start": start, "heads": 2} | latent}
    training = {"epochs": 1, "batch": 64}
    return Experiment.model_validate({"dataset": SERIES, "model": model, "training": training})


def weights(experiment: Experiment, dataset: Dataset) -> dict[str, Tensor]:
    return {name: weight.detach() for name, weight in model_for(experiment, dataset, 0).named_parameters()}


@pytest.mark.parametrize("static", ["per_head", "shared", "first_head_only"])
def test_static_scores_start_from_the_correlations_of_the_training_series(static: str) -> None:
    experiment = said("similarity", static=static)
    dataset = data_of(experiment)
    known = torch.from_numpy(np.corrcoef(training_frames(dataset).T)).float()
    told = weights(experiment, dataset)
    for name in STATIC:
        assert len(told[name]) == (2 if static == "per_head" else 1)
        torch.testing.assert_close(told[name], known.expand_as(told[name]))


def test_nothing_else_starts_otherwise() -> None:
    dataset = data_of(said("diagonal"))
    plain, told = (weights(said(start), dataset) for start in ("diagonal", "similarity"))
    shaped = build_model(said("diagonal"), dataset.shape, 0).named_parameters()
    assert all(torch.equal(plain[name], weight) for name, weight in shaped)
    assert {name for name in plain if not torch.equal(plain[name], told[name])} == STATIC


def test_a_replay_starts_where_its_run_did() -> None:
    experiment = said("similarity")
    dataset = data_of(experiment)
    rerun = Rerun(Member(experiment, 0, cell="cell"), dataset)
    known = weights(experiment, dataset)
    assert all(torch.equal(known[name], weight) for name, weight in rerun.learner.model.named_parameters())


def test_a_run_and_the_first_steps_take_the_start_from_the_data() -> None:
    told = smoke(said("similarity"), steps=3)
    assert told.epoch_steps == 4
    assert smoke(said("diagonal"), steps=3).losses != told.losses
    outcome = run(said("similarity"))
    first = smoke(said("similarity"), steps=told.epoch_steps).losses
    assert outcome.history["train.loss"][0] == pytest.approx(sum(first) / len(first), rel=1e-12)


def test_a_series_that_stands_still_is_like_itself_alone() -> None:
    frames = np.random.default_rng(0).normal(size=(50, 3))
    frames[:, 1] = 2.0
    told = similarity(frames)
    assert told[1].tolist() == [0, 1, 0]
    assert told[0, 2] == pytest.approx(np.corrcoef(frames[:, 0], frames[:, 2])[0, 1])
