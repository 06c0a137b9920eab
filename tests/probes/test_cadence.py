"""The governor: readings are made rarer where the first steps show that they take more than their share."""

from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.probes.cadence import FIRST, Cadence

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def busy(seconds: float) -> None:
    """Work for so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def settled(every: int, max_overhead: float, *, step: float, reading: float) -> Cadence:
    """A cadence that has seen steps of so many milliseconds, of which readings took their part."""
    cadence = Cadence(every, max_overhead, CPU)
    cadence.load({"interval": every, "took": [step + reading] * FIRST, "spent": [reading] * FIRST})
    cadence.settle()
    return cadence


def test_what_keeps_to_its_share_is_left_as_it_is() -> None:
    assert settled(10, 0.02, step=40.0, reading=8.0).interval == 10


def test_what_takes_more_is_read_less_often() -> None:
    assert settled(10, 0.02, step=40.0, reading=9.0).interval == 20
    assert settled(1, 0.1, step=40.0, reading=8.0).interval == 2


@given(st.integers(1, 50), st.floats(0.01, 1), st.floats(1, 1e3), st.floats(0, 1e3))
def test_the_share_is_kept_whenever_a_thousand_steps_can_hold_it(
    every: int, share: float, step: float, reading: float
) -> None:
    cadence = settled(every, share, step=step, reading=reading)
    assert cadence.interval % every == 0 or cadence.interval == 1000
    assert cadence.interval == 1000 or reading / cadence.interval <= share * step * (1 + 1e-9)


def test_the_first_steps_are_all_read_and_later_ones_at_the_interval() -> None:
    cadence = Cadence(10, 1.0, CPU)
    assert [step for step in range(45) if cadence.is_due(step)] == [*range(20), 20, 30, 40]


def test_times_are_taken_from_the_steps_themselves() -> None:
    cadence = Cadence(1, 0.25, CPU)
    for step in range(8):
        cadence.begin(step)
        started = cadence.mark()
        busy(0.004)
        cadence.spend(started)
        busy(0.004)
        cadence.end()
        busy(0.002)
    cadence.settle()
    assert len(cadence.took) == 8
    assert 3 <= cadence.interval <= 6


def test_a_checkpoint_keeps_what_was_learnt() -> None:
    cadence = settled(10, 0.02, step=40.0, reading=30.0)
    other = Cadence(10, 0.02, CPU)
    other.load(cadence.state())
    assert other.interval == cadence.interval > 10
    other.settle()
    assert other.state() == cadence.state()
