"""What modules add to the loss is learned from, once however many parts an update has, and not scored."""

from __future__ import annotations

import math

import pytest
import torch
from small_trial import Diary, data_of
from torch import Tensor

from lab.data.batch import Dataset
from lab.spec.experiment import Experiment
from lab.train.build import model_for
from lab.train.loop import Member, Outcome, train
from lab.train.step import first_steps
from lab.zoo.pgat.prior import LearnedPrior

pytestmark = pytest.mark.torch

WAVES = {"kind": "waves", "rows": 160, "window": 8, "horizon": 2, "waves": 4, "targets": 2}


def experiment(weight: float, **training: object) -> Experiment:
    model = {"kind": "pgat", "width": 8, "heads": 2, "layers": 1, "dropout": 0.0, "edge_entropy": weight}
    options = {"epochs": 1, "batch": 16, "lr": 1e-2} | training
    return Experiment.model_validate({"dataset": WAVES, "model": model, "training": options, "probes": "off"})


@pytest.fixture(scope="module")
def data() -> Dataset:
    return data_of(experiment(0.0))


def entropy_after(data: Dataset, weight: float, steps: int) -> Tensor:
    said = experiment(weight, lr=5e-2)
    model = model_for(said, data, seed=0)
    with torch.no_grad():  # a little apart: of equal weights none is the one to grow
        for prior in _priors(model):
            prior.scores.add_(torch.linspace(-0.3, 0.3, prior.scores.numel()).view_as(prior.scores))
    list(first_steps(said, model, data, seed=0, steps=steps))
    rows = [torch.distributions.Categorical(logits=prior.scores).entropy().mean() for prior in _priors(model)]
    return torch.stack(rows).mean().detach()


def _priors(model: torch.nn.Module) -> list[LearnedPrior]:
    return [module for module in model.modules() if isinstance(module, LearnedPrior)]


def test_a_learned_graph_that_pays_for_its_entropy_has_less_of_it(data: Dataset) -> None:
    free, paid = (entropy_after(data, weight, steps=30) for weight in (0.0, 1.0))
    assert paid < free - 0.1


@pytest.mark.parametrize("parts", [1, 3])
def test_the_loss_of_a_step_has_it_once_whatever_the_parts(data: Dataset, parts: int) -> None:
    def first(weight: float) -> float:
        said = experiment(weight, accumulate=parts)
        return next(iter(first_steps(said, model_for(said, data, seed=0), data, seed=0, steps=1)))

    # All edges are alike to begin with: three transitions hear four waves, two targets three transitions.
    assert first(0.5) - first(0.0) == pytest.approx(0.5 * (math.log(4) + math.log(3)), abs=1e-5)


def test_scores_are_without_it(data: Dataset) -> None:
    def last(weight: float) -> Outcome:
        member = Member(experiment(weight, lr=1e-9), seed=0, cell="")
        return train([member], data, watcher=Diary(), checkpoints=None)[0]

    free, paid = last(0.0), last(5.0)
    assert free.status == paid.status == "done", paid.error
    assert paid.scores["valid.loss"] == pytest.approx(free.scores["valid.loss"], abs=1e-4)
