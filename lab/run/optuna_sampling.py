"""Sampling: where Optuna itself chooses, in search designs and in the tuning of nuisance options."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import OptunaError
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PercentilePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lab.run.optuna_storage import Dimension, answering, distribution, study_id
from lab.spec.design import Pruner, Sampler, Score
from lab.spec.spec import Level, digest

FORBIDDEN = "forbidden"
"""How a setting ends that the study's constraints refuse."""
KEEP_COUNT: frozenset[Sampler] = frozenset({"qmc", "cmaes"})
"""Samplers that note in the study how far they are, and must keep their seed."""


@dataclass
class Setting:
    """One setting that a sampler has chosen: its parameters are suggested one by one, then its value is told."""

    number: int
    trial: optuna.Trial
    study: optuna.Study
    space: Mapping[str, BaseDistribution]
    reported: frozenset[int]
    """Epochs that were reported before it was interrupted."""
    params: dict[str, Level] = field(default_factory=dict)

    def suggest(self, name: str) -> Level:
        """The sampler's choice for one parameter."""
        known = self.space[name]
        if isinstance(known, CategoricalDistribution):
            value: Level = self.trial.suggest_categorical(name, known.choices)
        elif isinstance(known, IntDistribution):
            value = self.trial.suggest_int(name, known.low, known.high, step=known.step, log=known.log)
        elif isinstance(known, FloatDistribution):
            value = self.trial.suggest_float(name, known.low, known.high, step=known.step, log=known.log)
        self.params[name] = value
        return value

    def note(self, key: str, value: object) -> None:
        """Keep a word about it, which the dashboard shows."""
        with answering():
            self.trial.set_user_attr(key, value)

    def goes_on(self, epoch: int, value: float) -> bool:
        """Report an epoch's score; False when the pruner gives the setting up."""
        with answering():
            if math.isfinite(value) and epoch not in self.reported:
                self.trial.report(value, epoch)
            return not self.trial.should_prune()

    def finish(self, values: Sequence[float]) -> None:
        """Tell its value; a setting without one has failed."""
        if values and all(math.isfinite(value) for value in values):
            self.note("lab.status", "done")
            with answering():
                self.study.tell(self.trial, list(values))
        else:
            self.give_up("failed")

    def put_back(self) -> None:
        """Let it be taken up again later, as it is."""
        with suppress(OptunaError):
            self.trial.storage.set_trial_state_values(self.trial._trial_id, TrialState.WAITING)

    def give_up(self, status: str) -> None:
        """Tell that it was given up early, or never run: a sampler learns from that as well."""
        self.note("lab.status", status)
        with answering():
            self.study.tell(self.trial, state=_given_up(status))


def _given_up(status: str) -> TrialState:
    return TrialState.PRUNED if status in ("pruned", FORBIDDEN) else TrialState.FAIL


@dataclass(frozen=True)
class Told:
    """A setting that is over."""

    number: int
    params: Mapping[str, Level]
    status: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Sought:
    """What a sampler is to look for, and where."""

    scores: tuple[Score, ...]
    space: Mapping[str, Dimension]
    sampler: Sampler
    trials: int
    """Settings it may try."""
    pruner: Pruner = "none"
    seed: int = 0


class Sampling:
    """A study whose settings Optuna chooses: a search, or the tuning of one cell."""

    def __init__(self, storage: BaseStorage, name: str, sought: Sought) -> None:
        self.storage = storage
        self.name = name
        self.sought = sought
        self.space = {key: distribution(each) for key, each in sought.space.items()}
        self.id = study_id(storage, name, sought.scores, self.space)
        self.is_pruned = sought.pruner != "none" and len(sought.scores) == 1
        pruner = _pruner(sought.pruner) if self.is_pruned else NopPruner()
        self.study = optuna.load_study(study_name=name, storage=storage, sampler=self._sampler(0), pruner=pruner)

    def ask(self) -> Setting:
        """The next setting: one that was interrupted, else one that the sampler chooses.

        The sampler is seeded anew by the setting's number, so that what it draws does not depend on how often the
        study was interrupted.
        """
        if self.sought.sampler not in KEEP_COUNT:
            self.study.sampler = self._sampler(len(self._all()))
        with answering():
            trial = self.study.ask()
            reported = frozenset(self.storage.get_trial(trial._trial_id).intermediate_values)
        return Setting(trial.number, trial, self.study, self.space, reported)

    def release(self, is_free: Callable[[int], bool]) -> None:
        """Let settings that nobody works on be taken up again."""
        for each in self._all():
            if each.state == TrialState.RUNNING and is_free(each.number):
                self.storage.set_trial_state_values(each._trial_id, TrialState.WAITING)

    def told(self) -> list[Told]:
        """The settings that are over, forbidden ones included."""
        return [
            Told(each.number, each.params, str(each.user_attrs.get("lab.status")), tuple(each.values or ()))
            for each in self._all()
            if each.state.is_finished()
        ]

    @property
    def num_asked(self) -> int:
        """Settings that count: all but those that wait and those that were forbidden."""
        return sum(
            1
            for each in self._all()
            if each.state != TrialState.WAITING and each.user_attrs.get("lab.status") != FORBIDDEN
        )

    @property
    def num_forbidden(self) -> int:
        """Settings that the study's constraints refused."""
        return sum(1 for each in self._all() if each.user_attrs.get("lab.status") == FORBIDDEN)

    def add(self, cell: str, params: Mapping[str, Level], status: str, values: Sequence[float] = ()) -> None:
        """Put in a setting that was tried before Optuna's file was lost."""
        has_value = status == "done" and all(map(math.isfinite, values))
        with suppress(ValueError):  # it lies out of a range that was narrowed since
            template = create_trial(
                state=TrialState.COMPLETE if has_value else _given_up(status),
                values=list(values) if has_value else None,
                params=dict(params),
                distributions={name: self.space[name] for name in params},
                user_attrs={"lab.cell": cell, "lab.status": status},
            )
            self.study.add_trial(template)

    def cells(self) -> set[str]:
        """The cells that settings were tried as."""
        return {str(each.user_attrs.get("lab.cell")) for each in self._all()}

    def _all(self) -> list[FrozenTrial]:
        with answering():
            return self.storage.get_all_trials(self.id, deepcopy=False)

    def _sampler(self, number: int) -> BaseSampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seed = int(digest([self.sought.seed, number], length=7), 16)
            return _sampler(self.sought.sampler, seed, self.sought.trials)


def _sampler(kind: Sampler, seed: int, trials: int) -> BaseSampler:
    samplers = optuna.samplers
    if kind == "tpe":
        return samplers.TPESampler(seed=seed, n_startup_trials=max(2, min(10, trials // 3)), constant_liar=True)
    if kind == "random":
        return samplers.RandomSampler(seed=seed)
    if kind == "gp":
        return samplers.GPSampler(seed=seed)
    if kind == "cmaes":
        return samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    if kind == "qmc":
        return samplers.QMCSampler(seed=seed, warn_independent_sampling=False, warn_asynchronous_seeding=False)
    return samplers.NSGAIISampler(seed=seed, population_size=max(4, min(50, trials // 4)))


def _pruner(kind: Pruner) -> BasePruner:
    if kind == "hyperband":
        return HyperbandPruner()
    return PercentilePruner(25.0) if kind == "percentile" else MedianPruner()
