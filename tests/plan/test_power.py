from __future__ import annotations

import math

import pytest

from lab.plan.power import lowest_p, seeds_needed, smallest_effect


@pytest.mark.parametrize(("n", "effect"), [(3, 3.26), (5, 1.68), (8, 1.16), (12, 0.89)])
def test_matches_the_known_sizes(n, effect):
    assert smallest_effect(n) == pytest.approx(effect, abs=0.005)


@pytest.mark.parametrize("n", [3, 5, 8, 30, 300])
@pytest.mark.parametrize("alpha", [0.05, 0.0125, 0.001])
def test_the_test_finds_it_with_the_power_asked(n, alpha):
    from scipy import stats

    effect = smallest_effect(n, alpha=alpha, power=0.8)
    critical, shift = stats.t.ppf(1 - alpha / 2, n - 1), effect * math.sqrt(n)
    found = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
    assert found == pytest.approx(0.8, abs=1e-6)


def test_scales_with_the_spread_and_never_shows_with_one_pair():
    assert smallest_effect(8, 0.0066) == pytest.approx(0.0066 * smallest_effect(8))
    assert smallest_effect(1) == math.inf


def test_an_exact_test_is_bounded_by_its_permutations():
    assert lowest_p(3) == 0.25
    assert lowest_p(5) == 0.0625
    assert lowest_p(1) == 1.0
    assert lowest_p(100_000) == 0.0


@pytest.mark.parametrize("effect", [0.05, 0.3, 0.9, 1.7])
def test_as_many_seeds_are_needed_as_show_the_effect(effect):
    n = seeds_needed(effect)
    assert n is not None
    assert smallest_effect(n) <= effect
    assert smallest_effect(n - 1) > effect or lowest_p(n - 1) > 0.05


def test_an_effect_of_nothing_needs_more_seeds_than_there_are():
    assert seeds_needed(0.0) is None
    assert seeds_needed(1e-9) is None


def test_large_effects_still_need_the_seeds_of_an_exact_test():
    assert seeds_needed(100.0) == 6
