"""Three ways to judge a mean: each agrees with a reference, and its chances with its own intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.equivalence import tost
from lab.analysis.estimate import estimate
from lab.analysis.judging import JUDGES, NOWHERE

VALUES = np.array([0.31, -0.05, 0.42, 0.18, 0.07, 0.29, 0.33, 0.11])
T, PERMUTATION = JUDGES["paired_t"], JUDGES["paired_permutation"]


def test_the_t_test_is_the_published_one():
    assert T.apart(VALUES, 0.1) == pytest.approx(stats.ttest_1samp(VALUES, 0.1).pvalue)
    for mean in (0.1, 0.2, 0.3):
        assert T.above(VALUES, mean) == pytest.approx(stats.ttest_1samp(VALUES, mean, alternative="greater").pvalue)
    assert T.within(VALUES, 0.0, 0.4) == pytest.approx(tost(estimate(VALUES - 0.2), 0.2).p)


def test_the_permutation_test_is_the_published_one():
    def told(values, alternative):
        flips = stats.permutation_test((values,), np.sum, permutation_type="samples", alternative=alternative)
        return flips.pvalue

    for mean in (0.0, 0.1, 0.3):
        assert PERMUTATION.apart(VALUES, mean) == pytest.approx(told(VALUES - mean, "two-sided"))
        assert PERMUTATION.above(VALUES, mean) == pytest.approx(told(VALUES - mean, "greater"))


@pytest.mark.parametrize("method", JUDGES)
@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.02])
def test_an_interval_holds_the_means_that_are_not_ruled_out(method, alpha):
    judge = JUDGES[method]
    low, high = judge.interval(VALUES, alpha)
    assert low < VALUES.mean() < high
    for inside, outside in ((low + 1e-4, low - 1e-4), (high - 1e-4, high + 1e-4)):
        assert judge.apart(VALUES, inside) > alpha - 1e-4
        assert judge.apart(VALUES, outside) <= alpha + 1e-4


@pytest.mark.parametrize("method", JUDGES)
def test_both_sides_together_make_the_two_sided_chance(method):
    judge = JUDGES[method]
    sides = judge.above(VALUES, 0.1), judge.above(-VALUES, -0.1)
    assert 2 * min(sides) == pytest.approx(judge.apart(VALUES, 0.1), abs=0.02)


def test_a_permutation_test_of_few_seeds_rules_nothing_out():
    assert PERMUTATION.interval(VALUES[:5], 0.05) == NOWHERE
    low, high = PERMUTATION.interval(VALUES[:6], 0.05)
    assert (low, high) == pytest.approx((VALUES[:6].min(), VALUES[:6].max()), abs=1e-6)


@pytest.mark.parametrize("method", ["paired_t", "paired_permutation"])
def test_equal_values_leave_one_mean_possible(method):
    judge = JUDGES[method]
    assert judge.interval(np.full(8, 0.25), 0.05) == pytest.approx((0.25, 0.25))
    assert judge.apart(np.full(8, 0.25), 0.0) <= 2**-7


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 4)), min_size=4, max_size=8, unique=True), st.floats(-10, 10))
def test_moving_and_turning_a_sample_moves_and_turns_its_interval(values, shift):
    sample = np.array(values)
    for judge in (T, PERMUTATION):
        low, high = judge.interval(sample, 0.2)
        moved = judge.interval(sample + shift, 0.2)
        assert moved == pytest.approx((low + shift, high + shift), abs=1e-5)
        assert judge.interval(-sample, 0.2) == pytest.approx((-high, -low), abs=1e-6)
