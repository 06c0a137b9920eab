"""Tasks: the trials of a study as they are handed to workers, whoever thought of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lab.plan.plan import Plan, Trial
from lab.records.record import Origin, Record, Role
from lab.run.messages import Job
from lab.spec.experiment import Experiment
from lab.spec.spec import Level


@dataclass(frozen=True)
class Task:
    """A trial with everything needed to run it."""

    trial: Trial
    role: Role
    experiment: Experiment
    """The cell's experiment, with its nuisance options as they were tuned."""
    tuned: Mapping[str, Level] = field(default_factory=dict)
    is_watched: bool = False
    """Whether a pruner judges every epoch."""

    @property
    def id(self) -> str:
        """The trial's id."""
        return self.trial.id

    def record(self, plan: Plan, origin: Origin) -> Record:
        """The record as far as it is known before the trial runs."""
        return Record(
            trial=self.id,
            cell=self.trial.cell.id,
            study=plan.name,
            status="killed",
            seed=self.trial.seed,
            repeat=self.trial.repeat,
            role=self.role,
            levels=dict(self.trial.cell.levels),
            label=self.trial.cell.label,
            options=self.experiment.options(),
            tuned=dict(self.tuned),
            origin=origin,
        )

    def job(self, record: Record, *, home: Path, seconds: float | None, handed_back: frozenset[str]) -> Job:
        """The order that a worker gets."""
        return Job(
            record=record,
            experiment=self.experiment.model_dump_json(serialize_as_any=True),
            experiment_id=self.experiment.id,
            checkpoints=str(home / "checkpoints"),
            bundles=str(home / "bundles"),
            seconds=seconds,
            handed_back=handed_back,
            is_watched=self.is_watched,
        )


def role_of(trial: Trial) -> Role:
    """What a planned trial is for."""
    return "floor" if trial.repeat else "compare"


class Source(Protocol):
    """Where tasks come from: the plan's own trials, the tuning of its cells, a search."""

    def next(self) -> Task | None:
        """A task to run now, or None while there is none."""
        ...

    def ended(self, task: Task, record: Record) -> None:
        """Learn how a task of this source ended."""
        ...

    def goes_on(self, task: Task, epoch: int, scores: Mapping[str, float]) -> bool:
        """Whether a watched task is worth another epoch."""
        ...

    def leave(self) -> None:
        """Put back what was not finished, for the next run to take up."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether no more tasks will come."""
        ...
