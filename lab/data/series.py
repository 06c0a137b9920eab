"""Series over nodes become a data set to forecast: cut in time, scaled by the training part, windows laid over it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset, Scale, Shape
from lab.data.forecast_windows import filled
from lab.data.trends import Trend, trend_weights
from lab.data.windows import WindowSplit
from lab.errors import LabError
from lab.spec.datasets.series import OfSeries
from lab.spec.tasks import SPLITS

Numbers = NDArray[np.float64]
Starts = NDArray[np.int64]


@dataclass(frozen=True)
class Series:
    """What a source gives: values over time, and what else is known of frames and nodes."""

    values: Numbers
    """[frames, nodes] in original units, NaN where missing."""
    fed: Numbers | None = None
    """The same as models are to see them, where what is missing was filled in; `values` when absent."""
    features: Numbers | None = None
    """[frames, nodes, features] that models see besides, already scaled; or with one node, for all alike."""
    has_clock: bool = False
    """Whether the first of these features is the time of day, from 0 at midnight to 1."""
    adjacency: NDArray[np.generic] | None = None
    """[nodes, nodes] or [frames, nodes, nodes], from row to column; no graph when absent."""
    truth: NDArray[np.generic] | None = None
    """[nodes, nodes], not 0 at [i, j] where j drives i."""
    drivers: int = 0
    """The first nodes, which are seen but not forecast."""
    null: float | None = None
    """The value that marks a missing one."""
    lines: dict[str, float] = field(default_factory=dict)
    """Scores that are known of the source."""


@dataclass(frozen=True)
class Scaling:
    """How values are scaled by their training part."""

    by_node: bool = False
    without_null: bool = True


def to_dataset(series: Series, spec: OfSeries, scaling: Scaling) -> Dataset:
    """The data set of a source, its windows and parts as the spec wants them."""
    frames, nodes = series.values.shape
    starts = window_starts(frames, spec)
    scale = fitted_scale(series, training_frames(starts["train"], spec), scaling)
    x, y = (torch.from_numpy(each) for each in _scaled(series, scale))
    adjacency, trend = _graph(series, nodes), _trend(series, scale, spec)
    splits = {
        name: WindowSplit(x, adjacency, y, _in_first_sequence(each), spec.window, spec.horizon, trend)
        for name, each in starts.items()
    }
    shape = Shape(
        nodes=nodes,
        features=x.shape[3],
        targets=1,
        window=spec.window,
        horizon=spec.horizon,
        drivers=series.drivers,
        clock=int(series.has_clock),
    )
    truth = None if series.truth is None else torch.from_numpy(np.ascontiguousarray(series.truth))
    return Dataset(shape, splits, "forecast", series.lines, scale=scale, truth=truth)


def window_starts(frames: int, spec: OfSeries) -> dict[str, Starts]:
    """The first frames of the windows of each part."""
    cut = _parts_of_windows if spec.split_unit == "window" else _parts_of_frames
    bounds = cut(frames, spec)
    steps = {"train": spec.stride, "valid": spec.eval_stride, "test": spec.eval_stride}
    starts = {name: np.arange(*bounds[name], steps[name]) for name in SPLITS}
    for name, each in starts.items():
        if not len(each):
            raise LabError(
                f"{frames} frames cut {spec.split} leave no window of {spec.window} + {spec.horizon} for {name}",
                hint="shorten dataset.window or dataset.horizon, or take a longer series",
            )
    return starts


def training_frames(starts: Starts, spec: OfSeries) -> int:
    """How many of the first frames the training windows touch."""
    return int(starts[-1]) + spec.window + spec.horizon


def _parts_of_windows(frames: int, spec: OfSeries) -> dict[str, tuple[int, int]]:
    """Windows in a row, cut as published benchmarks do: training and validation rounded, the rest for the test."""
    count = max(0, frames - spec.window - spec.horizon + 1)
    train, valid, _ = spec.parts
    first, second = round(count * train / 100), round(count * valid / 100)
    return {"train": (0, first), "valid": (first, first + second), "test": (first + second, count)}


def _parts_of_frames(frames: int, spec: OfSeries) -> dict[str, tuple[int, int]]:
    train, valid, _ = spec.parts
    cuts = (0, frames * train // 100, frames * (train + valid) // 100, frames)
    back = spec.window if spec.split_unit == "targets" else 0
    return {
        name: (max(0, first - back), last - spec.window - spec.horizon + 1)
        for name, first, last in zip(SPLITS, cuts[:-1], cuts[1:], strict=True)
    }


def fitted_scale(series: Series, frames: int, scaling: Scaling) -> Scale:
    """Mean and deviation of the first frames, over all nodes or by node."""
    seen = (series.values if series.fed is None else series.fed)[:frames]
    if scaling.without_null:
        seen = np.where(is_missing(series.values[:frames], series.null), np.nan, seen)
    axis = 0 if scaling.by_node else None
    known = np.isfinite(seen).sum(axis=axis)
    mean = np.nansum(seen, axis=axis) / np.maximum(known, 1)
    spread = np.sqrt(np.nansum((seen - mean) ** 2, axis=axis) / np.maximum(known, 1))
    std = np.where(spread > 0, spread, 1.0)  # a series that stands still has nothing to scale by
    return Scale(tuple(np.atleast_1d(mean).tolist()), tuple(np.atleast_1d(std).tolist()), series.null)


def is_missing(values: Numbers, null: float | None) -> NDArray[np.bool_]:
    """Where no value is known."""
    missing = np.isnan(values)
    return missing if null is None else missing | (values == null)


def _scaled(series: Series, scale: Scale) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What models see, [1, frames, nodes, features], and what is asked, [1, frames, nodes]."""
    mean, std = np.array(scale.mean), np.array(scale.std)
    fed = ((series.values if series.fed is None else series.fed) - mean) / std
    seen = np.nan_to_num(fed, nan=0.0).astype(np.float32)[..., None]
    if series.features is not None:
        wide = np.broadcast_to(series.features.astype(np.float32), (*seen.shape[:2], series.features.shape[2]))
        seen = np.concatenate([seen, wide], axis=2)
    asked = (series.values - mean) / std
    asked[:, : series.drivers] = np.nan
    return seen[None], asked[None].astype(np.float32)


def _trend(series: Series, scale: Scale, spec: OfSeries) -> Trend | None:
    """What is taken off windows, worked out from known values only."""
    if spec.detrend == "none":
        return None
    known = np.where(is_missing(series.values, series.null), np.nan, series.values)
    values = filled((known - np.array(scale.mean)) / np.array(scale.std)).astype(np.float32)
    return Trend(torch.from_numpy(trend_weights(spec)), torch.from_numpy(values)[None])


def _graph(series: Series, nodes: int) -> torch.Tensor:
    if series.adjacency is None:
        return torch.zeros(nodes, nodes, dtype=torch.uint8)
    graph = torch.from_numpy(np.ascontiguousarray(series.adjacency))
    return graph if graph.ndim == 2 else graph[None]


def _in_first_sequence(starts: Starts) -> torch.Tensor:
    return torch.from_numpy(np.stack([np.zeros_like(starts), starts], axis=1))
