"""Trends: what is taken off each window of a series before a model sees it, and given back to what it forecasts.

A trend is linear in the frames of its own window, so that one small matrix tells it for all windows and nodes, at the
frames that are seen as well as at those to forecast. No frame behind the window has a column in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.spec.datasets.series import OfSeries

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Trend:
    """How the trends of windows follow from their frames."""

    weights: Tensor
    """[window + horizon, window] float64: what each frame seen adds to the trend at each frame, seen or to come."""
    values: Tensor
    """[sequences, frames, nodes] what trends are taken of, gaps filled with what was known before them."""

    def of(self, sequence: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """The trends [windows, window, nodes] of the frames seen, and [windows, horizon, nodes] of those to come.

        In double precision, which no setting for products of matrices rounds.
        """
        trend = self.weights @ self.values[sequence, seen].double()
        window = seen.shape[1]
        return trend[:, :window], trend[:, window:]

    def to(self, device: torch.device) -> Trend:
        """The same on another device."""
        return Trend(self.weights.to(device), self.values.to(device))


def trend_weights(spec: OfSeries) -> Numbers:
    """[window + horizon, window] the matrix that the options stand for."""
    if spec.detrend == "moving_average":
        return moving_average(spec.window, spec.horizon, spec.detrend_frames)
    return polynomial(spec.window, spec.horizon, order=spec.detrend_order, damping=spec.detrend_damping)


def moving_average(window: int, horizon: int, frames: int) -> Numbers:
    """Each frame's mean with up to `frames` - 1 before it; the last one is held on."""
    is_in = np.tril(np.triu(np.ones((window, window)), 1 - frames))
    means = is_in / is_in.sum(axis=1, keepdims=True)
    return np.concatenate([means, np.repeat(means[-1:], horizon, axis=0)])


def polynomial(window: int, horizon: int, *, order: int, damping: float) -> Numbers:
    """The least-squares polynomial through the window; its time goes on by damping + damping^2 + ... behind it."""
    seen = np.arange(1.0 - window, 1.0)
    ahead = np.cumsum(damping ** np.arange(1.0, horizon + 1))
    powers = np.vander(np.concatenate([seen, ahead]) / window, order + 1, increasing=True)
    found: Numbers = powers @ np.linalg.pinv(powers[:window])
    return found
