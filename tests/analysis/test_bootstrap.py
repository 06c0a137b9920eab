"""Bootstrap intervals: all resamples at their chance, the same ends as elsewhere, and no interval out of nothing."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lab.analysis.bootstrap import LEAST, MOST_EXACT, bootstrap, draws_of, interval_ends, resamples

METHODS = ("studentised", "bca", "percentile")
samples = st.lists(st.floats(-100, 100).map(lambda value: round(value, 3)), min_size=4, max_size=10)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_every_resample_is_there_at_its_chance(n: int) -> None:
    drawn = resamples(n)
    expected: dict[tuple[int, ...], float] = {}
    for picked in product(range(n), repeat=n):
        counts = tuple(picked.count(value) for value in range(n))
        expected[counts] = expected.get(counts, 0.0) + n**-n
    told = {tuple((row * n).round().astype(int).tolist()): chance for row, chance in zip(*_parts(drawn), strict=True)}
    assert told == pytest.approx(expected)


def _parts(drawn: object) -> tuple[np.ndarray, np.ndarray]:
    return drawn.shares, drawn.chances  # type: ignore[attr-defined]


def test_eight_seeds_are_resampled_in_every_way_and_nine_are_drawn() -> None:
    assert resamples(MOST_EXACT).shares.shape == (math.comb(15, 7), 8)
    assert resamples(8).chances.sum() == pytest.approx(1.0)
    assert resamples(9).shares.shape == (draws_of(9), 9)
    assert (resamples(9).shares == resamples(9).shares).all()


@pytest.mark.parametrize(("method", "name"), [("bca", "BCa"), ("percentile", "percentile")])
def test_the_ends_agree_with_scipy(method: str, name: str) -> None:
    for seed, n in ((1, 7), (2, 8), (3, 14)):
        sample = np.random.default_rng(seed).gamma(2.0, size=n)
        told = bootstrap([sample], method=method)[0]  # type: ignore[arg-type]
        drawn = stats.bootstrap((sample,), np.mean, method=name, n_resamples=100_000, rng=seed).confidence_interval
        assert (told.low, told.high) == pytest.approx((drawn.low, drawn.high), abs=0.03 * (drawn.high - drawn.low))


def test_the_studentised_interval_agrees_with_one_made_by_hand() -> None:
    sample = np.array([0.3, 1.1, -0.4, 0.9, 2.0])
    error = sample.std(ddof=1) / math.sqrt(5)
    ratios = []
    for picked in product(range(5), repeat=5):
        values = sample[list(picked)]
        own = values.std(ddof=1) / math.sqrt(5)
        gap = values.mean() - sample.mean()
        ratios.append(gap / own if own > 1e-9 else math.copysign(math.inf, gap))
    told = bootstrap([sample])[0]
    for end, side in ((told.low, 1), (told.high, -1)):
        at = side * (sample.mean() - end) / error
        assert np.mean(side * np.array(ratios) > at + 1e-9) == pytest.approx(0.025, abs=0.005)
    assert told.method == "studentised paired bootstrap, all resamples"


@pytest.mark.parametrize("method", METHODS)
def test_too_few_values_make_no_interval(method: str) -> None:
    few = np.arange(LEAST[method] - 1, dtype=float)  # type: ignore[index]
    told = bootstrap([few, np.arange(6.0)], method=method)  # type: ignore[arg-type]
    assert [each.is_known for each in told] == [False, True]
    assert told[0].method == ""


@pytest.mark.parametrize("method", METHODS)
def test_equal_values_leave_no_doubt(method: str) -> None:
    told = bootstrap([np.full(6, 0.25), np.zeros(6)], method=method)  # type: ignore[arg-type]
    assert [(each.low, each.high) for each in told] == [(0.25, 0.25), (0.0, 0.0)]


@settings(max_examples=60, deadline=None)
@given(samples, st.sampled_from(METHODS))
def test_moving_and_scaling_the_values_moves_and_scales_the_interval(values: list[float], method: str) -> None:
    sample = np.array(values)
    if sample.std() < 0.1:
        return
    low, high = interval_ends(np.array([sample, 3 * sample, -sample, sample + 7]), method=method)  # type: ignore[arg-type]
    spread = sample.std()
    assert low[0] <= sample.mean() + 1e-9 * spread
    assert (low[1], high[1]) == pytest.approx((3 * low[0], 3 * high[0]), rel=1e-4, abs=1e-6 * spread)
    assert (low[3], high[3]) == pytest.approx((low[0] + 7, high[0] + 7), rel=1e-4, abs=1e-6 * spread)
    if np.isfinite([low[0], high[0]]).all():
        assert (low[2], high[2]) == pytest.approx((-high[0], -low[0]), abs=2e-2 * (high[0] - low[0]))


def test_samples_of_different_sizes_keep_their_places() -> None:
    generator = np.random.default_rng(0)
    many = [generator.normal(size=size) for size in (5, 8, 5, 12, 3)]
    told = bootstrap(many)
    for each, sample in zip(told[:4], many, strict=False):
        alone = bootstrap([sample])[0]
        assert (each.low, each.high, each.method) == (pytest.approx(alone.low), pytest.approx(alone.high), alone.method)
    assert not told[4].is_known


def test_the_order_of_the_values_changes_nothing() -> None:
    values = np.array([0.0, 1.125, 4.766, 0.0, 1.125])
    for method in METHODS:
        told = interval_ends(values[None], method=method)  # type: ignore[arg-type]
        turned = interval_ends(values[None, [4, 2, 0, 1, 3]], method=method)  # type: ignore[arg-type]
        assert np.array(told) == pytest.approx(np.array(turned))
