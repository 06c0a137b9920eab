"""Trends of windows: only their own past makes them, and what is taken off can be given back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data import cache
from lab.data.batch import Batch, Dataset
from lab.data.forecast_windows import filled
from lab.data.trends import moving_average, polynomial
from lab.data.windows import WindowSplit
from lab.spec.datasets import DatasetSpec, LatentGraphSeries, TrafficLike, Waves
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

TRENDS: dict[str, dict[str, Any]] = {
    "mean": {"detrend": "moving_average", "detrend_frames": 3},
    "line": {"detrend": "savgol_poly"},
    "parabola": {"detrend": "savgol_poly", "detrend_order": 2, "detrend_damping": 1.0},
}
SMALL: dict[str, tuple[type[DatasetSpec], dict[str, Any]]] = {
    "plain": (LatentGraphSeries, {"length": 300, "window": 8, "horizon": 4, "calendar": True}),
    "gaps": (LatentGraphSeries, {"length": 300, "window": 8, "horizon": 4, "missing": 0.2}),
    "traffic": (
        TrafficLike,
        {"nodes": 4, "days": 2, "missing": 0.3, "scaler": "per_node", "input_impute": "mask_channel"},
    ),
    "drivers": (Waves, {"rows": 400, "window": 12, "horizon": 4}),
}


def data_of(name: str, trend: dict[str, Any] | None = None) -> Dataset:
    kind, options = SMALL[name]
    dataset: Dataset = kind.model_validate(options | (trend or {})).build(0)
    return dataset


def split_of(dataset: Dataset, name: str = "test") -> WindowSplit:
    split = dataset.splits[name]
    assert isinstance(split, WindowSplit)
    return split


def whole(split: WindowSplit) -> Batch:
    return split.batch(torch.arange(len(split)), split.nodes)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("name", SMALL)
def test_what_is_taken_off_can_be_given_back(name: str, trend: str) -> None:
    plain, less = (whole(split_of(data_of(name, each))) for each in (None, TRENDS[trend]))
    assert plain.trend is None
    assert less.trend is not None
    assert torch.equal(less.y.isnan(), plain.y.isnan())
    torch.testing.assert_close(less.y + less.trend, plain.y, rtol=0, atol=1e-5, equal_nan=True)
    assert torch.equal(less.x[..., 1:], plain.x[..., 1:])  # a calendar, marks of gaps, side inputs
    assert not torch.allclose(less.x[..., 0], plain.x[..., 0], atol=1e-2)
    assert torch.equal(less.adjacency, plain.adjacency)


@pytest.mark.parametrize("trend", TRENDS)
def test_the_contract_of_data_sets_holds_with_a_trend(trend: str) -> None:
    kind, options = SMALL["gaps"]
    check_dataset(kind.model_validate(options | TRENDS[trend]))


@given(
    name=st.sampled_from(sorted(SMALL)),
    trend=st.sampled_from(sorted(TRENDS)),
    place=st.floats(0, 1),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None)
def test_another_future_changes_no_input_and_no_trend(name: str, trend: str, place: float, seed: int) -> None:
    split = split_of(data_of(name, TRENDS[trend]))
    assert split.trend is not None
    at = torch.tensor([round(place * (len(split) - 1))])
    first = int(split.starts[at, 1]) + split.window
    random = torch.Generator().manual_seed(seed)
    x, y, values = (each.clone() for each in (split.x, split.y, split.trend.values))
    for series in (x, y, values):
        series[:, first:] = torch.randn(series[:, first:].shape, generator=random)
    other = replace(split, x=x, y=y, trend=replace(split.trend, values=values))
    one, another = split.batch(at, split.nodes), other.batch(at, split.nodes)
    assert torch.equal(one.x, another.x)
    assert one.trend is not None
    assert another.trend is not None
    assert torch.equal(one.trend, another.trend)
    assert not torch.equal(one.y, another.y)


@pytest.mark.parametrize("trend", TRENDS)
def test_the_values_behind_trends_look_back_only(trend: str) -> None:
    told = split_of(data_of("gaps", TRENDS[trend])).trend
    assert told is not None
    series = np.random.default_rng(0).normal(size=(40, 3))
    series[np.random.default_rng(1).random(series.shape) < 0.4] = np.nan
    assert np.array_equal(filled(series)[:25], filled(series[:25]))
    assert told.values.isfinite().all()


def test_a_window_on_the_trend_has_nothing_left() -> None:
    time = np.arange(10.0)
    for order, series in ((1, 3 - 0.5 * time), (2, 3 - 0.5 * time + 0.1 * time**2)):
        weights = polynomial(6, 4, order=order, damping=1.0)
        assert weights @ series[:6] == pytest.approx(series)
    assert moving_average(6, 4, 3) @ np.full(6, 2.0) == pytest.approx(np.full(10, 2.0))


def test_a_moving_average_is_of_the_frames_before_and_is_held_on() -> None:
    told = moving_average(4, 2, 3) @ np.array([1.0, 3.0, 8.0, 10.0])
    assert told == pytest.approx([1, 2, 4, 7, 7, 7])
    assert moving_average(4, 1, 99)[-1] == pytest.approx([0.25] * 4)


def test_a_damped_polynomial_leaves_with_its_slope_and_comes_to_rest() -> None:
    line = np.arange(8.0)
    held, damped, free = (polynomial(8, 200, order=1, damping=each) @ line for each in (0.0, 0.9, 1.0))
    assert held[8:] == pytest.approx(7)
    assert free[8:] == pytest.approx(np.arange(8, 208))
    assert damped[8] == pytest.approx(7.9)
    assert damped[-1] == pytest.approx(7 + 9)


@given(window=st.integers(1, 30), horizon=st.integers(1, 20), order=st.sampled_from([1, 2]), damping=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_every_trend_moves_with_the_level_of_its_series(window: int, horizon: int, order: int, damping: float) -> None:
    for weights in (polynomial(window, horizon, order=order, damping=damping), moving_average(window, horizon, 5)):
        assert weights.shape == (window + horizon, window)
        assert weights.sum(axis=1) == pytest.approx(np.ones(window + horizon))


def test_gaps_do_not_bend_a_trend_and_leave_no_window_without_one() -> None:
    split = split_of(data_of("gaps", TRENDS["line"]), "train")
    assert split.trend is not None
    mark = split.y.min()  # what marks a gap lies below every value
    assert (split.y == mark).any()
    assert (split.trend.values > mark).all()


def test_a_trend_is_kept_in_the_cache_and_goes_along_to_another_device(tmp_path: Path) -> None:
    dataset = data_of("plain", TRENDS["line"])
    dataset = replace(dataset, sha256=cache.content_hash(dataset))
    cache.write(dataset, tmp_path / "kept.safetensors")
    found = cache.read(tmp_path / "kept.safetensors")
    assert found is not None
    for other in (found, dataset.to(torch.device("cpu"))):
        one, another = whole(split_of(dataset)), whole(split_of(other))
        assert torch.equal(one.x, another.x)
        assert one.trend is not None
        assert another.trend is not None
        assert torch.equal(one.trend, another.trend)
    assert dataset.sha256 != cache.content_hash(data_of("plain"))


def test_some_windows_of_a_batch_keep_their_trends() -> None:
    batch = whole(split_of(data_of("plain", TRENDS["mean"])))
    some = batch.only(torch.tensor([4, 1]))
    assert batch.trend is not None
    assert some.trend is not None
    assert torch.equal(some.trend, batch.trend[[4, 1]])
    assert some.ids.tolist() == [4, 1]
