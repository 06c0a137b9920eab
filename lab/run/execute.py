"""`execute`: a plan's pending trials are run until each has a record; Plan -> Result."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from lab.plan.plan import Plan
from lab.records.store import Store
from lab.run.announcer import Announcer
from lab.run.claims import Claims
from lab.run.coordinator import Coordinator
from lab.run.events import Listener
from lab.run.opening import home_of, open_desk
from lab.run.optuna_importances import keep_importances
from lab.run.pool import Pool

INTERRUPTED = 130
"""What a shell expects of a program that was interrupted."""


@dataclass(frozen=True)
class Result:
    """How a study stands after a run."""

    done: int
    failed: int
    pruned: int
    reused: int
    """Trials taken over from other studies in this run; they count as done."""
    pending: int
    interrupted: bool = False
    stopped: str = ""
    """Why the study was stopped before its end."""

    @property
    def exit_code(self) -> int:
        """0 when all is well, 1 when a trial failed or the study was stopped, 130 when it was interrupted."""
        if self.interrupted:
            return INTERRUPTED
        return 1 if self.failed or self.stopped else 0


def execute(
    plan: Plan, store: Store, *, jobs: int = 1, listeners: Sequence[Listener] = (), retry_failed: bool = False
) -> Result:
    """Run what has no record yet, `jobs` trials at a time; several processes may do so at once."""
    store.write_plan(plan.outline())
    announcer = Announcer(listeners)
    with ExitStack() as held:
        claims = held.enter_context(Claims(home_of(store) / "claims"))
        desk = open_desk(plan, store, claims=claims, announcer=announcer, retry_failed=retry_failed)
        for source in desk.sources:
            held.callback(source.leave)
        pool = Pool(desk.setups(jobs))
        held.callback(pool.close)
        coordinator = Coordinator(desk, pool)
        with _interruptible(coordinator):
            coordinator.run()
        if desk.search is not None:
            keep_importances(store, plan.name, desk.search.sampling, warn=announcer.warn)
    return _result(coordinator)


@contextmanager
def _interruptible(coordinator: Coordinator) -> Iterator[None]:
    """The first Ctrl-C or termination ends the run in good order, the second at once."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        coordinator.interrupts += 1
        if coordinator.interrupts > 1:
            coordinator.pool.kill()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def _result(coordinator: Coordinator) -> Result:
    desk = coordinator.desk
    planned = {trial.id for trial in desk.plan.all_trials}
    known = [each for each in desk.standing.known.values() if each.trial in planned or each.role == "search"]
    total = len(planned) + (desk.search.num_trials if desk.search is not None else 0)
    is_whole = not (coordinator.is_halted or coordinator.interrupts)
    counts = Counter("failed" if each.is_failed else each.status for each in known)
    return Result(
        done=counts["done"],
        failed=counts["failed"],
        pruned=counts["pruned"],
        reused=coordinator.reused,
        pending=0 if is_whole else max(0, total - len(known)),
        interrupted=coordinator.interrupts > 0,
        stopped=coordinator.stopped,
    )
