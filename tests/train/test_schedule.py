"""The learning rate over time: pure tables, and a plateau that follows torch's."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.spec.experiment import Training
from lab.train.schedule import Goal, Plateau, rates, stacked

pytestmark = pytest.mark.torch


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
