"""Equivalence: the two one-sided tests of statsmodels, and the smallest margin just where they turn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.weightstats import ttost_paired

from lab.analysis.equivalence import smallest_margin, tost
from lab.analysis.estimate import Estimate, difference, estimate


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=10), st.floats(0.05, 2))
def test_it_agrees_with_statsmodels(values: list[float], margin: float) -> None:
    sample = np.array(values)
    if sample.std() < 1e-3:
        return
    expected, *_ = ttost_paired(sample, np.zeros(len(sample)), -margin, margin)
    assert tost(estimate(values), margin).p == pytest.approx(expected, rel=1e-6, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=10))
def test_it_is_shown_from_the_smallest_margin_on(values: list[float]) -> None:
    told = estimate(values)
    if told.sd < 1e-3:
        return
    margin = smallest_margin(told)
    assert tost(told, margin * 1.001).is_shown()
    assert not tost(told, margin * 0.999).is_shown()


def test_the_narrow_interval_lies_inside_the_margin_just_when_it_is_shown() -> None:
    told = estimate([0.01, -0.02, 0.015, 0.0, -0.01])
    for margin in (0.005, 0.01, 0.02, 0.05):
        result = tost(told, margin)
        assert result.is_shown() == (-margin < result.low and result.high < margin)


def test_no_difference_found_is_not_equivalence() -> None:
    noisy = estimate([1.0, -1.2, 0.7, -0.6])
    assert noisy.p > 0.5
    assert not tost(noisy, 0.5).is_shown()


def test_one_seed_shows_nothing() -> None:
    assert math.isnan(tost(estimate([0.0]), 1.0).p)
    assert not tost(Estimate(0), 1.0).is_shown()
    assert math.isnan(smallest_margin(estimate([0.0])))


def test_equal_differences_are_within_any_larger_margin() -> None:
    told = estimate([0.1, 0.1, 0.1])
    assert tost(told, 0.2).is_shown()
    assert not tost(told, 0.05).is_shown()
    assert smallest_margin(told) == pytest.approx(0.1)


def test_groups_without_common_seeds_are_tested_by_welch() -> None:
    told = difference({0: 1.0, 1: 1.1, 2: 0.9}, {10: 1.0, 11: 1.05, 12: 0.95})
    assert not told.paired
    assert tost(told, 0.5).is_shown()
