"""What happens while a study runs; the progress display, MLflow and Optuna all listen to the same few events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lab.plan.plan import Trial
from lab.records.record import Record, Role
from lab.spec.rules import Finding


@dataclass(frozen=True)
class TrialStarted:
    """A worker took a trial up, from its start or from a checkpoint."""

    trial: Trial
    role: Role
    worker: int
    options: Mapping[str, object]
    """Every resolved option."""
    from_epoch: int = 0


@dataclass(frozen=True)
class EpochDone:
    """A trial finished an epoch."""

    trial: Trial
    epoch: int
    epochs: int
    step: int
    scores: Mapping[str, float]
    """train.loss, valid.acc, ..., lr, cost.step_ms."""


@dataclass(frozen=True)
class Measured:
    """Probe readings were flushed: summaries as MLflow shows them, (key, step, value)."""

    trial: Trial
    points: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Alerted:
    """A rule found something grave in a trial under way."""

    trial: Trial
    finding: Finding


@dataclass(frozen=True)
class TrialEnded:
    """A record was written."""

    trial: Trial
    record: Record


@dataclass(frozen=True)
class Said:
    """Something the person should read: a warning, a retry, a stop."""

    level: str
    """info, warn or error."""
    text: str


Event = TrialStarted | EpochDone | Measured | Alerted | TrialEnded | Said


class Listener(Protocol):
    """Hears every event of a run, in order; must return at once."""

    def __call__(self, event: Event, /) -> None:
        """Hear one event."""
