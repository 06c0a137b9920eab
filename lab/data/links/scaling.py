"""Features to one scale: by the training frames, by what was seen so far, or, looking ahead, by a whole sequence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lab.data.links.frames import Features
from lab.spec.datasets.links import Scaling


def scaled(how: Scaling, x: Features, training: NDArray[np.bool_]) -> Features:
    """[sequences, frames, nodes, features] scaled; `training` [sequences, frames] are the frames to learn from.

    A feature that stays the same has no range and is left as it is.
    """
    if how == "none":
        return x
    if how == "train_zscore":
        seen = x[training].astype(np.float64)
        return _moved(x, seen.mean((0, 1)), seen.std((0, 1)))
    low, high = _ranges(how, x, training)
    return _moved(x, low, high - low)


def _ranges(how: Scaling, x: Features, training: NDArray[np.bool_]) -> tuple[Features, Features]:
    if how == "train_minmax":
        seen = x[training]
        return seen.min((0, 1)), seen.max((0, 1))
    if how == "sequence_minmax":
        return x.min((1, 2), keepdims=True), x.max((1, 2), keepdims=True)
    low = np.minimum.accumulate(x.min(2, keepdims=True), axis=1)
    return low, np.maximum.accumulate(x.max(2, keepdims=True), axis=1)


def _moved(x: Features, origin: NDArray[np.floating], width: NDArray[np.floating]) -> Features:
    still = width < 1e-12
    return ((x - np.where(still, 0, origin)) / np.where(still, 1, width)).astype(np.float32)
