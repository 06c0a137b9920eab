"""The learning rate and momentum over time: tables over steps, and a plateau that watches a score and scales them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import torch
from torch import Tensor

from lab.spec.experiment import Experiment, Training
from lab.spec.schedules import OneCycle, Restarts
from lab.spec.tasks import TASKS

Goal = Literal["max", "min"]
THRESHOLD = 1e-4
"""Relative gain that counts as better for `plateau`, as in torch's scheduler of that name."""


MOMENTUM = 0.95, 0.85
"""What momentum falls from, and to, while the rate of a cycle rises."""


def rates(training: Training, steps: int) -> Tensor:
    """The learning rate of each step; what the last entry says holds on from there."""
    is_level = training.schedule in ("constant", "plateau")
    step = torch.arange(max(training.warmup + 1 if is_level else steps, 1), dtype=torch.float64)
    rising = (step + 1) / max(training.warmup, 1)
    return training.lr * torch.where(step < training.warmup, rising, _shape(training, step, steps))


def _shape(training: Training, step: Tensor, steps: int) -> Tensor:
    """The share of the highest rate that a schedule gives each step, behind the warm-up."""
    past = step - training.warmup
    if training.schedule == "cosine":
        return 0.5 * (1 + (math.pi * (past / max(steps - training.warmup, 1))).cos())
    if training.schedule == "onecycle":
        start = 1 / training.onecycle.start_divisor
        return _there_and_back(training.onecycle, step, (start, 1.0, start / training.onecycle.end_divisor))
    if training.schedule == "warm_restarts_per_step":
        return _restarting(training.restarts, past.clamp(min=0), training.lr)
    if training.schedule == "warm_restarts_per_epoch":
        epoch = past.clamp(min=0) // max(steps // training.epochs, 1)
        return _restarting(training.restarts, epoch, training.lr)
    return torch.ones_like(step)


def momenta(training: Training, steps: int) -> Tensor | None:
    """The momentum, or first beta of Adam, of each step; None where it does not change."""
    if training.schedule != "onecycle" or not training.onecycle.cycle_momentum:
        return None
    step = torch.arange(max(steps, 1), dtype=torch.float64)
    high, low = MOMENTUM
    return _there_and_back(training.onecycle, step, (high, low, high))


def _there_and_back(cycle: OneCycle, step: Tensor, values: tuple[float, float, float]) -> Tensor:
    """From the first value to the second and on to the third, by half cosines, the last step being the end."""
    first, second, third = values
    turn, end = cycle.rise * len(step) - 1, len(step) - 1
    going = (step / turn).clamp(max=1) if turn > 0 else torch.ones_like(step)
    coming = ((step - turn) / max(end - turn, 1e-9)).clamp(min=0)
    return torch.where(step <= turn, _eased(first, second, going), _eased(second, third, coming))


def _eased(start: float, end: float, share: Tensor) -> Tensor:
    return end + (start - end) / 2 * (1 + (math.pi * share).cos())


def _restarting(restarts: Restarts, past: Tensor, lr: float) -> Tensor:
    """Cosines one after another over counted steps or epochs, down to the lowest rate."""
    starts, length = [0.0], float(restarts.first)
    while starts[-1] + length <= float(past[-1]):
        starts.append(starts[-1] + length)
        length *= restarts.growth
    begins = torch.tensor(starts, dtype=past.dtype)
    cycle = torch.searchsorted(begins, past, right=True) - 1
    share = (past - begins[cycle]) / (restarts.first * float(restarts.growth) ** cycle)
    return _eased(1.0, restarts.lowest / lr, share)


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
    lowest: float = 0.0
    """What the scale does not go below."""
    score: str = ""
    """The validation score that is watched."""

    @classmethod
    def of(cls, experiment: Experiment) -> Plateau:
        """The plateau that an experiment asks for."""
        training, task = experiment.training, TASKS[experiment.dataset.task]
        score = f"valid.{task.main if training.plateau_score == 'main' else training.plateau_score}"
        lowest = training.plateau_lowest / training.lr
        goal = task.goal_of(score)
        return cls(training.plateau_patience, training.plateau_factor, goal, lowest=lowest, score=score)

    def tell(self, score: float) -> float:
        """The scale of the learning rate after an epoch with this score."""
        self.waited = 0 if self._is_better(score) else self.waited + 1
        if self.waited == 0:
            self.best = score
        if self.waited > self.patience:
            self.scale, self.waited = max(self.scale * self.factor, self.lowest), 0
        return self.scale

    def _is_better(self, score: float) -> bool:
        if math.isnan(self.best):
            return not math.isnan(score)
        margin = abs(self.best) * THRESHOLD
        return score > self.best + margin if self.goal == "max" else score < self.best - margin

    def state(self) -> dict[str, float]:
        """What a checkpoint must hold."""
        return {key: value for key, value in asdict(self).items() if key in ("best", "waited", "scale")}
