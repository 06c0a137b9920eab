"""The learning rate over time: a table over steps, and a plateau that watches the score and scales it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor

from lab.spec.experiment import Training

Goal = Literal["max", "min"]
THRESHOLD = 1e-4
"""Relative gain that counts as better for `plateau`, as in torch's scheduler of that name."""


def rates(training: Training, steps: int) -> Tensor:
    """The learning rate of each step; what the last entry says holds on from there."""
    step = torch.arange(max(steps if training.schedule == "cosine" else training.warmup + 1, 1), dtype=torch.float64)
    rising = (step + 1) / max(training.warmup, 1)
    falling = torch.ones_like(step)
    if training.schedule == "cosine":
        past = (step - training.warmup) / max(steps - training.warmup, 1)
        falling = 0.5 * (1 + (math.pi * past).cos())
    return training.lr * torch.where(step < training.warmup, rising, falling)


def stacked(tables: Sequence[Tensor]) -> Tensor:
    """The tables of several members side by side, [steps, K], short ones held on."""
    longest = max(len(table) for table in tables)
    at = torch.arange(longest)
    return torch.stack([table[at.clamp(max=len(table) - 1)] for table in tables], dim=1)


@dataclass
class Plateau:
    """Lowers the learning rate when the score has not become better for more than `patience` epochs."""

    patience: int
    factor: float
    goal: Goal
    best: float = math.nan
    waited: int = 0
    scale: float = 1.0

    def tell(self, score: float) -> float:
        """The scale of the learning rate after an epoch with this score."""
        self.waited = 0 if self._is_better(score) else self.waited + 1
        if self.waited == 0:
            self.best = score
        if self.waited > self.patience:
            self.scale, self.waited = self.scale * self.factor, 0
        return self.scale

    def _is_better(self, score: float) -> bool:
        if math.isnan(self.best):
            return not math.isnan(score)
        margin = abs(self.best) * THRESHOLD
        return score > self.best + margin if self.goal == "max" else score < self.best - margin

    def state(self) -> dict[str, float]:
        """What a checkpoint must hold."""
        return {key: value for key, value in asdict(self).items() if key in ("best", "waited", "scale")}
