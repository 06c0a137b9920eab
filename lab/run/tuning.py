"""Tuning: before a cell is compared, its nuisance options get the same small search of their own as every other's.

The settings of one cell are tried one after another, so that what its sampler draws depends on nothing but the cell:
neither on the number of jobs nor on interruptions. Cells are tuned side by side.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from statistics import fmean

from lab.errors import LabError
from lab.plan.options import as_word, value_at
from lab.plan.plan import Cell, Trial
from lab.records.record import Record
from lab.run.claims import Claims
from lab.run.optuna_sampling import FORBIDDEN, Sampling, Setting, Sought, Told
from lab.run.optuna_storage import Choices, Dimension, Interval
from lab.run.standing import value_of
from lab.run.tasks import Task
from lab.spec.change import change
from lab.spec.design import Score
from lab.spec.experiment import Experiment
from lab.spec.spec import Level, digest
from lab.spec.study import Tuned

Open = Callable[[str, Sought], Sampling]
"""Opens the Optuna study of this name."""
Warn = Callable[[str], None]


class Tuning:
    """The tuning of all cells that have something to tune."""

    def __init__(self, cells: Iterable[Cell], score: Score, *, claims: Claims, opened: Open, warn: Warn) -> None:
        self._tuners = {cell.id: Tuner(cell, score, claims=claims, opened=opened, warn=warn) for cell in cells}
        self._of_trial: dict[str, deque[Tuner]] = defaultdict(deque)
        """Two cells may come to try the very same trial."""

    def chosen(self, cell: str) -> Mapping[str, Level] | None:
        """The nuisance options that a cell came out with; None while it is being tuned."""
        tuner = self._tuners.get(cell)
        return tuner.chosen if tuner is not None else {}

    def next(self) -> Task | None:
        """A tuning trial of the first cell that has one to run."""
        for tuner in self._tuners.values():
            task = tuner.next()
            if task is not None:
                self._of_trial[task.id].append(tuner)
                return task
        return None

    def ended(self, task: Task, record: Record) -> None:
        """Learn how a tuning trial did."""
        self._of_trial[task.id].popleft().ended(record)

    def goes_on(self, task: Task, epoch: int, scores: Mapping[str, float]) -> bool:
        """Tuning trials run to their end: every cell spends the same."""
        return True

    def leave(self) -> None:
        """Put the settings under way back."""
        for tuner in self._tuners.values():
            tuner.leave()

    @property
    def is_over(self) -> bool:
        """Whether every cell is tuned."""
        return all(tuner.chosen is not None for tuner in self._tuners.values())


class Tuner:
    """The tuning of one cell, done by the process that claims it."""

    def __init__(self, cell: Cell, score: Score, *, claims: Claims, opened: Open, warn: Warn) -> None:
        self.cell = cell
        self.score = score
        self.claims = claims
        self.opened = opened
        self.warn = warn
        self.chosen: Mapping[str, Level] | None = None
        self.seeds = max((tuned.seeds for tuned in cell.tuned.values()), key=len)
        self.trials = max(tuned.trials for tuned in cell.tuned.values())
        self._sampling: Sampling | None = None
        self._setting: Setting | None = None
        self._waiting: list[Trial] = []
        self._values: dict[int, float] = {}

    def next(self) -> Task | None:
        """A trial of the setting at hand, or of the next one; None while the setting's trials run."""
        if self.chosen is None and self._setting is None and self._is_ours():
            self._take_setting()
        if not self._waiting:
            return None
        trial = self._waiting.pop(0)
        return Task(trial, "tune", trial.cell.experiment)

    def ended(self, record: Record) -> None:
        """Take a trial's score; with the last seed's, tell Optuna the mean."""
        self._values[record.seed] = value_of(record, self.score) if record.status == "done" else math.nan
        if len(self._values) == len(self.seeds) and self._setting is not None:
            self._setting.finish([fmean(self._values.values())])
            self._setting = None

    def leave(self) -> None:
        """Put the setting under way back."""
        if self._setting is not None:
            self._setting.put_back()

    def _is_ours(self) -> bool:
        name = f"tune-{self.cell.id}"
        if self._sampling is None and self.claims.take(name):
            self._sampling = self.opened(f"tune/{self.cell.id}", self._sought())
            self._sampling.release(lambda number: True)
        return self._sampling is not None

    def _sought(self) -> Sought:
        experiment, first = self.cell.experiment, next(iter(self.cell.tuned.values()))
        return Sought(
            scores=(self.score,),
            space={path: dimension(experiment, path, tuned) for path, tuned in self.cell.tuned.items()},
            sampler=first.sampler,
            trials=self.trials,
            seed=int(digest(["tune", self.cell.id], length=7), 16),
        )

    def _take_setting(self) -> None:
        """Ask for a setting that can be built, or choose among those that were tried."""
        assert self._sampling is not None
        while len(told := self._sampling.told()) < self.trials:
            setting = self._sampling.ask()
            words = {path: setting.suggest(path) for path in self.cell.tuned}
            try:
                self._try(setting, change(self.cell.experiment, self._meant(words)))
            except LabError:
                setting.give_up(FORBIDDEN)
                continue
            return
        self.chosen = self._best(told)
        self.claims.release(f"tune-{self.cell.id}")

    def _try(self, setting: Setting, experiment: Experiment) -> None:
        cell = Cell(self.cell.levels, experiment, name=self.cell.name)
        setting.note("lab.cell", cell.id)
        self._setting, self._values = setting, {}
        self._waiting = [Trial(cell, seed) for seed in self.seeds]

    def _best(self, told: Iterable[Told]) -> Mapping[str, Level]:
        scored = [each for each in told if each.values]
        if not scored:
            self.warn(f"no tuning trial of {self.cell.label} gave a score; it is compared as the base has it")
            return {}
        sign = 1 if self.score.goal == "max" else -1
        return self._meant(max(scored, key=lambda each: (sign * each.values[0], -each.number)).params)

    def _meant(self, words: Mapping[str, Level]) -> dict[str, Level]:
        """The values that suggested words stand for."""
        return {path: meant(self.cell.tuned[path].values, word) for path, word in words.items()}


def meant(values: tuple[Level, ...] | None, word: Level) -> Level:
    """The listed value that a word stands for; a number drawn from a range stands for itself."""
    return next((value for value in values or () if as_word(value) == word), word)


def dimension(experiment: Experiment, path: str, tuned: Tuned) -> Dimension:
    """What a sampler may draw for a nuisance option."""
    if tuned.values is not None:
        return Choices(tuple(as_word(value) for value in tuned.values))
    return interval(experiment, path, tuned.range, tuned.log, tuned.step)


Bounds = tuple[float, float] | None


def interval(experiment: Experiment, path: str, even: Bounds, log: Bounds, step: float | None) -> Interval:
    """A range of numbers; whole ones where the option holds a whole number."""
    value = value_at(experiment, path)
    low, high = log or even or (0.0, 1.0)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return Interval(low, high, is_log=log is not None, step=step, is_whole=is_whole)
