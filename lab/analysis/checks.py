"""Checks that hold or do not: padding stays out, graphs do not mix, attention adds up, the mode is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lab.analysis.probed import Grid, Probed

LIMIT = 1e-3
"""How far outputs may move, relatively, when only what must not matter is changed."""
INVARIANCES = ("inv_pad", "inv_pad_train", "inv_graph")


@dataclass(frozen=True)
class Promise:
    """What must hold of a statistic at every reading."""

    probe: str
    statistic: str
    says: str
    sign: Literal["<=", ">="]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a reading keeps it."""
        return value <= self.limit if self.sign == "<=" else value >= self.limit


@dataclass(frozen=True)
class Check:
    """How a promise was kept."""

    promise: Promise
    worst: float
    where: str
    """The module or head; empty for the whole model."""
    step: int
    """The first step that broke it, or the one nearest to it."""

    @property
    def is_kept(self) -> bool:
        """Whether every reading kept it."""
        return self.promise.holds(self.worst)


@dataclass(frozen=True)
class Invariance:
    """The largest relative change of one block's outputs over a run."""

    block: str
    changes: tuple[float, ...]
    """In the order of INVARIANCES; NaN where it was not measured."""


PROMISES = (
    Promise("padding", "inv_pad", "outputs stay when noise replaces the padding (evaluation)", "<=", LIMIT),
    Promise("padding", "inv_pad_train", "outputs stay when noise replaces the padding (training)", "<=", LIMIT),
    Promise("padding", "inv_graph", "outputs stay when the other graphs of the batch change", "<=", LIMIT),
    Promise("activations", "pad_grad", "no gradient reaches the padding", "<=", 0.0),
    Promise("attention", "masked_rows", "every real node may read some node", "<=", 0.0),
    Promise("attention", "row_err", "attention weights of a row add up to 1", "<=", 1e-3),
    Promise("attention", "mask_leak", "nothing is read through the mask", "<=", 1e-4),
    Promise("gradients", "stale", "gradients are zeroed before a step", "<=", 0.0),
    Promise("gradients", "nonfinite", "gradients are finite", "<=", 0.0),
    Promise("activations", "nonfinite", "module outputs are finite", "<=", 0.0),
    Promise("inputs", "training", "the model is in training mode at a step", ">=", 1.0),
    Promise("inputs", "input_std", "inputs differ from one another", ">=", 1e-12),
    Promise("inputs", "input_max", "inputs are of moderate size", "<=", 100.0),
    Promise("inputs", "like_probabilities", "the loss is given logits, not probabilities", "<=", 0.999),
    Promise("inputs", "bn_single", "batch norms see more than one node", "<=", 0.0),
)


def checks(probed: Probed) -> tuple[Check, ...]:
    """How every promise was kept that something was read for, broken ones first."""
    found = [check for promise in PROMISES if (check := _check(probed, promise)) is not None]
    return tuple(sorted(found, key=lambda check: check.is_kept))


def invariances(probed: Probed) -> tuple[Invariance, ...]:
    """The largest changes by block, in the order of the model."""
    grids = [probed.grid("padding", statistic) for statistic in INVARIANCES]
    names = tuple(dict.fromkeys(name for grid in grids if grid is not None for name in grid.names))
    return tuple(Invariance(name, tuple(_largest(grid, name) for grid in grids)) for name in names)


def _check(probed: Probed, promise: Promise) -> Check | None:
    parts: Sequence[tuple[Grid | None, bool]] = (
        (probed.grid(promise.probe, promise.statistic), False),
        (probed.total(promise.probe, promise.statistic), True),
    )
    told = [_worst(grid, promise, is_total=is_total) for grid, is_total in parts if grid is not None]
    seen = [check for check in told if check is not None]
    return min(seen, key=lambda check: check.is_kept) if seen else None


def _worst(grid: Grid, promise: Promise, *, is_total: bool) -> Check | None:
    """The first reading that broke it, told with the worst value; the worst one where none did."""
    values = grid.high if promise.sign == "<=" else grid.low
    read = np.where(np.isnan(values), -np.inf, values if promise.sign == "<=" else -values)
    if not np.isfinite(read).any() and not np.isposinf(read).any():
        return None
    place, at = np.unravel_index(read.argmax(), read.shape)
    worst = float(values[place, at])
    if not promise.holds(worst):
        broken = np.flatnonzero(~np.array([promise.holds(value) or np.isnan(value) for value in values[place]]))
        at = broken[0]
    return Check(promise, worst, "" if is_total else grid.names[place], int(grid.steps[at]))


def _largest(grid: Grid | None, name: str) -> float:
    own = grid.one(name) if grid is not None else None
    return float(np.nanmax(own.high)) if own is not None and np.isfinite(own.high).any() else float("nan")
