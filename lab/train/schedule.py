"""The learning rate over time: a table over steps where it is pure, and a plateau that watches the score."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Literal

from lab.spec.experiment import Training

Goal = Literal["max", "min"]
THRESHOLD = 1e-4
"""Relative gain that counts as better for `plateau`, as in torch's scheduler of that name."""


def shares(training: Training, steps: int) -> list[float]:
    """Share of the highest learning rate at each of so many steps."""
    return [share(training, step, steps) for step in range(max(steps, 1))]


def share(training: Training, step: int, steps: int) -> float:
    """Share of the highest learning rate at one of so many steps."""
    if step < training.warmup:
        return (step + 1) / training.warmup
    if training.schedule != "cosine":
        return 1.0
    span = max(steps - training.warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * (step - training.warmup) / span))


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
