"""Known lines of series: what forecasts without a network reach, fitted on the training windows only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.forecast_windows import (
    Units,
    Windows,
    past_of,
    split_of,
    target_of,
    training_frames,
    units_of,
    windows_of,
)
from lab.exact import gaussian

Numbers = NDArray[np.float64]
Rule = Callable[[Numbers, int], Numbers]
"""From the past and a horizon to a forecast, [windows, horizon, nodes]."""
RIDGE = 1.0
"""Pull towards zero of a vector autoregression, on scaled values."""
WINDOW_RIDGE = 50.0
"""The same of a regression on whole windows."""
CHUNK = 512
"""Windows that are looked at together."""
TO_EVERY = 3
"""Errors up to a step are told for every third one."""


def series_lines(dataset: Dataset) -> dict[str, float]:
    """Mean, mean of the window, last value, and autoregressions with and without the other nodes."""
    units, test, frames = units_of(dataset), split_of(dataset, "test"), training_frames(dataset)
    rules: dict[str, Rule] = {
        "mean": lambda past, horizon: np.broadcast_to(frames.mean(axis=0), (len(past), horizon, past.shape[2])),
        "mean of the window": window_mean,
        "last value": last_value,
        "AR(1)": Autoregression.fitted(frames, alone=True).forecast,
        "VAR(1) ridge": Autoregression.fitted(frames, alone=False).forecast,
    }
    sums = {name: np.zeros((3, test.horizon)) for name in rules}
    for starts in torch.split(test.starts, CHUNK):
        past, target = past_of(test, starts, units), target_of(test, starts, units)
        for name, rule in rules.items():
            sums[name] += step_sums((rule(past, test.horizon) - target) * units.std)
    return {f"{score}: {name}": value for name, each in sums.items() for score, value in of_sums(each).items()}


def gaussian_lines(dataset: Dataset) -> dict[str, float]:
    """Climatology, the last value and a ridge regression on the window, each with a normal residual."""
    train, test = windows_of(dataset, "train"), windows_of(dataset, "test")
    scored = np.arange(dataset.shape.nodes) >= dataset.shape.drivers
    units, train, test = units_of(dataset).at(scored), train.at(scored), test.at(scored)
    told: dict[str, float] = {}
    for name, (mean, std) in gaussian_forecasts(train, test).items():
        told |= {f"{score}: {name}": value for score, value in gaussian_scores(mean, std, test.target, units).items()}
    return told


def gaussian_forecasts(train: Windows, test: Windows) -> dict[str, tuple[Numbers, Numbers]]:
    """Means and deviations by name, [windows, horizon, nodes] or what spreads to it; deviations are of the training."""
    horizon = train.target.shape[1]
    centre, spread = np.nanmean(train.target, axis=(0, 1)), np.nanstd(train.target, axis=(0, 1))
    fitted, forecast = window_ridge(train, test)
    persistent = last_value(train.past, horizon) - train.target
    return {
        "climatology": (np.broadcast_to(centre, test.target.shape), spread),
        "last value": (last_value(test.past, horizon), np.sqrt(np.nanmean(persistent**2, axis=0))),
        "ridge on the window": (forecast, np.sqrt(np.nanmean((fitted - train.target) ** 2, axis=0))),
    }


def window_mean(past: Numbers, horizon: int) -> Numbers:
    """The mean of the window, which each forecast enters as if it had come true."""
    window, told = past.shape[1], past
    for _ in range(horizon):
        told = np.concatenate([told, told[:, -window:].mean(axis=1, keepdims=True)], axis=1)
    return told[:, window:]


def last_value(past: Numbers, horizon: int) -> Numbers:
    """The last frame, over and over."""
    return np.repeat(past[:, -1:], horizon, axis=1)


@dataclass(frozen=True)
class Autoregression:
    """Least squares from one frame to the next."""

    centre: Numbers
    step: Numbers
    """[nodes, nodes] what the node of the row gives to that of the column, as distances from the centre."""

    @classmethod
    def fitted(cls, frames: Numbers, *, alone: bool) -> Autoregression:
        """Every node `alone`, or from all of them with some pull towards zero."""
        centre = frames.mean(axis=0)
        before, after = frames[:-1] - centre, frames[1:] - centre
        if alone:
            return cls(centre, np.diag((before * after).sum(axis=0) / np.maximum((before**2).sum(axis=0), 1e-12)))
        gram = before.T @ before + RIDGE * np.eye(len(centre))
        return cls(centre, np.linalg.solve(gram, before.T @ after))

    def forecast(self, past: Numbers, horizon: int) -> Numbers:
        """Step after step, from the last frame on."""
        told, now = [], past[:, -1] - self.centre
        for _ in range(horizon):
            now = now @ self.step
            told.append(now + self.centre)
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
    return of_sums(step_sums((forecast - target) * units.std))


def step_sums(error: Numbers) -> Numbers:
    """[3, horizon] how many errors are known at each step, the sum of their sizes, and that of their squares."""
    known = np.isfinite(error)
    return np.stack([known.sum(axis=(0, 2)), np.nansum(np.abs(error), axis=(0, 2)), np.nansum(error**2, axis=(0, 2))])


def of_sums(sums: Numbers) -> dict[str, float]:
    """The scores that such sums make."""
    count, absolute, square = sums
    told: dict[str, float] = {}
    for name, each, power in (("mae", absolute, 1.0), ("rmse", square, 0.5)):
        steps = each / np.maximum(count, 1)
        up_to = np.cumsum(each) / np.maximum(np.cumsum(count), 1)
        told[name] = float(up_to[-1] ** power)
        told |= {f"{name}_{at}": float(value**power) for at, value in enumerate(steps, start=1)}
        told |= {f"{name}_to_{at}": float(up_to[at - 1] ** power) for at in range(TO_EVERY, len(each) + 1, TO_EVERY)}
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
