"""The plan's own trials as a source of tasks: seed by seed, each cell as soon as its nuisance options are tuned."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping

from lab.plan.plan import Trial
from lab.records.record import Record
from lab.run.tasks import Task, role_of
from lab.run.tuning import Tuning
from lab.spec.change import change


class Planned:
    """Trials in plan order."""

    def __init__(self, trials: Iterable[Trial], tuning: Tuning) -> None:
        self.tuning = tuning
        self._ready: deque[Trial] = deque()
        self._untuned: dict[str, list[Trial]] = defaultdict(list)
        for trial in trials:
            if trial.cell.tuned:
                self._untuned[trial.cell.id].append(trial)
            else:
                self._ready.append(trial)

    def next(self) -> Task | None:
        """The next trial whose cell is ready."""
        for cell in [cell for cell in self._untuned if self.tuning.chosen(cell) is not None]:
            self._ready.extend(self._untuned.pop(cell))
        if not self._ready:
            return None
        trial = self._ready.popleft()
        tuned = self.tuning.chosen(trial.cell.id) or {}
        experiment = change(trial.cell.experiment, tuned) if tuned else trial.cell.experiment
        return Task(trial, role_of(trial), experiment, tuned)

    def drop(self, cell: str) -> list[Trial]:
        """Take out what is left of a cell that was given up."""
        dropped = [trial for trial in self._ready if trial.cell.id == cell]
        self._ready = deque(trial for trial in self._ready if trial.cell.id != cell)
        return dropped + self._untuned.pop(cell, [])

    def ended(self, task: Task, record: Record) -> None:
        """Nothing to learn: the plan is fixed."""

    def goes_on(self, task: Task, epoch: int, scores: Mapping[str, float]) -> bool:
        """Planned trials run to their end."""
        return True

    def leave(self) -> None:
        """Nothing to put back: what has no record is pending."""

    @property
    def is_over(self) -> bool:
        """Whether every trial was handed out."""
        return not self._ready and not self._untuned
