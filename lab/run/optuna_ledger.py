"""The ledger: planned trials as Optuna shows them, so that its dashboard and plots work on ablations.

What Optuna knows is a view: the records decide what is done, and `Ledger.mend` makes the view agree with them.
A planned trial is created in its running state with all of its parameters, in one write: enqueueing a row and asking
for it back takes a write a parameter, and may hand the row to another `lab run` that asks at the same moment.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from lab.run.optuna_storage import Dimension, distribution, study_id
from lab.spec.design import Score
from lab.spec.spec import Level

LONGEST_CURVE = 20
"""Intermediate scores shown of a planned trial, evenly spread: each costs a write, and MLflow has them all."""


@dataclass(frozen=True)
class Row:
    """A planned trial as Optuna is to see it."""

    trial: str
    cell: str
    params: Mapping[str, Level]
    status: str = ""
    """How it ended; empty while it has not."""
    value: float = math.nan


class Ledger:
    """The planned trials of a study in Optuna: levels and seed as parameters, scores as they come."""

    def __init__(
        self,
        storage: BaseStorage,
        name: str,
        *,
        score: Score,
        dimensions: Mapping[str, Dimension],
        warn: Callable[[str], None],
    ) -> None:
        self.storage = storage
        self.name = name
        self.distributions = {key: distribution(each) for key, each in dimensions.items()}
        self.warn = warn
        self.is_off = False
        self.study = study_id(storage, name, [score], self.distributions)
        self._running: dict[str, int] = {}
        self._waiting: dict[str, int] = {}

    def mend(self, rows: Iterable[Row], is_free: Callable[[str], bool]) -> None:
        """Make Optuna agree with the records: one finished trial for each, none running that nobody works on."""
        self._try(lambda: self._mend(list(rows), is_free))

    def start(self, row: Row) -> None:
        """Show that a trial runs."""
        self._try(lambda: self._start(row))

    def report(self, trial: str, epoch: int, epochs: int, value: float) -> None:
        """Show an epoch's score."""
        stride = -(-epochs // LONGEST_CURVE)
        if trial in self._running and math.isfinite(value) and (epoch % stride == 0 or epoch == epochs):
            number = self._running[trial]
            self._try(lambda: self.storage.set_trial_intermediate_value(number, epoch, value))

    def finish(self, row: Row) -> None:
        """Show how a trial ended."""
        self._try(lambda: self._finish(row))

    def interrupt(self, trial: str) -> None:
        """Show that a trial waits to be taken up again."""
        if trial in self._running:
            number = self._running.pop(trial)
            self._try(lambda: self._wait(trial, number))

    def _try(self, action: Callable[[], None]) -> None:
        """Records go on without Optuna: the next start mends what it missed."""
        if self.is_off:
            return
        try:
            action()
        except Exception as error:
            self.is_off = True
            told = f"{type(error).__name__}: {error}".splitlines()[0]
            self.warn(f"Optuna's storage failed ({told}); records go on, the next run brings it up to date")

    def _mend(self, rows: Sequence[Row], is_free: Callable[[str], bool]) -> None:
        known: dict[str, list[FrozenTrial]] = defaultdict(list)
        for each in self.storage.get_all_trials(self.study, deepcopy=False):
            known[str(each.user_attrs.get("lab.trial"))].append(each)
        for row in rows:
            self._mend_one(row, known.pop(row.trial, []), is_free)
        for trial, shown in known.items():
            self._close([each for each in shown if not each.state.is_finished() and is_free(trial)])

    def _mend_one(self, row: Row, shown: Sequence[FrozenTrial], is_free: Callable[[str], bool]) -> None:
        is_told = bool(row.status) and any(each.state == _state(row) for each in shown)
        unfinished = [each for each in shown if not each.state.is_finished()]
        if ((is_told or not row.status) and not unfinished) or not is_free(row.trial):
            return
        if is_told:
            self._close(unfinished)
        elif not unfinished:
            self._create(row)
        else:
            number = unfinished[0]._trial_id
            self._end(row, number) if row.status else self._wait(row.trial, number)
            self._close(unfinished[1:])

    def _close(self, left_over: Iterable[FrozenTrial]) -> None:
        for each in left_over:
            self.storage.set_trial_state_values(each._trial_id, TrialState.FAIL)

    def _start(self, row: Row) -> None:
        if row.trial in self._running:  # it is tried again
            return
        waiting = self._waiting.pop(row.trial, None)
        if waiting is not None and self.storage.set_trial_state_values(waiting, TrialState.RUNNING):
            self._running[row.trial] = waiting
        else:
            self._running[row.trial] = self._create(row)

    def _finish(self, row: Row) -> None:
        number = self._running.pop(row.trial, None)
        if number is None:
            self._create(row)
        else:
            self._end(row, number)

    def _create(self, row: Row) -> int:
        state = _state(row)
        params = dict(row.params)
        attributes = {"lab.trial": row.trial, "lab.cell": row.cell}
        template = create_trial(
            state=state,
            values=[row.value] if state == TrialState.COMPLETE else None,
            params=params,
            distributions={name: self.distributions[name] for name in params},
            user_attrs=attributes | ({"lab.status": row.status} if row.status else {}),
        )
        return self.storage.create_new_trial(self.study, template)

    def _end(self, row: Row, number: int) -> None:
        self.storage.set_trial_user_attr(number, "lab.status", row.status)
        state = _state(row)
        self.storage.set_trial_state_values(number, state, [row.value] if state == TrialState.COMPLETE else None)

    def _wait(self, trial: str, number: int) -> None:
        self.storage.set_trial_state_values(number, TrialState.WAITING)
        self._waiting[trial] = number


def _state(row: Row) -> TrialState:
    if not row.status:
        return TrialState.RUNNING
    if row.status == "pruned":
        return TrialState.PRUNED
    return TrialState.COMPLETE if row.status == "done" and math.isfinite(row.value) else TrialState.FAIL
