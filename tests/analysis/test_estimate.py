"""Intervals cover what they should, and nothing is told from one seed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.estimate import difference, estimate, holm

scores = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@settings(max_examples=100, deadline=None)
@given(scores)
def test_an_estimate_agrees_with_scipy(values: list[float]) -> None:
    told = estimate(values)
    if np.std(values) < 1e-6:
        return
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (told.low, told.high) == pytest.approx((low, high), rel=1e-9, abs=1e-9)
    assert told.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-6, abs=1e-12)


def test_one_value_has_a_mean_and_no_interval() -> None:
    told = estimate([0.5])
    assert (told.n, told.mean, told.has_interval) == (1, 0.5, False)
    assert math.isnan(told.p)


def test_no_value_has_nothing() -> None:
    assert estimate([]).n == 0
    assert difference({}, {0: 1.0}).n == 0


def test_equal_values_are_certain_and_equal_differences_too() -> None:
    assert estimate([2.0, 2.0, 2.0]).p == 0.0
    assert estimate([0.0, 0.0]).p == 1.0
    assert difference({0: 3.0, 1: 4.0}, {0: 1.0, 1: 2.0}).low == 2.0


@settings(max_examples=50, deadline=None)
@given(scores, scores)
def test_groups_without_a_common_seed_are_compared_by_welch(these: list[float], those: list[float]) -> None:
    told = difference(dict(enumerate(these)), {100 + at: value for at, value in enumerate(those)})
    assert not told.paired
    if np.std(these) + np.std(those) < 1e-3:
        return
    expected = stats.ttest_ind(these, those, equal_var=False)
    assert told.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-9)
    assert (told.low, told.high) == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-6, abs=1e-6)


def test_pairs_cancel_what_seeds_share() -> None:
    hard = {seed: 10.0 * seed for seed in range(6)}
    easy = {seed: 10.0 * seed + 0.1 + 0.001 * seed for seed in range(6)}
    told = difference(easy, hard)
    assert told.paired
    assert told.n == 6
    assert told.low > 0.09


def test_a_seed_that_only_one_side_has_is_left_out_of_the_pairs() -> None:
    told = difference({0: 1.0, 1: 1.5, 2: 99.0}, {0: 0.5, 1: 0.5})
    assert (told.n, told.mean, told.paired) == (2, 0.75, True)


def test_the_other_direction_only_turns_the_sign() -> None:
    these, those = {0: 1.0, 1: 2.5, 2: 3.0}, {0: 0.5, 1: 2.0, 2: 4.0}
    one, other = difference(these, those), difference(those, these)
    assert (one.mean, one.low, one.high) == pytest.approx((-other.mean, -other.high, -other.low))
    assert one.p == pytest.approx(other.p)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_lowers_a_chance_nor_changes_an_order(chances: list[float]) -> None:
    adjusted = holm(chances)
    assert all(after >= before for before, after in zip(chances, adjusted, strict=True))
    assert all(after <= 1 for after in adjusted)
    order = sorted(range(len(chances)), key=lambda at: chances[at])
    assert sorted(adjusted[at] for at in order) == [adjusted[at] for at in order]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([math.nan, 0.01]) == pytest.approx([1.0, 0.02])


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    draws = np.random.default_rng(0).normal(3.0, 2.0, size=(4000, 5))
    covered = np.mean([told.low <= 3.0 <= told.high for told in map(estimate, draws.tolist())])
    assert 0.94 < covered < 0.96
