"""Series are cut in time without a leak, scaled by what came first, and their windows answer what they are asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data import forecast_baselines
from lab.data.batch import Scale
from lab.data.forecast_baselines import Autoregression, point_scores, series_lines, window_mean
from lab.data.forecast_windows import UNSCALED, Units, filled, windows_of
from lab.data.load import load_dataset
from lab.data.series import Scaling, Series, to_dataset, training_frames, window_starts
from lab.errors import LabError
from lab.spec.datasets import DatasetSpec, LatentGraphSeries, OfSeries, TrafficLike, Waves
from lab.spec.datasets.series import Cut, SplitUnit
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

SMALL: dict[str, DatasetSpec] = {
    "latent": LatentGraphSeries(nodes=6, degree=2, length=400, window=8, horizon=3),
    "gaps": LatentGraphSeries(nodes=6, degree=2, length=400, window=8, horizon=3, missing=0.2, calendar=True),
    "switching": LatentGraphSeries(nodes=6, degree=2, length=400, window=8, horizon=3, switch_every=50, graph="true"),
    "traffic_like": TrafficLike(nodes=5, days=2),
    "waves": Waves(rows=400, window=24, horizon=6, mixing="sparse", graph="weighted"),
}
CUTS = st.sampled_from(["70/10/20", "60/20/20", "70/15/15", "80/10/10"])


def numbered(frames: int, nodes: int) -> Series:
    """Values that tell their frame and node."""
    return Series(100.0 * np.arange(frames)[:, None] + np.arange(nodes))


def asked(starts: np.ndarray, spec: OfSeries) -> set[int]:
    return {int(s) + spec.window + h for s in starts for h in range(spec.horizon)}


def touched(starts: np.ndarray, spec: OfSeries) -> set[int]:
    return {int(s) + t for s in starts for t in range(spec.window + spec.horizon)}


@pytest.mark.parametrize("kind", SMALL)
def test_a_dataset_of_series_keeps_the_contract(kind: str) -> None:
    check_dataset(SMALL[kind])


@pytest.mark.parametrize("kind", SMALL)
def test_it_comes_back_from_the_cache_whole(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    made, kept = SMALL[kind].build(0), load_dataset(SMALL[kind], 0)
    again = load_dataset(SMALL[kind], 0)
    assert (kept.shape, kept.scale, kept.task) == (made.shape, made.scale, "forecast")
    assert dict(again.lines) == dict(kept.lines)
    assert (made.truth is None) == (again.truth is None)
    assert made.truth is None or torch.equal(made.truth, again.truth)
    for name, split in made.splits.items():
        one, other = (each.batch(torch.arange(4), made.shape.nodes) for each in (split, again.splits[name]))
        assert torch.equal(one.x, other.x)
        assert torch.equal(one.adjacency, other.adjacency)
        assert torch.equal(one.y.nan_to_num(7), other.y.nan_to_num(7))


@given(st.integers(200, 400), CUTS, st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_parts_never_share_a_frame_to_forecast(frames: int, cut: Cut, window: int, horizon: int, stride: int) -> None:
    for unit in ("targets", "series"):
        spec = LatentGraphSeries(
            window=window, horizon=horizon, split=cut, split_unit=unit, stride=stride, eval_stride=stride
        )
        starts = window_starts(frames, spec)
        share = touched if unit == "series" else asked
        train, valid, test = (share(starts[name], spec) for name in ("train", "valid", "test"))
        assert not train & valid
        assert not valid & test
        assert not train & test
        assert max(asked(starts["train"], spec)) < min(asked(starts["valid"], spec))
        assert max(asked(starts["valid"], spec)) < min(asked(starts["test"], spec))
        assert max(touched(starts["test"], spec)) < frames
        assert training_frames(starts["train"], spec) <= min(asked(starts["valid"], spec))


@given(st.integers(60, 400), CUTS, st.integers(1, 6), st.integers(1, 6))
@settings(deadline=None, max_examples=30)
def test_cutting_the_list_of_windows_uses_every_one_of_them_once(
    frames: int, cut: Cut, window: int, horizon: int
) -> None:
    spec = LatentGraphSeries(window=window, horizon=horizon, split=cut, split_unit="window")
    starts = np.concatenate(list(window_starts(frames, spec).values()))
    assert starts.tolist() == list(range(frames - window - horizon + 1))


def test_a_stride_takes_every_so_manieth_window_of_its_part() -> None:
    every, some = (LatentGraphSeries(eval_stride=stride) for stride in (1, 4))
    one, other = window_starts(2000, every), window_starts(2000, some)
    assert one["test"][::4].tolist() == other["test"].tolist()
    assert one["train"].tolist() == other["train"].tolist()


@pytest.mark.parametrize("unit", ["targets", "series", "window"])
def test_a_series_that_is_too_short_is_told(unit: SplitUnit) -> None:
    with pytest.raises(LabError, match=r"no window of 24 \+ 12 for"):
        window_starts(40, LatentGraphSeries(split_unit=unit))


def test_windows_show_and_ask_for_the_right_frames_of_the_right_nodes() -> None:
    spec = Waves(waves=3, targets=2, window=10, horizon=4)
    dataset = to_dataset(numbered(300, 5), spec, Scaling(by_node=True))
    mean, std = torch.tensor(dataset.scale.mean), torch.tensor(dataset.scale.std)
    for split in dataset.splits.values():
        at = torch.tensor([0, len(split) // 2, len(split) - 1])
        batch, first = split.batch(at, 5), split.starts[at, 1]
        frames = first[:, None, None] + torch.arange(10)[:, None]
        torch.testing.assert_close(batch.x[..., 0] * std + mean, 100.0 * frames + torch.arange(5), rtol=0, atol=0.01)
        frames = first[:, None, None] + 10 + torch.arange(4)[:, None]
        torch.testing.assert_close(batch.y * std + mean, 100.0 * frames + torch.arange(5), rtol=0, atol=0.01)


def test_the_scale_is_of_the_training_part_alone_and_of_known_values() -> None:
    random = np.random.default_rng(0)
    values = random.normal(50, 5, size=(300, 4))
    values[::7, 1] = 0
    spec = LatentGraphSeries(window=8, horizon=3)
    later = values.copy()
    later[210:] += 1000
    scales = [to_dataset(Series(each, null=0.0), spec, Scaling(by_node=True)).scale for each in (values, later)]
    assert scales[0] == scales[1]
    known = np.where(values == 0, np.nan, values)[:210]
    np.testing.assert_allclose(scales[0].mean, np.nanmean(known, axis=0))
    np.testing.assert_allclose(scales[0].std, np.nanstd(known, axis=0))
    whole = to_dataset(Series(values, null=0.0), spec, Scaling(without_null=False)).scale
    np.testing.assert_allclose((*whole.mean, *whole.std), (values[:210].mean(), values[:210].std()))


def test_a_series_that_stands_still_is_not_divided_by_nothing() -> None:
    values = np.ones((300, 3)) * [1.0, 2.0, 3.0]
    dataset = to_dataset(Series(values), LatentGraphSeries(window=8, horizon=3), Scaling(by_node=True))
    assert dataset.scale.std == (1.0, 1.0, 1.0)
    assert torch.isfinite(dataset.splits["train"].x).all()


def test_what_is_not_known_is_never_asked_and_never_breaks_a_model() -> None:
    values = np.random.default_rng(0).normal(size=(300, 3))
    values[5::9, 2] = np.nan
    split = to_dataset(Series(values), LatentGraphSeries(window=8, horizon=3), Scaling()).splits["train"]
    assert torch.isfinite(split.x).all()
    assert torch.equal(split.y[0].isnan(), torch.from_numpy(np.isnan(values)))


@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.sampled_from([0.0, -1.0, -9999.0]))
@settings(deadline=None, max_examples=100)
def test_what_marks_a_missing_value_is_known_again_after_rounding(mean: float, std: float, null: float) -> None:
    units = Units.of(Scale((mean,), (std,), null), 1)
    values = np.array([null, null + 0.01 * (abs(mean) + std + abs(null))])
    scaled = ((values - mean) / std).astype(np.float32).astype(np.float64)
    assert np.isnan(units.without_null(scaled)).tolist() == [True, False]


def test_gaps_are_filled_from_the_past_and_with_the_mean_where_there_is_none() -> None:
    gap = np.nan
    values = np.array([[gap, 1.0], [2.0, gap], [gap, gap], [5.0, 3.0]])
    assert filled(values).tolist() == [[0, 1], [2, 1], [2, 1], [5, 3]]


def test_simple_forecasts_are_what_their_names_say() -> None:
    past = np.array([[[1.0], [3.0]]])
    assert window_mean(past, 3)[0, :, 0].tolist() == [2.0, 2.5, 2.25]
    halves = Autoregression(np.array([1.0]), np.array([[0.5]]))
    assert halves.forecast(past, 3)[0, :, 0].tolist() == [2.0, 1.5, 1.25]


def test_errors_are_told_step_by_step_up_to_a_step_and_without_what_is_missing() -> None:
    target = np.zeros((2, 3, 2))
    target[0, 1, 0] = np.nan
    forecast = np.broadcast_to(np.array([1.0, 2.0, 4.0])[:, None], target.shape)
    told = point_scores(forecast, target, UNSCALED)
    assert (told["mae_1"], told["mae_2"], told["mae_3"]) == (1, 2, 4)
    assert told["mae"] == told["mae_to_3"] == pytest.approx((4 + 6 + 16) / 11)
    assert told["rmse"] == pytest.approx(np.sqrt((4 + 12 + 64) / 11))
    assert told["rmse_3"] == pytest.approx(4)


def test_known_lines_do_not_depend_on_how_many_windows_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = SMALL["gaps"].build(0)
    lines = series_lines(dataset)
    monkeypatch.setattr(forecast_baselines, "CHUNK", 7)
    assert series_lines(dataset) == pytest.approx(lines)
    assert len(windows_of(dataset, "test").past) % 7


def test_a_line_is_fitted_on_the_training_part_alone() -> None:
    values = np.random.default_rng(0).normal(size=(300, 3)).cumsum(axis=0)
    later = values.copy()
    later[240:] = 0
    spec = LatentGraphSeries(window=8, horizon=3)
    one, other = (
        forecast_baselines.training_frames(to_dataset(Series(each), spec, Scaling())) for each in (values, later)
    )
    assert np.array_equal(one, other)
    assert len(one) == 210
