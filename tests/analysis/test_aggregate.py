"""Interquartile means and probabilities of improvement, as scipy and the Mann-Whitney statistic have them."""

import numpy as np
import pytest
from grids import full, noisy, table
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.aggregate import Aggregate, aggregates, interquartile_mean, probability_of_improvement

CELLS = full(a=["off", "on"], b=[0, 1, 2])
values = st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12)


def told(scores: np.ndarray, goal: str = "max") -> dict[tuple[str, object], Aggregate]:
    return {(each.factor, each.level): each for each in aggregates(table(CELLS, scores, goal=goal))}


@settings(max_examples=80, deadline=None)
@given(values)
def test_the_interquartile_mean_is_scipys_trimmed_mean(sample: list[float]) -> None:
    assert interquartile_mean(np.array(sample)) == pytest.approx(stats.trim_mean(sample, 0.25))


@settings(max_examples=80, deadline=None)
@given(values, values)
def test_the_probability_of_improvement_is_u_over_its_range(these: list[float], those: list[float]) -> None:
    u = stats.mannwhitneyu(these, those).statistic
    assert probability_of_improvement(np.array(these), np.array(those)) == pytest.approx(u / len(these) / len(those))


def test_all_scores_of_a_level_go_into_its_interquartile_mean() -> None:
    scores = np.random.default_rng(0).normal(size=(6, 5))
    assert told(scores)["a", "on"].iqm == pytest.approx(stats.trim_mean(scores[3:].ravel(), 0.25))
    assert told(scores)["b", 1].iqm == pytest.approx(stats.trim_mean(scores[[1, 4]].ravel(), 0.25))
    assert told(scores)["b", 1].cells == 2


def test_every_pair_of_cells_weighs_the_same() -> None:
    scores = np.random.default_rng(1).normal(size=(6, 5))
    scores[0, 2:] = np.nan
    pairs = [(3, 0), (4, 1), (5, 2)]
    chances = [stats.mannwhitneyu(scores[a], scores[b][~np.isnan(scores[b])]).statistic for a, b in pairs]
    expected = (chances[0] / 10 + chances[1] / 25 + chances[2] / 25) / 3
    assert told(scores)["a", "on"].improvement == pytest.approx(expected)
    assert told(scores)["a", "on"].pairs == 3


def test_improvement_means_less_where_less_is_better() -> None:
    scores = noisy(CELLS, 6, lambda cell: 9.0 * (cell["a"] == "on"))
    assert told(scores)["a", "on"].improvement == 1.0
    assert told(scores, "min")["a", "on"].improvement == 0.0


def test_the_base_level_has_a_mean_and_nothing_to_improve_on() -> None:
    base = told(noisy(CELLS, 5, lambda cell: 0.0))["a", "off"]
    assert base.against is None
    assert np.isnan(base.improvement)
    assert base.iqm_interval.is_known


def test_the_stratified_bootstrap_agrees_with_one_made_by_hand() -> None:
    scores = np.random.default_rng(3).gamma(2.0, size=(6, 8))
    generator = np.random.default_rng(99)
    means, chances = [], []
    for _ in range(3000):
        drawn = np.array([generator.choice(row, len(row)) for row in scores])
        means.append(stats.trim_mean(drawn[3:].ravel(), 0.25))
        wins = [np.mean((a[:, None] > b) + 0.5 * (a[:, None] == b)) for a, b in zip(drawn[3:], drawn[:3], strict=True)]
        chances.append(np.mean(wins))
    found = told(scores)["a", "on"]
    for interval, drawn in ((found.iqm_interval, means), (found.improvement_interval, chances)):
        low, high = np.quantile(drawn, [0.025, 0.975])
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.08 * (high - low))
        assert "stratified over 3 cells" in interval.method


def test_where_cells_do_not_differ_the_interval_holds_one_half() -> None:
    held = 0
    for seed in range(60):
        scores = np.random.default_rng(seed).normal(size=(6, 8))
        interval = told(scores)["a", "on"].improvement_interval
        held += interval.low <= 0.5 <= interval.high
    assert held / 60 > 0.85


def test_one_seed_gives_numbers_without_intervals() -> None:
    found = told(np.random.default_rng(0).normal(size=(6, 1)))["a", "on"]
    assert np.isfinite([found.iqm, found.improvement]).all()
    assert not found.iqm_interval.is_known
    assert not found.improvement_interval.is_known


def test_a_level_without_scores_is_left_out() -> None:
    scores = noisy(CELLS, 4, lambda cell: 0.0)
    scores[3:] = np.nan
    assert set(told(scores)) == {("a", "off"), ("b", 0), ("b", 1), ("b", 2)}
