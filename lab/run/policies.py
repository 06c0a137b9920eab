"""The policies of a run: what is tried again, when the same mistake stops it, when the budget is spent."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

from lab.records.record import Record
from lab.run.standing import Standing
from lab.spec.study import Budget, Retry

DEATHS = 3
"""Workers that one trial may take along without getting any further."""
VARYING = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?([eE][+-]?\d+)?")


class Retries:
    """How often each trial has failed in this run, and whether it may try again."""

    def __init__(self, retry: Retry) -> None:
        self.retry = retry
        self._tries: dict[str, Counter[str]] = defaultdict(Counter)
        self._reached: dict[str, int] = {}
        """The epoch that a trial's last worker left it at."""
        self._errors: dict[str, set[str]] = defaultdict(set)

    def handed_back(self, trial: str) -> frozenset[str]:
        """The ways to end after which this trial would be tried again, and hence is not recorded."""
        allowed = {"out_of_memory": self.retry.oom, "bug": self.retry.crash}
        tried = self._tries[trial]
        return frozenset(status for status, times in allowed.items() if tried[status] < times)

    def note(self, trial: str, status: str) -> None:
        """Count a failure that is tried again."""
        self._tries[trial][status] += 1

    def survives(self, trial: str, epoch: int) -> bool:
        """Whether a trial whose worker died may go on from this epoch: not when it keeps dying at the same one."""
        if self.retry.killed == "never":
            return False
        deaths = self._tries[trial]
        if epoch > self._reached.get(trial, 0):
            deaths["killed"] = 0
        self._reached[trial] = epoch
        deaths["killed"] += 1
        return deaths["killed"] < DEATHS

    def stops_study(self, record: Record) -> str:
        """Why the study had better stop after this record; empty when it may go on."""
        if record.status != "bug":
            return ""
        same = self._errors[kind_of_error(record.error)]
        same.add(record.trial)
        if len(same) < self.retry.same_error_stops_study:
            return ""
        head = record.error.strip().splitlines()[0] if record.error.strip() else "no message"
        return f"the same error in {len(same)} trials: {head} (mend it, then: --retry-failed)"


def kind_of_error(error: str) -> str:
    """An error without what differs from trial to trial: numbers and addresses."""
    return VARYING.sub("#", error.strip())


def spent(budget: Budget, standing: Standing) -> str:
    """What the budget says of the hours recorded so far; empty while there is some left."""
    for limit, used, unit in (
        (budget.hours, standing.hours, "hours"),
        (budget.gpu_hours, standing.gpu_hours, "GPU hours"),
    ):
        if limit is not None and used >= limit:
            return f"the budget is spent: {used:.3g} of {limit:g} {unit}"
    return ""
