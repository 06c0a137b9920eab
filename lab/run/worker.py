"""A worker: a process that imports torch once, then runs one trial after another and writes their records."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import connection, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.records.record import Record, Status
from lab.records.store import Store
from lab.run.machine import settle
from lab.run.messages import Alert, Ended, Epoch, Job, Message, Points, Ready, Setup, Stop, Unable, Verdict

if TYPE_CHECKING:
    from lab.data.batch import Dataset
    from lab.spec.experiment import Experiment
    from lab.spec.rules import Finding
    from lab.train.flight.papers import Papers
    from lab.train.loop import Outcome

DATASETS_KEPT = 2
"""Data sets that stay in memory: trials come seed by seed, mostly over the same one."""


def main(wire: Connection, setup: Setup) -> None:
    """Run trials until told to stop; the coordinator's death is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, name="parent", daemon=True).start()
    settle(setup)
    try:
        worker = Worker(wire, setup)
    except LabError as error:
        wire.send(Unable(error.what, error.hint, error.where))
        return
    except Exception:
        wire.send(Unable(f"a worker cannot start:\n{traceback.format_exc()}"))
        return
    worker.serve()


def _die_with_parent() -> None:
    """A coordinator that is killed takes its workers along: another may resume their trials at once."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


class Worker:
    """Runs one trial at a time; data sets and imports outlive it."""

    def __init__(self, wire: Connection, setup: Setup) -> None:
        from lab.spec.plugins import load_plugins

        load_plugins(setup.plugins, Path(setup.root))
        self.setup = setup
        self.wire = wire
        self.store = Store(setup.store)
        self.device, self.device_name = ready_torch(setup)
        self.datasets: dict[tuple[str, int], Dataset] = {}

    def serve(self) -> None:
        """Take orders until there are no more."""
        self.wire.send(Ready(self.device_name))
        while True:
            try:
                order = self.wire.recv()
            except EOFError:
                return
            if isinstance(order, Stop):
                return
            if isinstance(order, Job):
                self._run(order)

    def _run(self, job: Job) -> None:
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        begun = time.perf_counter()
        origin = replace(self.setup.origin, device=self.device_name, threads=self.setup.threads, started=started)
        record = replace(job.record, origin=origin)
        try:
            record, outcome = self._train(job, record)
        except Exception as error:
            seconds = time.perf_counter() - begun
            record, outcome = _broken(record, error, seconds), None
        if record.status in job.handed_back:
            self._tell(Ended(record, is_written=False))
        else:
            self._keep(job, record, outcome)

    def _train(self, job: Job, record: Record) -> tuple[Record, Outcome]:
        from lab.spec.experiment import Experiment
        from lab.train.loop import Member, train
        from lab.train.tasks.known_lines import known_lines

        experiment = Experiment.model_validate_json(job.experiment)
        if experiment.id != job.experiment_id:
            raise RuntimeError("the worker reads the experiment differently: did a plug-in change meanwhile?")
        member = Member(experiment, record.seed, record.cell, record.repeat, record.trial, self._papers(job))
        dataset = self._dataset(experiment, record.seed)
        sha256 = dataset.sha256 if self.setup.hashes_data else ""
        origin = replace(record.origin, data=sha256, data_lines=known_lines(experiment, dataset))
        (outcome,) = train(
            [member],
            dataset,
            watcher=Watch(self.wire, job),
            checkpoints=Path(job.checkpoints),
            device=self.device,
            seconds=job.seconds,
        )
        return _recorded(replace(record, origin=origin), outcome), outcome

    def _papers(self, job: Job) -> Papers:
        from lab.spec.plugins import loaded
        from lab.train.flight.papers import Papers

        record = job.record
        return Papers(
            Path(job.bundles),
            study=record.study,
            label=record.label,
            root=str(Path(self.setup.root).absolute()),
            plugins=loaded(self.setup.plugins, Path(self.setup.root)),
            commit=record.origin.commit,
        )

    def _dataset(self, experiment: Experiment, seed: int) -> Dataset:
        from lab.data.load import load_dataset
        from lab.spec.spec import digest

        key = digest(experiment.dataset.content()), seed if experiment.dataset.draw == "per_seed" else 0
        if key not in self.datasets:
            while len(self.datasets) >= DATASETS_KEPT:
                del self.datasets[next(iter(self.datasets))]
            self.datasets[key] = load_dataset(experiment.dataset, key[1])
        return self.datasets[key]

    def _keep(self, job: Job, record: Record, outcome: Outcome | None) -> None:
        """Write the record before anyone hears of it; only then is the checkpoint of no more use."""
        try:
            self.store.write(record, outcome.readings if outcome is not None else None)
        except LabError as error:
            self._tell(Unable(error.what, error.hint, error.where))
            return
        shutil.rmtree(Path(job.checkpoints) / record.trial, ignore_errors=True)
        self._tell(Ended(record, is_written=True))

    def _tell(self, message: Message) -> None:
        try:
            self.wire.send(message)
        except OSError:  # the coordinator is gone
            sys.exit(1)


class Watch:
    """Passes on what the loop tells, and what the coordinator wants of it."""

    def __init__(self, wire: Connection, job: Job) -> None:
        self.wire = wire
        self.trial = job.record.trial
        self.is_watched = job.is_watched

    def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
        """Tell of an epoch; False gives the trial up. An order to stop ends the process: its checkpoint is there."""
        self.wire.send(Epoch(self.trial, epoch, step, dict(scores)))
        while self.is_watched or self.wire.poll():
            order = self.wire.recv()
            if isinstance(order, Stop):
                sys.exit(0)
            if isinstance(order, Verdict):
                return order.go_on
        return True

    def measured(self, member: int, points: Sequence[tuple[str, int, float]]) -> None:
        """Pass probe summaries on."""
        self.wire.send(Points(self.trial, tuple(points)))

    def alert(self, member: int, finding: Finding) -> None:
        """Pass what a rule has found on; it is in the record, too, if nobody is there any more."""
        with suppress(OSError):
            self.wire.send(Alert(self.trial, finding))


def ready_torch(setup: Setup) -> tuple[str, str]:
    """Import torch, settle it, and say which device trials run on."""
    import torch

    import lab.train.loop  # noqa: F401  (so that the first trial does not pay for it)

    torch.set_num_threads(setup.threads)
    if setup.deterministic != "off":
        torch.use_deterministic_algorithms(True, warn_only=setup.deterministic == "warn")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if setup.device != "cpu" and torch.cuda.is_available():
        return "cuda", torch.cuda.get_device_name()
    if setup.device == "cuda":
        raise LabError(
            "resources.device: cuda, but this torch sees no GPU",
            hint="install a CUDA build of torch, or say auto or cpu",
        )
    return "cpu", "cpu"


def _recorded(record: Record, outcome: Outcome) -> Record:
    return replace(
        record,
        status=outcome.status,
        history=outcome.history,
        scores=outcome.scores,
        findings=tuple(outcome.findings),
        memory=outcome.memory,
        seconds=outcome.seconds,
        error=outcome.error,
        traceback=outcome.traceback,
    )


def _broken(record: Record, error: Exception, seconds: float) -> Record:
    """The record of a trial that failed outside the loop: while its data was made, say."""
    status: Status = "out_of_memory" if isinstance(error, MemoryError) else "bug"
    told = f"{type(error).__name__}: {error}" if not isinstance(error, LabError) else str(error)
    return replace(record, status=status, error=told, traceback=traceback.format_exc(), seconds=seconds)
