"""When a run ends before its last epoch: the patience, the bound and the aim that the experiment states."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lab.errors import LabError, choose
from lab.spec.experiment import Experiment, StopRun
from lab.spec.tasks import TASKS
from lab.train.schedule import Goal

SIGNS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass
class Stopping:
    """Watches a validation score, mostly the main one, and the grad/weight ratio, epoch by epoch."""

    stop: StopRun
    goal: Goal
    """Of the score that is watched."""
    best: float = math.nan
    waited: int = 0
    beyond: int = 0
    reached: int = 0

    @classmethod
    def of(cls, experiment: Experiment) -> Stopping:
        """What an experiment states."""
        return cls(experiment.stop_run, TASKS[experiment.dataset.task].goal_of(watched(experiment)))

    @property
    def needs_ratio(self) -> bool:
        """Whether gradients must be measured for it."""
        return self.stop.grad_weight_ratio != "off"

    def tell(
        self, score: float, ratio: float, scores: Mapping[str, float] | None = None
    ) -> tuple[Literal["done", "stopped"], str] | None:
        """How the run ends after this epoch and why, or None to go on; `scores` are all there are, by name."""
        if self._is_beyond(ratio):
            said = f"grad/weight of the matrices was {ratio:.3g} in the last epoch"
            return "stopped", f"{said}, {self.stop.grad_weight_ratio}"
        told = scores or {}
        flat = self._is_flat(waited_for(self.stop.watched, told, "stop_run.plateau") if self.stop.watched else score)
        ends = (flat, self._is_reached(told))
        return ("done", "") if any(ends) else None

    def _is_beyond(self, ratio: float) -> bool:
        match = re.match(StopRun.RATIO, self.stop.grad_weight_ratio)
        if match is None:
            return False
        sign, bound, epochs = match[1], float(match[2]), int(match[3])
        over = ratio > bound if sign == ">" else ratio < bound
        self.beyond = self.beyond + 1 if over else 0
        return self.beyond >= epochs

    def _is_flat(self, score: float) -> bool:
        match = re.match(StopRun.PLATEAU, self.stop.plateau)
        if match is None:
            return False
        better = score > self.best if self.goal == "max" else score < self.best
        if better or (math.isnan(self.best) and not math.isnan(score)):
            self.best, self.waited = score, 0
        else:
            self.waited += 1
        return self.waited >= int(match[1])

    def _is_reached(self, scores: Mapping[str, float]) -> bool:
        match = re.match(StopRun.REACHED, self.stop.reached)
        if match is None:
            return False
        value, aim = scores.get(match[1], math.nan), float(match[3])
        self.reached = self.reached + 1 if SIGNS[match[2]](value, aim) else 0
        return self.reached >= int(match[4] or 1)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return {key: value for key, value in asdict(self).items() if key in ("best", "waited", "beyond", "reached")}


def watched(experiment: Experiment) -> str:
    """The score whose best epoch matters: the one that stopping names, or the main one on the validation graphs."""
    return experiment.stop_run.watched or f"valid.{TASKS[experiment.dataset.task].main}"


def waited_for(name: str, scores: Mapping[str, float], option: str) -> float:
    """A score by the name that an option gives it; one that a run never has would be waited for in vain."""
    if name not in scores:
        raise LabError(f"{option} waits for {name}, which this run does not have", hint=choose(name, scores))
    return scores[name]


def best_epoch(scores: Sequence[float], goal: Goal) -> int | None:
    """The place of the best of an epoch's scores, the first of equals; None where none is a number."""
    told = [(score if goal == "max" else -score, -place) for place, score in enumerate(scores) if math.isfinite(score)]
    return -max(told)[1] if told else None
