"""The coordinator: hands trials to workers, hears what becomes of them, and tells everyone who listens.

It is the process of `lab run` itself and stays light: torch is imported by the workers only.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace

from lab.errors import LabError
from lab.plan.plan import Trial
from lab.records.record import Record, Status
from lab.run.events import Alerted, EpochDone, Measured, Said, TrialEnded, TrialStarted
from lab.run.giving_up import hopeless
from lab.run.handout import Assignment, Handout
from lab.run.messages import Alert, Died, Ended, Epoch, Message, Points, Ready, Unable, Verdict
from lab.run.opening import Desk
from lab.run.policies import Retries, spent
from lab.run.pool import Pool, Worker
from lab.run.tasks import Task, role_of

TICK = 0.5
"""Seconds after which the coordinator looks up even when no worker says anything."""
PATIENCE = 5.0
"""Seconds that workers get to finish their epoch when the run is interrupted."""
HANGING = 60.0
"""Seconds, beside twice its time, after which a trial that cannot be timed out by itself is ended with its worker."""
STILLBORN = 3
"""Workers in a row that may die before they have imported everything."""


class Coordinator:
    """One run of a study."""

    def __init__(self, desk: Desk, pool: Pool) -> None:
        self.desk = desk
        self.pool = pool
        self.plan, self.standing = desk.plan, desk.standing
        self.announcer = desk.announcer
        self.retries = Retries(self.plan.study.retry)
        self.handout = Handout(self.plan, desk.store, claims=desk.claims, sources=desk.sources, absorb=self._absorb)
        self.flights: dict[str, Assignment] = {}
        """Trials on workers."""
        self.reused = 0
        self.stopped = ""
        """Why the study was stopped before its end; empty when it was not."""
        self.is_halted = False
        """Whether no more trials are handed out."""
        self.interrupts = 0
        """How often the person asked to stop."""
        self._stillborn = 0
        self._has_said_it_waits = False
        self._overdue: set[str] = set()
        """Trials whose workers were ended because they hung."""

    def run(self) -> None:
        """Go on until every trial has a record, or somebody or something ends it."""
        for trial, record in self.desk.reused:
            self._take_reused(trial, record)
        self._give_up_cells(self.plan.reference.id)
        self._mind_budget()
        try:
            self._work()
        finally:
            self.pool.close()
            for left in self.flights:
                self.desk.ledger.interrupt(left)

    def _work(self) -> None:
        self._hand_out()
        while not self._is_over():
            for worker, message in self.pool.wait(TICK):
                self._hear(worker, message)
            if self.interrupts:
                self._leave()
                return
            self._mind_time()
            self._hand_out()

    # -- handing out -------------------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return not self.flights and (self.is_halted or self.handout.is_over)

    def _hand_out(self) -> None:
        while not self.is_halted and self.pool.has_room and not self._is_reserved():
            assignment = self.handout.next(is_quiet=not self.flights)
            if assignment is None:
                self._say_what_is_waited_for()
                return
            self._start(assignment)

    def _say_what_is_waited_for(self) -> None:
        count = self.handout.num_elsewhere
        if count and not self.flights and not self._has_said_it_waits:
            self._has_said_it_waits = True
            text = f"waiting for {count} trial{'s' if count > 1 else ''} that another lab run works on"
            self.announcer.tell(Said("info", text))

    def _is_reserved(self) -> bool:
        """Whether a trial has the machine for itself."""
        return any(each.is_alone for each in self.flights.values())

    def _start(self, assignment: Assignment) -> None:
        task, worker = assignment.task, self.pool.idle()
        self.flights[task.id] = assignment
        if assignment.source is self.desk.planned:
            self.desk.ledger.start(self.desk.view.row(task.trial))
        job = task.job(
            task.record(self.plan, self.desk.origin),
            home=self.desk.home,
            seconds=self.plan.study.budget.per_run,
            handed_back=self.retries.handed_back(task.id),
        )
        worker.begin(job)
        from_epoch = self._checkpointed(task.id)
        options = task.experiment.options()
        self.announcer.tell(TrialStarted(task.trial, task.role, worker.number, options, from_epoch))

    def _checkpointed(self, trial: str) -> int:
        """The epoch a trial goes on from."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            index = json.loads((self.desk.home / "checkpoints" / trial / "checkpoint.json").read_text())
            return int(index["said"]["progress"]["epoch"])
        return 0

    def _absorb(self, assignment: Assignment, record: Record) -> None:
        """Take in a trial that has a record without having run here."""
        trial = assignment.task.trial
        self.standing.add(record)
        assignment.source.ended(assignment.task, record)
        if record.reused and assignment.source is self.desk.planned:
            self.desk.ledger.finish(self.desk.view.row(trial, self.standing))
        if record.reused:
            self._take_reused(trial, record)

    def _take_reused(self, trial: Trial, record: Record) -> None:
        """Take in a trial that another study has finished."""
        self.reused += 1
        self.announcer.tell(TrialEnded(trial, record))

    # -- hearing -----------------------------------------------------------------------------------------------

    def _hear(self, worker: Worker, message: Message) -> None:
        match message:
            case Ready():
                worker.is_ready, self._stillborn = True, 0
            case Epoch():
                self._epoch(worker, message)
            case Points() if message.trial in self.flights:
                self.announcer.tell(Measured(self.flights[message.trial].task.trial, message.points))
            case Alert() if message.trial in self.flights:
                self.announcer.tell(Alerted(self.flights[message.trial].task.trial, message.finding))
            case Ended():
                self._ended(worker, message)
            case Died():
                self._died(worker, message)
            case Unable():
                raise LabError(message.what, where=message.where, hint=message.hint)

    def _epoch(self, worker: Worker, message: Epoch) -> None:
        assignment = self.flights[message.trial]
        source, task = assignment.source, assignment.task
        epochs = task.experiment.training.epochs
        self.announcer.tell(EpochDone(task.trial, message.epoch, epochs, message.step, message.scores))
        if source is self.desk.planned and self.plan.study.score.name in message.scores:
            value = message.scores[self.plan.study.score.name]
            self.desk.ledger.report(task.id, message.epoch, epochs, value)
        if task.is_watched:
            worker.order(Verdict(source.goes_on(task, message.epoch, message.scores)))

    def _ended(self, worker: Worker, message: Ended) -> None:
        record, worker.trial = message.record, ""
        assignment = self.flights.pop(record.trial)
        if message.is_written:
            self._settle(assignment, record)
        else:
            self.retries.note(record.trial, record.status)
            is_alone = record.status == "out_of_memory"
            self.handout.again(assignment, is_alone=is_alone)
            how = "is tried again, alone" if is_alone else "is tried again"
            self.announcer.warn(f"trial {record.trial} ended as {record.status} and {how}: {_first_line(record.error)}")
        if record.status == "out_of_memory" or (record.status == "bug" and record.origin.device != "cpu"):
            self.pool.retire(worker)  # its memory, or its GPU, may be in no state to go on with

    def _died(self, worker: Worker, message: Died) -> None:
        trial, was_ready = worker.trial, worker.is_ready
        self.pool.retire(worker)
        if not was_ready and not self.interrupts:
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise LabError(
                    f"workers die while starting (exit code {message.exitcode})", hint="see what they printed"
                )
        if trial in self.flights and not self.interrupts:
            self._bereaved(self.flights.pop(trial), message, was_ready=was_ready)

    def _bereaved(self, assignment: Assignment, message: Died, *, was_ready: bool) -> None:
        """A trial has lost its worker: it is done after all, or goes on elsewhere, or has killed too many."""
        task = assignment.task
        code = message.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        record = self.desk.store.read(task.id, study=self.plan.name)
        if record is not None and record.study == self.plan.name:
            self._settle(assignment, record)
        elif task.id in self._overdue:
            self._write(
                assignment, "timed_out", "it did not come to its end, nor to an epoch's, long after its time was up"
            )
        elif not was_ready or self.retries.survives(task.id, self._checkpointed(task.id)):
            self.announcer.warn(f"the worker of trial {task.id} died ({how}); the trial is taken up again")
            self.handout.again(assignment)
        else:
            self._write(assignment, "killed", f"its worker was killed ({how}), without getting any further in between")

    def _write(self, assignment: Assignment, status: Status, why: str) -> None:
        """Write a record on behalf of a trial that cannot do it itself."""
        blank = assignment.task.record(self.plan, self.desk.origin)
        record = replace(blank, status=status, error=why)
        self.desk.store.write(record)
        self._settle(assignment, record)

    def _settle(self, assignment: Assignment, record: Record) -> None:
        """A record lies in the store: everyone else may know."""
        task = assignment.task
        self.standing.add(record)
        if assignment.source is self.desk.planned:
            self.desk.ledger.finish(self.desk.view.row(task.trial, self.standing))
        self.desk.claims.release(task.id)
        assignment.source.ended(task, record)
        self.announcer.tell(TrialEnded(task.trial, record))
        self._mind_errors(record)
        self._mind_budget()
        self._give_up_cells(record.cell)

    # -- policies ----------------------------------------------------------------------------------------------

    def _mind_errors(self, record: Record) -> None:
        why = self.retries.stops_study(record)
        if why and not self.is_halted:
            self.is_halted, self.stopped = True, why
            self.announcer.tell(Said("error", why))

    def _mind_time(self) -> None:
        """End a worker that hangs where the loop cannot look at the clock."""
        limit = self.plan.study.budget.per_run
        for worker in self.pool.workers.values() if limit is not None else ():
            if worker.trial and limit is not None and worker.seconds > 2 * limit + HANGING:
                self._overdue.add(worker.trial)
                worker.process.kill()

    def _mind_budget(self) -> None:
        why = spent(self.plan.study.budget, self.standing)
        if why and not self.is_halted:
            self.is_halted = True
            self.announcer.warn(f"{why}; what is missing stays pending")
            if self.plan.study.budget.when_spent == "stop":
                self.stopped = why

    def _give_up_cells(self, after: str) -> None:
        for cell, why in hopeless(self.plan, self.standing, after).items():
            for trial in self.desk.planned.drop(cell):
                self._give_up(trial, why)

    def _give_up(self, trial: Trial, why: str) -> None:
        """Record a trial as pruned, unless another process runs it or has run it."""
        if not self.desk.claims.take(trial.id):
            return
        record = self.desk.store.read(trial.id, study=self.plan.name)
        assignment = Assignment(Task(trial, role_of(trial), trial.cell.experiment), self.desk.planned)
        if record is not None and record.study == self.plan.name:
            self._settle(assignment, record)
        else:
            self._write(assignment, "pruned", why)

    # -- leaving -----------------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Let workers come to the end of their epoch; what they cannot finish waits for the next run."""
        self.announcer.warn(
            "stopping; trials under way keep their last checkpoint, and the same command goes on from there"
        )
        self.is_halted = True
        self.pool.order_stop()
        deadline = time.monotonic() + PATIENCE
        while self.pool.workers and self.interrupts < 2 and time.monotonic() < deadline:
            for worker, message in self.pool.wait(TICK / 5):
                self._hear(worker, message)


def _first_line(text: str) -> str:
    return next(iter(text.strip().splitlines()), "")
