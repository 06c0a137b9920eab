"""Looks share one error rate: by the published constants where they exist, by simulation where seeds are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.sequential import nominal, overall


@pytest.mark.parametrize(
    ("alpha", "number", "published"),
    [(0.05, 2, 0.0294), (0.05, 3, 0.0221), (0.05, 5, 0.0158), (0.01, 2, 0.0056), (0.01, 5, 0.0028)],
)
def test_many_seeds_give_the_levels_that_pocock_published(alpha, number, published):
    looks = tuple(range(60, 60 * number + 1, 60))
    assert nominal(alpha, looks) == pytest.approx(published, rel=0.06)


def test_the_level_of_a_few_seeds_is_right_by_simulation():
    looks, generator = (4, 6, 8), np.random.default_rng(11)
    values = generator.standard_normal((40_000, 8)) * generator.uniform(0.1, 10, (40_000, 1))
    chances = np.array([stats.ttest_1samp(values[:, :look], 0, axis=1).pvalue for look in looks])
    assert np.mean(chances.min(axis=0) <= nominal(0.05, looks)) == pytest.approx(0.05, abs=0.004)
    above = np.array([stats.ttest_1samp(values[:, :n], 0, axis=1, alternative="greater").pvalue for n in looks])
    assert np.mean(above.min(axis=0) <= nominal(0.05, looks, sides=1)) == pytest.approx(0.05, abs=0.004)


def test_a_single_look_costs_nothing():
    assert overall(0.03, (8,)) == 0.03
    assert nominal(0.05, (8,)) == 0.05


def test_the_same_looks_always_give_the_same_level():
    from lab.analysis import sequential

    first = nominal(0.05, (5, 7))
    sequential._lowest.cache_clear()
    sequential._drawn.cache_clear()
    assert nominal(0.05, (5, 7)) == first


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-12, 1), st.floats(1e-12, 1), st.sampled_from([(4, 6), (4, 6, 8), (8, 12)]), st.sampled_from([1, 2]))
def test_chances_over_all_looks_are_larger_in_the_same_order_and_never_above_their_sum(one, other, looks, sides):
    low, high = sorted((one, other))
    assert overall(low, looks, sides=sides) <= overall(high, looks, sides=sides) <= 1
    assert low <= overall(low, looks, sides=sides) <= len(looks) * low + 1e-15


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.0125, 0.001])
def test_level_and_chance_answer_each_other(alpha):
    looks = (6, 8, 10)
    level = nominal(alpha, looks)
    assert overall(level, looks) == pytest.approx(alpha, rel=0.01)
    assert alpha / 3 <= level <= alpha
