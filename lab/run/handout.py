"""Handing out: the next task that is neither done nor under way, here or in another `lab run`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lab.plan.plan import Plan
from lab.records.record import Record
from lab.records.store import Store
from lab.run.claims import Claims
from lab.run.tasks import Source, Task

LOOK_AGAIN = 1.0
"""Seconds between two looks at trials that another process has claimed."""


@dataclass(frozen=True)
class Assignment:
    """A task and who thought of it."""

    task: Task
    source: Source
    is_alone: bool = False
    """Whether it needs the machine for itself: it ran out of memory beside others."""


Absorb = Callable[[Assignment, Record], None]


class Handout:
    """Chooses tasks, claims them, and takes over what has a record already."""

    def __init__(self, plan: Plan, store: Store, *, claims: Claims, sources: Sequence[Source], absorb: Absorb) -> None:
        self.plan = plan
        self.store = store
        self.claims = claims
        self.sources = sources
        self.absorb = absorb
        """Told of a task that needs no running."""
        self._again: deque[Assignment] = deque()
        self._alone: deque[Assignment] = deque()
        self._elsewhere: deque[Assignment] = deque()
        self._freed: deque[Assignment] = deque()
        self._looked = 0.0

    def next(self, *, is_quiet: bool) -> Assignment | None:
        """A task that is claimed and pending; `is_quiet` says that no other runs."""
        if self._alone:
            return self._alone.popleft() if is_quiet else None
        if self._again:
            return self._again.popleft()
        while (found := self._candidate()) is not None:
            if not self.claims.take(found.task.id):
                self._elsewhere.append(found)
            elif (record := self._recorded(found.task)) is not None:
                self.claims.release(found.task.id)
                self.absorb(found, record)
            else:
                return found
        return None

    def again(self, assignment: Assignment, *, is_alone: bool = False) -> None:
        """Have a task run once more; it stays claimed."""
        assignment = replace(assignment, is_alone=is_alone)
        (self._alone if is_alone else self._again).append(assignment)

    @property
    def num_elsewhere(self) -> int:
        """Trials that other processes work on."""
        return len(self._elsewhere)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to hand out, nor anything to wait for."""
        waiting = self._again or self._alone or self._elsewhere or self._freed
        return not waiting and all(source.is_over for source in self.sources)

    def _candidate(self) -> Assignment | None:
        self._look_elsewhere()
        if self._freed:
            return self._freed.popleft()
        for source in self.sources:
            task = source.next()
            if task is not None:
                return Assignment(task, source)
        return None

    def _look_elsewhere(self) -> None:
        """Trials that another process has let go of: done by now, or to be taken over."""
        if not self._elsewhere or time.monotonic() - self._looked < LOOK_AGAIN:
            return
        self._looked = time.monotonic()
        for _ in range(len(self._elsewhere)):
            found = self._elsewhere.popleft()
            (self._freed if self.claims.is_free(found.task.id) else self._elsewhere).append(found)

    def _recorded(self, task: Task) -> Record | None:
        """The task's record in this study, if only because another study has finished the very same trial."""
        record = self.store.read(task.id, study=self.plan.name)
        if record is None or record.study == self.plan.name:
            return record
        return take_over(self.store, self.plan, task, record)


def take_over(store: Store, plan: Plan, task: Task, record: Record) -> Record | None:
    """Copy a finished trial of another study into this one, as this study calls it; a failed one is run anew."""
    if record.status != "done":
        return None
    blank = task.record(plan, record.origin)
    copy = replace(
        record,
        study=plan.name,
        role=blank.role,
        levels=blank.levels,
        label=blank.label,
        reused=record.reused or record.study,
    )
    store.write(copy, store.readings(task.id, study=record.study))
    return copy
