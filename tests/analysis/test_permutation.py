"""The paired permutation test: Fisher's own count, scipy's p, and never below what so few pairs allow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.permutation import permutation_p
from lab.plan.power import lowest_p

MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Darwin's crossed less self-fertilised maize, in eighths of an inch (Fisher 1935, section 21)."""


def test_fisher_counted_863_of_16384_ways_on_each_side() -> None:
    assert permutation_p(np.array(MAIZE, dtype=float)) == pytest.approx(2 * 863 / 2**15)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=9))
def test_it_agrees_with_scipy(values: list[float]) -> None:
    sample = np.array(values)
    expected = stats.permutation_test((sample,), np.sum, permutation_type="samples", n_resamples=10_000).pvalue
    assert permutation_p(sample) == pytest.approx(expected)


@pytest.mark.parametrize("n", [2, 5, 8, 16])
def test_the_clearest_of_differences_reaches_the_lowest_p(n: int) -> None:
    assert permutation_p(np.linspace(1, 2, n)) == pytest.approx(lowest_p(n))


def test_more_than_sixteen_pairs_are_drawn_and_come_close() -> None:
    values = np.random.default_rng(0).normal(0.4, 1.0, 40)
    assert permutation_p(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert permutation_p(values) == permutation_p(values)
    assert permutation_p(np.full(40, 1.0)) > 0


def test_no_difference_at_all_is_no_evidence() -> None:
    assert permutation_p(np.zeros(6)) == 1.0
    assert np.isnan(permutation_p(np.empty(0)))
