"""Scores of forecasts that are normal densities, by their formulas: what lines of simple forecasts are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from lab.exact.levels import LEVELS

Numbers = NDArray[np.float64]


def nll(target: Numbers, mean: Numbers, std: Numbers) -> Numbers:
    """Negative log-likelihood of every target."""
    told: Numbers = 0.5 * ((target - mean) / std) ** 2 + np.log(std) + 0.5 * np.log(2 * np.pi)
    return told


def crps(target: Numbers, mean: Numbers, std: Numbers) -> Numbers:
    """Continuous ranked probability score of every target."""
    z = (target - mean) / std
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    told: Numbers = std * (z * (2 * ndtr(z) - 1) + 2 * density - 1 / np.sqrt(np.pi))
    return told


def scores(target: Numbers, mean: Numbers, std: Numbers) -> dict[str, float]:
    """Means over all targets that are not NaN."""
    known = np.isfinite(target)
    target, mean, std = (
        target[known],
        np.broadcast_to(mean, known.shape)[known],
        np.broadcast_to(std, known.shape)[known],
    )
    place = ndtr((target - mean) / std)
    coverage = {level: float((np.abs(place - 0.5) < level / 200).mean()) for level in LEVELS}
    return {
        "nll": float(nll(target, mean, std).mean()),
        "crps": float(crps(target, mean, std).mean()),
        "width_90": float(2 * ndtri(0.95) * std.mean()),
        "calibration": float(np.mean([abs(share - level / 100) for level, share in coverage.items()])),
        **{f"coverage_{level}": share for level, share in coverage.items()},
    }
