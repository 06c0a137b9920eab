"""Search designs as a source of tasks: Optuna chooses the settings, each is run with every seed of the study.

A setting's first seed is watched by the pruner; the other seeds follow once it has come through, and Optuna is told
the mean. A setting that the study's constraints refuse is not run and does not count: it is told as pruned, so that
the sampler learns to stay away.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from lab.errors import LabError
from lab.plan.constraints import read_rules
from lab.plan.factors import Varied, menu_with, read_factors
from lab.plan.ground import Ground
from lab.plan.options import as_word, menu_of
from lab.plan.plan import Cell, Plan, Trial
from lab.records.record import Record
from lab.run.claims import Claims
from lab.run.optuna_sampling import FORBIDDEN, Setting, Sought
from lab.run.optuna_storage import Choices, Dimension
from lab.run.standing import value_of
from lab.run.tasks import Task
from lab.run.tuning import Open, Warn, interval
from lab.spec.design import Block
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.spec import Level, digest

LEAST_ALLOWED = 1 / 20
"""Share of the settings asked for that must be allowed by the constraints for the search to go on."""
LOOK_ROUND = 5.0
"""Seconds between two looks for settings that a killed process left behind."""


class Space:
    """The factors that a search moves: what may be drawn for each, and which experiment a draw stands for."""

    def __init__(self, plan: Plan, block: Block) -> None:
        base = plan.reference.experiment
        file = StudyFile(plan.study, base, plan.name, plan.file, plan.source)
        factors, _ = read_factors(file)
        self.rules, _ = read_rules(file, menu_with(menu_of(base), file, factors), factors)
        self.ground = Ground(base, factors)
        named = block.factors
        self.factors = [each for each in self.ground.factors if named is None or each.name in named]
        self.dimensions = {each.name: self._dimension(plan, each) for each in self.factors}

    def draw(self, setting: Setting) -> Cell | None:
        """The cell that a sampler's choices make; None where the constraints refuse it."""
        changes: dict[str, Level] = {}
        for factor in self.factors:
            if self.ground.exists(factor, changes):
                changes |= _changes(factor, setting.suggest(factor.name))
        if any(self.ground.holds(each.condition, changes) for each in self.rules.forbidden):
            return None
        try:
            experiment = self._matched(self.ground.experiment(changes))
        except LabError:
            return None
        return Cell(self.ground.levels(experiment), experiment)

    def _dimension(self, plan: Plan, factor: Varied) -> Dimension:
        said = plan.study.factors[factor.name]
        if factor.is_range:
            return interval(self.ground.base, factor.name, said.range, said.log, said.step)
        return Choices(tuple(dict.fromkeys(as_word(level.shown) for level in factor.levels)))

    def _matched(self, experiment: Experiment) -> Experiment:
        """The experiment at the reference's size, where the study asks for that."""
        match = self.rules.match
        if match is None:
            return experiment
        from lab.plan.matching import Matcher, Sizes
        from lab.train.build import count_params

        sizes = Sizes(count_params)
        return Matcher(sizes, sizes.of(self.ground.base), match.by, match.tolerance, match.where).match(experiment)


def _changes(factor: Varied, word: Level) -> Mapping[str, Level]:
    """The changes that a suggested word stands for."""
    listed = (level.changes for level in factor.levels if as_word(level.shown) == word)
    return next(listed, {factor.name: word})


@dataclass
class Tried:
    """A setting under way."""

    setting: Setting
    cell: Cell
    seeds: list[int]
    """Seeds that were not handed out yet."""
    watched: str = ""
    """The trial whose epochs the pruner judges."""
    values: dict[int, tuple[float, ...]] = field(default_factory=dict)
    has_passed: bool = False
    """Whether the first seed has come through, so that the others may run."""


class Search:
    """The settings of one search block."""

    def __init__(self, plan: Plan, block: Block, *, claims: Claims, opened: Open, warn: Warn) -> None:
        self.plan = plan
        self.block = block
        self.claims = claims
        self.warn = warn
        self.space = Space(plan, block)
        self.scores = block.objectives or (plan.study.score,)
        self.sampling = opened("search", self._sought())
        self._under_way: dict[int, Tried] = {}
        self._of_trial: dict[str, list[Tried]] = defaultdict(list)
        self._looked = 0.0
        self._is_hopeless = False

    def restore(self, records: Iterable[Record]) -> None:
        """Tell Optuna of settings that have records but that it does not know: its file was lost."""
        of_cell: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            of_cell[record.cell].append(record)
        known = self.sampling.cells()
        for cell, group in of_cell.items():
            if cell not in known:
                self._restore(cell, group)

    def _restore(self, cell: str, group: Sequence[Record]) -> None:
        params = {name: level for name, level in group[0].levels.items() if name in self.space.dimensions}
        ended = {record.status for record in group}
        if ended != {"done"}:
            self.sampling.add(cell, params, "pruned" if "pruned" in ended else "failed")
        elif len(group) == len(self.plan.study.seeds.values):
            self.sampling.add(cell, params, "done", self._mean(map(self._values, group)))

    def next(self) -> Task | None:
        """A further seed of a setting that has passed its first, or the first seed of a new setting."""
        for tried in self._under_way.values():
            if tried.has_passed and tried.seeds:
                return self._task(tried)
        tried_now = self._ask()
        return self._task(tried_now) if tried_now is not None else None

    def goes_on(self, task: Task, epoch: int, scores: Mapping[str, float]) -> bool:
        """Ask the pruner whether a setting is worth another epoch."""
        score = self.scores[0].name
        watching = [each for each in self._of_trial[task.id] if each.watched == task.id]
        return not watching or score not in scores or watching[0].setting.goes_on(epoch, scores[score])

    def ended(self, task: Task, record: Record) -> None:
        """Take a trial in; the last seed's tells Optuna the mean, a failure or a pruned one ends the setting."""
        tried = self._of_trial[task.id].pop(0)
        if tried.setting.number not in self._under_way:
            return
        if record.status == "pruned":
            self._close(tried, lambda: tried.setting.give_up("pruned"))
        elif record.status != "done":
            self._close(tried, lambda: tried.setting.finish([]))
        else:
            tried.values[record.seed] = self._values(record)
            tried.has_passed = True
            if len(tried.values) == len(self.plan.study.seeds.values):
                self._close(tried, lambda: tried.setting.finish(self._mean(tried.values.values())))

    def leave(self) -> None:
        """Put the settings under way back."""
        for tried in self._under_way.values():
            tried.setting.put_back()

    @property
    def is_over(self) -> bool:
        """Whether all settings have been tried, here and elsewhere."""
        if self._is_hopeless:
            return not self._under_way
        return not self._under_way and len(self._told()) >= self.block.trials

    @property
    def num_trials(self) -> int:
        """Trials that all settings make."""
        return self.block.trials * len(self.plan.study.seeds.values)

    def _told(self) -> list[int]:
        return [each.number for each in self.sampling.told() if each.status != FORBIDDEN]

    def _sought(self) -> Sought:
        return Sought(
            scores=tuple(self.scores),
            space=self.space.dimensions,
            sampler=self.block.sampler,
            trials=self.block.trials,
            pruner=self.block.pruner,
            seed=int(digest(["search", self.plan.name], length=7), 16),
        )

    def _task(self, tried: Tried) -> Task:
        trial = Trial(tried.cell, tried.seeds.pop(0))
        is_first = not tried.has_passed
        if is_first:
            tried.watched = trial.id
        self._of_trial[trial.id].append(tried)
        return Task(trial, "search", tried.cell.experiment, is_watched=is_first and self.sampling.is_pruned)

    def _ask(self) -> Tried | None:
        """The next setting, asked for by one process at a time: together they try as many as the study says."""
        gate = f"ask-{digest(self.plan.name)}"
        if self._is_hopeless or not self.claims.take(gate):
            return None
        try:
            self._look_round()
            while self.sampling.num_asked < self.block.trials:
                tried = self._try(self.sampling.ask())
                if tried is not None or self._is_hopeless:
                    return tried
            return None
        finally:
            self.claims.release(gate)

    def _look_round(self) -> None:
        if time.monotonic() - self._looked > LOOK_ROUND:
            self._looked = time.monotonic()
            self.sampling.release(lambda number: self.claims.is_free(self._claim(number)))

    def _try(self, setting: Setting) -> Tried | None:
        self.claims.take(self._claim(setting.number))
        cell = self.space.draw(setting)
        if cell is None:
            setting.give_up(FORBIDDEN)
            self.claims.release(self._claim(setting.number))
            self._consider_stopping()
            return None
        setting.note("lab.cell", cell.id)
        tried = Tried(setting, cell, list(self.plan.study.seeds.values))
        self._under_way[setting.number] = tried
        return tried

    def _consider_stopping(self) -> None:
        forbidden, asked = self.sampling.num_forbidden, self.sampling.num_asked
        if forbidden > 100 and asked < LEAST_ALLOWED * (forbidden + asked):
            self._is_hopeless = True
            self.warn(f"the constraints forbid nearly everything ({forbidden} of {forbidden + asked}): the search ends")

    def _close(self, tried: Tried, tell: Callable[[], None]) -> None:
        tell()
        del self._under_way[tried.setting.number]
        self.claims.release(self._claim(tried.setting.number))

    def _claim(self, number: int) -> str:
        return f"setting-{digest(self.plan.name)}-{number}"

    def _values(self, record: Record) -> tuple[float, ...]:
        return tuple(value_of(record, score) for score in self.scores)

    def _mean(self, values: Iterable[tuple[float, ...]]) -> list[float]:
        return [fmean(each) for each in zip(*values, strict=True)]
