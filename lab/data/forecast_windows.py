"""The windows of a series as plain arrays, gaps filled and targets masked: what simple forecasts are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.data.batch import Dataset, Scale
from lab.data.windows import WindowSplit

Numbers = NDArray[np.float64]
CHUNK = 512
"""Windows that are looked at together."""


@dataclass(frozen=True)
class Windows:
    """The windows of a split, scaled."""

    past: Numbers
    """[windows, window, nodes], gaps filled with what was known before them."""
    inputs: Numbers
    """[windows, numbers]: all that is seen, side inputs that are the same at all nodes once."""
    target: Numbers
    """[windows, horizon, nodes], NaN where not scored."""

    def at(self, nodes: NDArray[np.bool_]) -> Windows:
        """The same windows, some nodes of which are asked about."""
        return Windows(self.past[:, :, nodes], self.inputs, self.target[:, :, nodes])


@dataclass(frozen=True)
class Units:
    """From scaled to original values, by node."""

    mean: Numbers
    std: Numbers
    null: float | None

    @classmethod
    def of(cls, scale: Scale | None, nodes: int) -> Units:
        """The units of a data set; one number for all nodes or one a node."""
        told = scale or Scale()
        mean, std = (np.broadcast_to(np.array(each), (nodes,)) for each in (told.mean, told.std))
        return cls(mean, std, told.null)

    def at(self, nodes: NDArray[np.bool_]) -> Units:
        """The units of some nodes."""
        return Units(self.mean[nodes], self.std[nodes], self.null)

    def original(self, scaled: Numbers) -> Numbers:
        """Values of nodes, the last axis, in original units."""
        return scaled * self.std + self.mean

    def without_null(self, scaled: Numbers) -> Numbers:
        """The same values, NaN where they mark a missing one; float32 has rounded them."""
        if self.null is None:
            return scaled
        near = 1e-5 * (np.abs(self.mean) + self.std + abs(self.null))
        return np.where(np.abs(self.original(scaled) - self.null) <= near, np.nan, scaled)


UNSCALED = Units(np.zeros(1), np.ones(1), None)


@dataclass(frozen=True)
class Parts:
    """The windows of a split a few at a time, as often as they are asked for; some nodes of them."""

    dataset: Dataset
    name: str
    nodes: NDArray[np.bool_]

    def __iter__(self) -> Iterator[Windows]:
        starts = split_of(self.dataset, self.name).starts
        return (windows_of(self.dataset, self.name, some).at(self.nodes) for some in torch.split(starts, CHUNK))


def windows_of(dataset: Dataset, name: str, starts: Tensor | None = None) -> Windows:
    """The windows of a split that have these starts, or all of them."""
    units, split = units_of(dataset), split_of(dataset, name)
    starts = split.starts if starts is None else starts
    past = past_of(split, starts, units)
    beside = _frames(split.x[:, :, 0, 1:], starts, split.window).reshape(len(past), -1)
    inputs = np.concatenate([past.reshape(len(past), -1), beside], axis=1)
    return Windows(past, inputs, target_of(split, starts, units))


def past_of(split: WindowSplit, starts: Tensor, units: Units) -> Numbers:
    """[windows, window, nodes] what is seen, gaps filled with what was known before them."""
    return filled(units.without_null(_frames(split.x[..., 0], starts, split.window)))


def target_of(split: WindowSplit, starts: Tensor, units: Units) -> Numbers:
    """[windows, horizon, nodes] what is asked, NaN where it is not scored."""
    behind = starts + torch.tensor([0, split.window])
    return units.without_null(_frames(split.y, behind, split.horizon))


def _frames(series: Tensor, starts: Tensor, count: int) -> Numbers:
    sequence, first = starts.T[:, :, None]
    found: Numbers = series[sequence, first + torch.arange(count)].double().numpy()
    return found


def training_frames(dataset: Dataset) -> Numbers:
    """[frames, nodes] all that training windows touch, gaps filled with what was known before them."""
    split = split_of(dataset, "train")
    last = int(split.starts[:, 1].max()) + split.window + split.horizon
    return filled(units_of(dataset).without_null(split.x[0, :last, :, 0].double().cpu().numpy()))


def similarity(frames: Numbers) -> Numbers:
    """[nodes, nodes] the correlations of series [frames, nodes]; one that stands still is like itself alone."""
    away = frames - frames.mean(axis=0)
    size = np.sqrt((away**2).sum(axis=0))
    scaled = away / np.where(size > 0, size, 1.0)
    found: Numbers = scaled.T @ scaled
    np.fill_diagonal(found, 1.0)
    return found


def filled(values: Numbers) -> Numbers:
    """[..., frames, nodes] with each gap as the frame before it, and as the mean, 0, where none was known before."""
    frames = np.arange(values.shape[-2])[:, None]
    latest = np.maximum.accumulate(np.where(np.isnan(values), -1, frames), axis=-2)
    return np.where(latest < 0, 0.0, np.take_along_axis(values, np.maximum(latest, 0), axis=-2))


def units_of(dataset: Dataset) -> Units:
    """How the values of a data set were scaled."""
    return Units.of(dataset.scale, dataset.shape.nodes)


def split_of(dataset: Dataset, name: str) -> WindowSplit:
    """The windows of a part of the time."""
    split = dataset.splits[name]
    assert isinstance(split, WindowSplit)
    return split
