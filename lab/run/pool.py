"""The pool: worker processes that are started when there is work, watched, and replaced when they die."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from lab.run import worker
from lab.run.messages import Died, Job, Message, Order, Setup, Stop

SPAWN = multiprocessing.get_context("spawn")


class Worker:
    """A worker as the coordinator sees it."""

    def __init__(self, number: int, setup: Setup) -> None:
        self.number = number
        self.trial = ""
        """The trial it works on; empty when it is idle."""
        self.is_ready = False
        """Whether it has come through its imports."""
        self._since = time.monotonic()
        self.wire, theirs = SPAWN.Pipe()
        self.process: SpawnProcess = SPAWN.Process(
            target=worker.main, args=(theirs, setup), name=f"lab-worker-{number}", daemon=True
        )
        with _signals_blocked():
            self.process.start()
        theirs.close()

    @property
    def seconds(self) -> float:
        """How long it has been at its trial."""
        return time.monotonic() - self._since

    def begin(self, job: Job) -> None:
        """Have it run a trial."""
        self.trial, self._since = job.record.trial, time.monotonic()
        self.order(job)

    def order(self, order: Order) -> None:
        """Send an order; a worker that is gone is noticed elsewhere."""
        with suppress(OSError):
            self.wire.send(order)

    def told(self) -> Iterator[Message]:
        """What it has said, then that it died, if it did."""
        is_gone = not self.process.is_alive()
        try:
            while self.wire.poll():
                yield self.wire.recv()
        except (EOFError, OSError):
            self.process.join(5)
            is_gone = True
        if is_gone:
            yield Died(self.process.exitcode)

    def close(self) -> None:
        """Make sure that the process is gone."""
        self.process.kill()
        self.process.join()
        self.wire.close()


class Pool:
    """At most one worker a slot."""

    def __init__(self, setups: list[Setup]) -> None:
        self.setups = setups
        self.workers: dict[int, Worker] = {}

    @property
    def has_room(self) -> bool:
        """Whether another trial could start now."""
        return len(self.workers) < len(self.setups) or any(not each.trial for each in self.workers.values())

    def idle(self) -> Worker:
        """A worker without a trial, started now if there is none; only to be asked while there is room."""
        for each in self.workers.values():
            if not each.trial:
                return each
        free = next(number for number in range(len(self.setups)) if number not in self.workers)
        self.workers[free] = Worker(free, self.setups[free])
        return self.workers[free]

    def wait(self, seconds: float) -> list[tuple[Worker, Message]]:
        """What the workers have said, waiting for the first word at most so long."""
        waited: dict[Connection | int, Worker] = {}
        for each in self.workers.values():
            waited |= {each.wire: each, each.process.sentinel: each}
        if not waited:
            time.sleep(seconds)
            return []
        awake = {waited[thing].number: waited[thing] for thing in connection.wait(list(waited), seconds)}  # type: ignore[index]
        return [(each, message) for each in awake.values() for message in each.told()]

    def retire(self, gone: Worker) -> None:
        """Let go of a worker; its slot is free for another."""
        gone.close()
        self.workers.pop(gone.number, None)

    def order_stop(self) -> None:
        """Ask all workers to leave at the end of their epoch."""
        for each in self.workers.values():
            each.order(Stop())

    def kill(self) -> None:
        """End all workers at once."""
        for each in self.workers.values():
            each.process.kill()

    def close(self) -> None:
        """Make sure that no worker is left."""
        for each in list(self.workers.values()):
            self.retire(each)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal: workers inherit that they do not hear it, even while starting."""
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
