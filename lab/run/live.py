"""The live window: a listener whose one background thread carries a study's events to MLflow as they happen."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lab.errors import LabError
from lab.plan.plan import Plan
from lab.records.store import Store
from lab.run.account import (
    ALERTS,
    RESERVED,
    Budget,
    Point,
    by_importance,
    facts_of_trial,
    headlines,
    health_tags,
    is_drawn,
    metric_of,
)
from lab.run.events import Alerted, EpochDone, Event, Measured, Said, TrialEnded, TrialStarted
from lab.run.mirror import Mirror, missing
from lab.run.tracking import Run, Tracker, address
from lab.spec.rules import Finding

ROOM = 10_000
"""Events that may wait; beyond it curves are thinned, and the end of each trial fills them in."""
SHORTEST, LONGEST = 1.0, 5.0
"""Seconds between two flushes."""
SHARE = 1 / 200
"""Of one core, what the writer may take while curves move; a flush that cost more is followed by a longer rest."""
RETRY = 60.0
"""Seconds that a server which failed is left alone."""


@dataclass
class _Line:
    """A trial under way: its run and what that run is still to be sent."""

    run: Run
    budget: Budget
    params: dict[str, str]
    ready: list[Point] = field(default_factory=list)
    held: list[Point] | None = field(default_factory=list)
    """Summaries of readings, until the first epoch has told how many keys the scores take."""
    alerts: list[Finding] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)


class Live:
    """Hears a run's events and mirrors them; never waits, never raises, and warns once when MLflow fails."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        uri: str | None = None,
        *,
        say: Callable[[str], None] = lambda text: None,
        command: str = "",
    ) -> None:
        self._plan = plan
        self._store = store
        self._uri = uri
        self._say = say
        self._command = command
        self._events: deque[tuple[int, Event]] = deque()
        self._lines: dict[str, _Line] = {}
        self._seen: set[str] = set()
        self._mirror: Mirror | None = None
        self._tracker: Tracker | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._resting_until = 0.0
        self._has_warned = False

    def __call__(self, event: Event) -> None:
        """Take an event in; returns at once."""
        if isinstance(event, Said) or self._stopping.is_set() or time.monotonic() < self._resting_until:
            return
        if isinstance(event, (EpochDone, Measured)) and len(self._events) >= ROOM:
            return
        self._events.append((round(time.time() * 1000), event))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="mlflow", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 20.0) -> bool:
        """Send what waits, for at most this many seconds; whether all of it arrived."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                self._warn(f"MLflow has not taken everything in after {timeout:g} s")
        return not self._has_warned

    def _work(self) -> None:
        rest = 0.0
        while not self._stopping.wait(rest):
            started = time.thread_time()
            self._turn()
            rest = min(max((time.thread_time() - started) / SHARE, SHORTEST), LONGEST)
        self._turn()
        self._attempt(self._leave)

    def _turn(self) -> None:
        """Take in what has happened since the last turn and send what is ready."""
        if time.monotonic() >= self._resting_until:
            self._attempt(self._take_all)
            self._attempt(self._flush)

    def _attempt(self, act: Callable[[], None]) -> None:
        """Do what talks to MLflow; whatever goes wrong there is told once and never reaches the study."""
        try:
            act()
        except Exception as error:
            self._resting_until = time.monotonic() + RETRY
            self._events.clear()
            self._lines.clear()
            self._warn(error.what if isinstance(error, LabError) else f"MLflow failed: {error!r}")

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            self._say(
                f"{reason}. The study goes on and its records are complete; "
                f"bring MLflow up to date with: lab publish {self._plan.name}"
            )

    def _take_all(self) -> None:
        while self._events:
            at, event = self._events.popleft()
            self._take(at, event)

    def _take(self, at: int, event: Event) -> None:
        if isinstance(event, TrialStarted):
            self._begin(at, event)
        elif isinstance(event, TrialEnded):
            self._end(event)
        elif isinstance(event, EpochDone) and (line := self._lines.get(event.trial.id)):
            _add_scores(line, at, event)
        elif isinstance(event, Alerted) and (line := self._lines.get(event.trial.id)):
            _add_alert(line, at, event.finding)
        elif isinstance(event, Measured) and (line := self._lines.get(event.trial.id)):
            points = [Point(key, step, value, at) for key, step, value in event.points]
            if line.held is None:
                line.ready += line.budget.admit(points, reserve=RESERVED)
            else:
                line.held += points

    def _begin(self, at: int, event: TrialStarted) -> None:
        trial = event.trial.id
        if trial in self._lines:
            return
        facts = facts_of_trial(event.trial, self._plan.name, role=event.role, options=event.options)
        is_resumed = event.from_epoch > 0 or trial in self._seen
        run, budget = self._opened().begin(facts, started=at, is_resumed=is_resumed)
        self._seen.add(trial)
        self._lines[trial] = _Line(run, budget, missing(run, facts))

    def _end(self, event: TrialEnded) -> None:
        line = self._lines.pop(event.trial.id, None)
        mirror = self._opened()
        if line is None:
            mirror.complete(event.record, next(iter(mirror.runs_of(event.trial.id)), None))
        else:
            mirror.complete(event.record, line.run, line.budget, line.ready)

    def _flush(self) -> None:
        for line in self._lines.values():
            self._send(line)

    def _send(self, line: _Line) -> None:
        if self._tracker is not None and (line.ready or line.params or line.tags):
            self._tracker.log(line.run.id, line.ready, line.params, line.tags)
            line.run = replace(line.run, params={**line.run.params, **line.params}, tags={**line.run.tags, **line.tags})
            line.ready, line.params, line.tags = [], {}, {}

    def _leave(self) -> None:
        """Close the runs of trials that were interrupted; taking them up again opens them."""
        for line in self._lines.values():
            if self._tracker is not None:
                self._tracker.log(line.run.id, (), {}, {"lab.status": "interrupted"})
                self._tracker.end(line.run.id, "KILLED", round(time.time() * 1000))

    def _opened(self) -> Mirror:
        """The study's experiment, opened when the first trial starts: that is when mlflow is imported."""
        if self._mirror is None:
            from lab.run.opening import typed  # loads optuna: a run has it already, a reader of this file need not

            self._tracker = Tracker(address(self._store.root, self._uri))
            self._mirror = Mirror(
                self._tracker, self._plan.outline(), self._store, command=self._command or typed(self._plan)
            )
            self._mirror.show_study()
        return self._mirror


def _add_alert(line: _Line, at: int, finding: Finding) -> None:
    """The run table shows an alert as soon as it is found."""
    line.alerts.append(finding)
    line.tags |= health_tags(line.alerts, is_failed=False)
    if not finding.explained_by:
        count = len(headlines(line.alerts))
        line.ready += line.budget.admit([Point(ALERTS, finding.step, float(count), at)], reserve=RESERVED - 1)


def _add_scores(line: _Line, at: int, event: EpochDone) -> None:
    if not is_drawn(event.epoch, event.epochs) and event.epoch != event.epochs:
        return
    names = by_importance(name for name in event.scores if name != "epoch")
    scores = [Point(metric_of(name), event.epoch, event.scores[name], at) for name in names]
    line.ready += line.budget.admit(scores, reserve=RESERVED)
    if line.held is not None:
        line.ready += line.budget.admit(line.held, reserve=RESERVED)
        line.held = None
