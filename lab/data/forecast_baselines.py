"""Known lines of series: what forecasts without a network reach, fitted on the training windows only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset, Scale
from lab.data.windows import WindowSplit
from lab.exact import gaussian

Numbers = NDArray[np.float64]
RIDGE = 1.0
"""Pull towards zero of a vector autoregression, on scaled values."""
WINDOW_RIDGE = 50.0
"""The same of a regression on whole windows."""
TO_EVERY = 3
"""Errors up to a step are told for every third one."""


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
        return np.where(
            np.abs(self.original(scaled) - self.null) < 1e-5 * (np.abs(self.mean) + self.std), np.nan, scaled
        )


UNSCALED = Units(np.zeros(1), np.ones(1), None)


def series_lines(dataset: Dataset) -> dict[str, float]:
    """Mean, mean of the window, last value, and autoregressions with and without the other nodes."""
    units = _units(dataset)
    test, frames = windows_of(dataset, "test"), training_frames(dataset)
    horizon = test.target.shape[1]
    forecasts = {
        "mean": np.broadcast_to(frames.mean(axis=0), test.target.shape),
        "mean of the window": window_mean(test.past, horizon),
        "last value": np.repeat(test.past[:, -1:], horizon, axis=1),
        "AR(1)": autoregression(frames, test.past, horizon, alone=True),
        "VAR(1) ridge": autoregression(frames, test.past, horizon, alone=False),
    }
    told: dict[str, float] = {}
    for name, forecast in forecasts.items():
        told |= {f"{score}: {name}": value for score, value in point_scores(forecast, test.target, units).items()}
    return told


def gaussian_lines(dataset: Dataset) -> dict[str, float]:
    """Climatology, the last value and a ridge regression on the window, each with a normal residual."""
    train, test = windows_of(dataset, "train"), windows_of(dataset, "test")
    scored = np.arange(dataset.shape.nodes) >= dataset.shape.drivers
    units, train, test = _units(dataset).at(scored), train.at(scored), test.at(scored)
    told: dict[str, float] = {}
    for name, (mean, std) in gaussian_forecasts(train, test).items():
        told |= {f"{score}: {name}": value for score, value in gaussian_scores(mean, std, test.target, units).items()}
    return told


def gaussian_forecasts(train: Windows, test: Windows) -> dict[str, tuple[Numbers, Numbers]]:
    """Means and deviations by name, [windows, horizon, nodes] or what spreads to it; deviations are of the training."""
    horizon = train.target.shape[1]
    centre, spread = np.nanmean(train.target, axis=(0, 1)), np.nanstd(train.target, axis=(0, 1))
    fitted, forecast = window_ridge(train, test)
    persistent = np.repeat(train.past[:, -1:], horizon, axis=1) - train.target
    return {
        "climatology": (np.broadcast_to(centre, test.target.shape), spread),
        "last value": (np.repeat(test.past[:, -1:], horizon, axis=1), np.sqrt(np.nanmean(persistent**2, axis=0))),
        "ridge on the window": (forecast, np.sqrt(np.nanmean((fitted - train.target) ** 2, axis=0))),
    }


def windows_of(dataset: Dataset, name: str) -> Windows:
    """All windows of a split."""
    split = _split(dataset, name)
    sequence, first = split.starts.T[:, :, None]
    seen = split.x[sequence, first + torch.arange(split.window)].double().numpy()
    asked = split.y[sequence, first + split.window + torch.arange(split.horizon)].double().numpy()
    units, beside = _units(dataset), seen[:, :, 0, 1:].reshape(len(seen), -1)
    past = filled(units.without_null(seen[..., 0]))
    inputs = np.concatenate([past.reshape(len(past), -1), beside], axis=1)
    return Windows(past, inputs, units.without_null(asked))


def training_frames(dataset: Dataset) -> Numbers:
    """[frames, nodes] all that training windows touch, gaps filled with what was known before them."""
    split = _split(dataset, "train")
    last = int(split.starts[:, 1].max()) + split.window + split.horizon
    return filled(_units(dataset).without_null(split.x[0, :last, :, 0].double().numpy()))


def filled(values: Numbers) -> Numbers:
    """[..., frames, nodes] with each gap as the frame before it, and as the mean, 0, where none was known before."""
    frames = np.arange(values.shape[-2])[:, None]
    latest = np.maximum.accumulate(np.where(np.isnan(values), -1, frames), axis=-2)
    return np.where(latest < 0, 0.0, np.take_along_axis(values, np.maximum(latest, 0), axis=-2))


def window_mean(past: Numbers, horizon: int) -> Numbers:
    """The mean of the window, which each forecast enters as if it had come true."""
    window, told = past.shape[1], past
    for _ in range(horizon):
        told = np.concatenate([told, told[:, -window:].mean(axis=1, keepdims=True)], axis=1)
    return told[:, window:]


def autoregression(frames: Numbers, past: Numbers, horizon: int, *, alone: bool) -> Numbers:
    """Least squares from one frame to the next, step after step; every node `alone` or from all of them."""
    centre = frames.mean(axis=0)
    before, after = frames[:-1] - centre, frames[1:] - centre
    if alone:
        step = np.diag((before * after).sum(axis=0) / np.maximum((before**2).sum(axis=0), 1e-12))
    else:
        step = np.linalg.solve(before.T @ before + RIDGE * np.eye(len(centre)), before.T @ after)
    told, now = [], past[:, -1] - centre
    for _ in range(horizon):
        now = now @ step
        told.append(now + centre)
    return np.stack(told, axis=1)


def window_ridge(train: Windows, test: Windows) -> tuple[Numbers, Numbers]:
    """Every target from all that its window shows: what is fitted, and what is forecast."""
    centre = train.inputs.mean(axis=0)
    inputs, wanted = train.inputs - centre, np.nan_to_num(train.target).reshape(len(train.target), -1)
    level = wanted.mean(axis=0)
    gram = inputs.T @ inputs + WINDOW_RIDGE * np.eye(inputs.shape[1])
    weights = np.linalg.solve(gram, inputs.T @ (wanted - level))
    fitted, forecast = ((windows.inputs - centre) @ weights + level for windows in (train, test))
    return fitted.reshape(train.target.shape), forecast.reshape(test.target.shape)


def point_scores(forecast: Numbers, target: Numbers, units: Units) -> dict[str, float]:
    """Errors in original units: over all steps, at each step, and up to some."""
    error = (forecast - target) * units.std
    known = np.isfinite(error).sum(axis=(0, 2))
    by_step = {"mae": np.nansum(np.abs(error), axis=(0, 2)), "rmse": np.nansum(error**2, axis=(0, 2))}
    told: dict[str, float] = {}
    for name, sums in by_step.items():
        told[name] = _rooted(name, sums.sum() / known.sum())
        for step in range(1, len(sums) + 1):
            told[f"{name}_{step}"] = _rooted(name, sums[step - 1] / known[step - 1])
            if step % TO_EVERY == 0:
                told[f"{name}_to_{step}"] = _rooted(name, sums[:step].sum() / known[:step].sum())
    return told


def gaussian_scores(mean: Numbers, std: Numbers, target: Numbers, units: Units) -> dict[str, float]:
    """Errors and probabilistic scores in original units, and the main ones of scaled values."""
    here = gaussian.scores(units.original(target), units.original(mean), std * units.std)
    scaled = gaussian.scores(target, mean, std)
    error = (mean - target)[np.isfinite(target)]
    return {
        **point_scores(mean, target, units),
        **here,
        **{f"scaled_{name}": scaled[name] for name in ("nll", "crps", "width_90")},
        "scaled_mae": float(np.abs(error).mean()),
        "scaled_rmse": float(np.sqrt((error**2).mean())),
    }


def _rooted(name: str, mean: float) -> float:
    return float(np.sqrt(mean) if name == "rmse" else mean)


def _units(dataset: Dataset) -> Units:
    return Units.of(dataset.scale, dataset.shape.nodes)


def _split(dataset: Dataset, name: str) -> WindowSplit:
    split = dataset.splits[name]
    assert isinstance(split, WindowSplit)
    return split
