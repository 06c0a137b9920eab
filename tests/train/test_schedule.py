"""The learning rate over time: pure tables, and a plateau that follows torch's."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.spec.experiment import Experiment, Training
from lab.train.schedule import Goal, Plateau, momenta, rates, stacked

pytestmark = pytest.mark.torch

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")


def told(training: Training, steps: int) -> list[float]:
    table = rates(training, steps)
    return [float(table[min(step, len(table) - 1)]) for step in range(steps)]


def test_a_constant_rate_is_constant_and_costs_no_table() -> None:
    assert told(Training(lr=0.5), 5) == [0.5] * 5
    assert len(rates(Training(), 10**9)) == 1


def test_warmup_rises_evenly_and_reaches_the_top_with_its_last_step() -> None:
    assert told(Training(lr=1.0, warmup=4), 6) == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_a_cosine_starts_at_the_top_and_falls_towards_zero() -> None:
    rate = told(Training(lr=1.0, schedule="cosine", warmup=2), 12)
    assert rate[:3] == [0.5, 1.0, 1.0]
    assert rate[7] == pytest.approx(0.5)
    assert all(a > b for a, b in pairwise(rate[2:]))
    assert 0 < rate[-1] < 0.05


def test_a_warmup_longer_than_the_run_never_reaches_the_top() -> None:
    assert max(told(Training(lr=1.0, schedule="cosine", warmup=100), 10)) == pytest.approx(0.1)


@needs_reference
def test_one_cycle_is_the_stored_one_and_ends_far_below_where_it_began() -> None:
    stored = np.load(REFERENCE / "gman_onecycle.npz")
    training = Training(lr=1e-3, schedule="onecycle", epochs=4)
    np.testing.assert_allclose(rates(training, 100), stored["lr"], rtol=1e-9)
    np.testing.assert_allclose(momenta(training, 100), stored["beta1"], rtol=1e-9)
    assert told(training, 100)[-1] == pytest.approx(1e-3 / 250_000)


@needs_reference
def test_warm_restarts_are_the_stored_ones() -> None:
    stored = np.load(REFERENCE / "astgcn_warm_restarts.npz")
    table = rates(Training(lr=1e-3, schedule="warm_restarts_per_step"), 160)
    np.testing.assert_allclose(table, stored["lr"], rtol=1e-9, atol=1e-18)


@settings(max_examples=30, deadline=None)
@given(st.integers(5, 60), st.floats(0.25, 0.8), st.floats(1.5, 30.0), st.floats(2.0, 1e4))
def test_one_cycle_is_that_of_torch(steps: int, rise: float, start: float, end: float) -> None:
    said = {"rise": rise, "start_divisor": start, "end_divisor": end}
    training = Training.model_validate({"lr": 0.1, "schedule": "onecycle", "onecycle": said})
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 0.1, total_steps=steps, pct_start=rise, div_factor=start, final_div_factor=end
    )
    swings = momenta(training, steps)
    assert swings is not None
    for rate, swing in zip(told(training, steps), swings.tolist(), strict=True):
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        assert swing == pytest.approx(optimiser.param_groups[0]["momentum"], rel=1e-9)
        optimiser.step()
        if theirs.last_epoch + 1 < steps:
            theirs.step()


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 3), st.sampled_from([0.0, 0.01]))
def test_warm_restarts_are_those_of_torch(steps: int, first: int, growth: int, lowest: float) -> None:
    said = {"first": first, "growth": growth, "lowest": lowest}
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    theirs = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimiser, first, T_mult=growth, eta_min=lowest)
    by_step = Training.model_validate({"lr": 0.1, "schedule": "warm_restarts_per_step", "restarts": said})
    by_epoch = Training.model_validate(
        {"lr": 0.1, "schedule": "warm_restarts_per_epoch", "restarts": said, "epochs": steps}
    )
    for rate, slow in zip(told(by_step, steps), told(by_epoch, 3 * steps)[1::3], strict=True):
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9, abs=1e-15)
        assert slow == rate
        optimiser.step()
        theirs.step()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_cycle_of_a_few_steps_has_finite_rates(steps: int) -> None:
    assert all(math.isfinite(rate) for rate in told(Training(schedule="onecycle"), steps))


def test_only_a_cycle_moves_momentum_and_only_where_it_is_asked_to() -> None:
    assert momenta(Training(schedule="cosine"), 10) is None
    assert momenta(Training.model_validate({"schedule": "onecycle", "onecycle": {"cycle_momentum": False}}), 10) is None


def test_a_cycle_needs_no_warmup() -> None:
    with pytest.raises(ValueError, match="rises by itself"):
        Training(schedule="onecycle", warmup=3)


def test_a_plateau_stops_at_the_lowest_rate_and_watches_the_score_it_is_given() -> None:
    said = {"schedule": "plateau", "lr": 1e-2, "plateau_patience": 0, "plateau_lowest": 4e-3, "plateau_score": "loss"}
    said_of = {"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}, "training": said}
    plateau = Plateau.of(Experiment.model_validate(said_of))
    assert (plateau.score, plateau.goal) == ("valid.loss", "min")
    assert [plateau.tell(1.0) for _ in range(4)] == [1.0, 0.5, 0.4, 0.4]
    with pytest.raises(ValueError, match="is no score"):
        Experiment.model_validate(said_of | {"training": said | {"plateau_score": "lost"}})


def test_members_with_tables_of_unlike_length_stand_side_by_side() -> None:
    trainings = Training(lr=1.0), Training(lr=2.0, warmup=2)
    assert stacked([rates(each, 5) for each in trainings]).tolist() == [[1.0, 1.0], [1.0, 2.0], [1.0, 2.0]]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0.001, 1.0) | st.just(math.nan), min_size=1, max_size=40),
    st.integers(0, 4),
    st.sampled_from(["max", "min"]),
)
def test_the_plateau_lowers_the_rate_when_torch_does(scores: list[float], patience: int, goal: Goal) -> None:
    ours = Plateau(patience, 0.5, goal)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, mode=goal, factor=0.5, patience=patience, min_lr=0.0, eps=0.0
    )
    for score in scores:
        theirs.step(score)
        assert ours.tell(score) == optimiser.param_groups[0]["lr"]
