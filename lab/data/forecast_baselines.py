"""Known lines of series: what forecasts without a network reach on each held-out split, fitted on the training part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset
from lab.data.forecast_windows import (
    CHUNK,
    Parts,
    Units,
    Windows,
    past_of,
    split_of,
    target_of,
    training_frames,
    units_of,
)
from lab.data.windows import WindowSplit
from lab.exact import gaussian
from lab.spec.tasks import HELD_OUT, lines_on

Numbers = NDArray[np.float64]
Rule = Callable[[Numbers, int], Numbers]
"""From the past and a horizon to a forecast, [windows, horizon, nodes]."""
Density = Callable[[Windows], tuple[Numbers, Numbers]]
"""From windows to means and deviations, [windows, horizon, nodes] or what spreads to it."""
RIDGE = 1.0
"""Pull towards zero of a vector autoregression, on scaled values."""
WINDOW_RIDGE = 50.0
"""The same of a regression on whole windows."""
TO_EVERY = 3
"""Errors up to a step are told for every third one."""


def series_lines(dataset: Dataset) -> dict[str, float]:
    """Mean, mean of the window, last value, and autoregressions with and without the other nodes."""
    rules, units = _rules(training_frames(dataset)), units_of(dataset)
    told: dict[str, float] = {}
    for name in HELD_OUT:
        for rule, sums in _sums_on(split_of(dataset, name), rules, units).items():
            told |= lines_on(name, {f"{score}: {rule}": value for score, value in of_sums(sums).items()})
    return told


def _rules(frames: Numbers) -> dict[str, Rule]:
    """Forecasts by name, fitted to the training frames."""
    return {
        "mean": lambda past, horizon: np.broadcast_to(frames.mean(axis=0), (len(past), horizon, past.shape[2])),
        "mean of the window": window_mean,
        "last value": last_value,
        "AR(1)": Autoregression.fitted(frames, alone=True).forecast,
        "VAR(1) ridge": Autoregression.fitted(frames, alone=False).forecast,
    }


def _sums_on(split: WindowSplit, rules: Mapping[str, Rule], units: Units) -> dict[str, Numbers]:
    """The errors of every forecast over the windows of a split, by step."""
    sums = {name: np.zeros((3, split.horizon)) for name in rules}
    for starts in torch.split(split.starts, CHUNK):
        past, target = past_of(split, starts, units), target_of(split, starts, units)
        for name, rule in rules.items():
            sums[name] += step_sums((rule(past, split.horizon) - target) * units.std)
    return sums


def gaussian_lines(dataset: Dataset) -> dict[str, float]:
    """Climatology, the last value and a ridge regression on the window, each with a normal residual."""
    scored = np.arange(dataset.shape.nodes) >= dataset.shape.drivers
    units, rules = units_of(dataset).at(scored), densities(Parts(dataset, "train", scored))
    told: dict[str, float] = {}
    for name in HELD_OUT:
        parts = Parts(dataset, name, scored)
        target = np.concatenate([windows.target for windows in parts])
        for rule, density in rules.items():
            means, (std, *_) = zip(*(density(windows) for windows in parts), strict=True)
            scores = gaussian_scores(np.concatenate(means), std, target, units)
            told |= lines_on(name, {f"{score}: {rule}": value for score, value in scores.items()})
    return told


def densities(train: Iterable[Windows]) -> dict[str, Density]:
    """Forecasts with a spread by name; deviations are those of the training residuals.

    The training windows may come a few at a time, and are asked for more than once.
    """
    ridge = WindowRidge.fitted(train)
    centre = _mean((windows.target for windows in train), axis=(0, 1))
    spread = np.sqrt(_mean(((windows.target - centre) ** 2 for windows in train), axis=(0, 1)))
    still, missed = (
        np.sqrt(_mean(((told(windows) - windows.target) ** 2 for windows in train), axis=0))
        for told in (_held, ridge.forecast)
    )
    return {
        "climatology": lambda windows: (np.broadcast_to(centre, windows.target.shape), spread),
        "last value": lambda windows: (_held(windows), still),
        "ridge on the window": lambda windows: (ridge.forecast(windows), missed),
    }


def _held(windows: Windows) -> Numbers:
    return last_value(windows.past, windows.target.shape[1])


def _mean(parts: Iterable[Numbers], *, axis: int | tuple[int, int]) -> Numbers:
    """The mean over all parts of what is not NaN."""
    sums = [(np.nansum(part, axis=axis), np.isfinite(part).sum(axis=axis)) for part in parts]
    total, count = (np.sum(each, axis=0) for each in zip(*sums, strict=True))
    mean: Numbers = total / np.where(count > 0, count, np.nan)
    return mean


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


@dataclass(frozen=True)
class WindowRidge:
    """Least squares from all that a window shows to every target, with some pull towards zero."""

    centre: Numbers
    level: Numbers
    weights: Numbers

    @classmethod
    def fitted(cls, train: Iterable[Windows]) -> WindowRidge:
        """From the training windows; a missing target counts as the mean."""
        centre = _mean((windows.inputs for windows in train), axis=0)
        level = _mean((_wanted(windows) for windows in train), axis=0)
        gram = np.diag(np.full(len(centre), WINDOW_RIDGE))
        drawn = np.zeros((len(centre), len(level)))
        for windows in train:
            inputs = windows.inputs - centre
            gram += inputs.T @ inputs
            drawn += inputs.T @ (_wanted(windows) - level)
        return cls(centre, level, np.asarray(np.linalg.solve(gram, drawn), dtype=np.float64))

    def forecast(self, windows: Windows) -> Numbers:
        """[windows, horizon, nodes]."""
        told: Numbers = (windows.inputs - self.centre) @ self.weights + self.level
        return told.reshape(windows.target.shape)


def _wanted(windows: Windows) -> Numbers:
    """[windows, horizon * nodes]."""
    return np.nan_to_num(windows.target).reshape(len(windows.target), -1)


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
