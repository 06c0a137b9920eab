"""Seeds that would decide: the number that power analysis gives, less those there are."""

import numpy as np
import pytest
from scipy import stats

from lab.analysis.further import MOST_FURTHER, further_seeds, seeds_to_show_within
from lab.plan.power import seeds_needed, smallest_effect


def sample(mean: float, n: int = 8) -> np.ndarray:
    """A sample with exactly this mean and a standard deviation of one."""
    values = np.random.default_rng(0).normal(size=n)
    return (values - values.mean()) / values.std(ddof=1) + mean


@pytest.mark.parametrize("mean", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_a_direction_needs_what_power_analysis_says(mean, alpha):
    told = further_seeds(sample(mean), (0.0,), alpha=alpha, alpha_within=alpha, is_exact=False)
    assert told == seeds_needed(mean, alpha=alpha) - 8


def test_an_exact_test_needs_enough_seeds_to_reach_its_level():
    big = sample(5.0, 4)
    assert further_seeds(big, (0.0,), alpha=0.05, alpha_within=0.05, is_exact=True) == 2
    assert further_seeds(big, (0.0,), alpha=0.05, alpha_within=0.05, is_exact=False) == 1


def test_an_equivalence_needs_what_simulation_says():
    margin = 0.7
    seeds = seeds_to_show_within(margin, 1.0, alpha=0.05)
    draws = np.random.default_rng(1).normal(size=(20_000, seeds))
    above = stats.ttest_1samp(draws, -margin, axis=1, alternative="greater").pvalue
    below = stats.ttest_1samp(draws, margin, axis=1, alternative="less").pvalue
    assert np.mean(np.maximum(above, below) <= 0.05) == pytest.approx(0.8, abs=0.03)
    told = further_seeds(sample(0.0, 6), (-margin, margin), alpha=0.05, alpha_within=0.05, is_exact=False)
    assert told == seeds - 6


def test_beyond_the_margin_of_an_equivalence_the_nearer_one_counts():
    outside = further_seeds(sample(1.0), (-0.5, 0.5), alpha=0.05, alpha_within=0.05, is_exact=False)
    assert outside == seeds_needed(0.5) - 8


def test_out_of_reach_is_told_as_such():
    assert further_seeds(sample(0.0), (0.0,), alpha=0.05, alpha_within=0.05, is_exact=False) is None
    assert further_seeds(np.array([0.3]), (0.0,), alpha=0.05, alpha_within=0.05, is_exact=False) is None
    assert seeds_to_show_within(1e-4, 1.0, alpha=0.05) is None


def test_the_largest_number_told_still_decides():
    edge = smallest_effect(8 + MOST_FURTHER) * 1.01
    told = further_seeds(sample(edge), (0.0,), alpha=0.05, alpha_within=0.05, is_exact=False)
    assert told is not None
    assert told <= MOST_FURTHER
