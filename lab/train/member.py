"""Member, Watcher and Outcome: what goes into the loop, who listens to it, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from lab.records.record import Status
from lab.records.step_memory import StepMemory
from lab.spec.experiment import Experiment
from lab.spec.rules import Finding
from lab.spec.spec import digest
from lab.train.flight.papers import Papers


@dataclass(frozen=True)
class Member:
    """One trial to be trained."""

    experiment: Experiment
    seed: int
    cell: str
    repeat: int = 0
    trial: str = ""
    """The trial's id, under which its checkpoint is kept."""
    papers: Papers | None = None
    """Where its flight recorder freezes to, and what bundles tell beside the run; without it nothing is kept."""

    @property
    def identity(self) -> str:
        """The digest of all that a checkpoint depends on, what is measured included."""
        said = self.experiment.options(), self.seed, self.cell, self.repeat
        return digest(said)


class Watcher(Protocol):
    """Hears of a trial while it trains; must return at once."""

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        """An epoch and its scores; False gives the trial up."""

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        """Summaries of what the probes read, as (key, step, value)."""

    def alert(self, member: int, finding: Finding) -> None:
        """A warning or worse, when a rule first finds it and when it becomes graver."""


@dataclass(frozen=True)
class Outcome:
    """How a trial ended and what it leaves."""

    status: Status
    history: Mapping[str, tuple[float, ...]]
    scores: Mapping[str, float]
    """Costs, and the scores of the last epoch."""
    findings: tuple[Finding, ...]
    readings: pa.Table | None
    seconds: float
    """Of training, those before a resumption included."""
    error: str = ""
    traceback: str = ""
    from_epoch: int = 0
    """Epochs that an earlier process had trained."""
    memory: StepMemory = field(default_factory=StepMemory)
    """What one step holds."""


@dataclass
class Progress:
    """What a run has behind it; all of it goes into a checkpoint."""

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: dict[str, list[float]] = field(default_factory=dict)
    step_ms: list[float] = field(default_factory=list)
    """Mean milliseconds of a step, epoch by epoch."""
    ratios: list[float] = field(default_factory=list)
    """Median grad/weight of the matrices, epoch by epoch; NaN where gradients are not measured."""

    def remember(self, scores: Mapping[str, float]) -> None:
        """Add an epoch's scores."""
        for name, score in scores.items():
            self.history.setdefault(name, []).append(score)
