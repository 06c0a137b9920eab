"""Run: one member between its first epoch, or its checkpoint, and its end; the loop says when what happens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import torch

from lab.data.batch import Dataset
from lab.data.batching import Planned, prepare_splits
from lab.probes.curves import Point
from lab.probes.probe import RING, Subject
from lab.probes.recorder import Recorder, with_gradients
from lab.records.record import Status
from lab.records.rules.facts import with_facts
from lab.spec.rules import Finding
from lab.train.build import model_for
from lab.train.checkpoint import Checkpoint, Folder
from lab.train.feed import epoch_updates
from lab.train.flight.flight import flight_of
from lab.train.learner import Learner
from lab.train.member import Member, Progress
from lab.train.pack import Pack
from lab.train.schedule import Plateau
from lab.train.scoring import score
from lab.train.step import Seen, Stepper
from lab.train.stopping import Stopping, waited_for
from lab.train.streams import Streams
from lab.train.tasks import task_of
from lab.train.watch import Alert, Guard, facts_of_run, unheard

CHECKPOINT_SECONDS = 5.0
"""Seconds between two checkpoints, at least; they are written between epochs only."""
SCORED = ("valid", "test", "train")

Ending = tuple[Status, str]
"""How a run ends, and why if that is not as planned."""
Hear = Callable[[Sequence[Point]], None]


class Run:
    """One member with all it is trained with."""

    def __init__(self, member: Member, dataset: Dataset, *, seconds: float | None, alert: Alert = unheard) -> None:
        experiment = member.experiment
        self.member, self.training = member, experiment.training
        self.limit = math.inf if seconds is None else seconds
        self.started = self.saved = time.monotonic()
        self.past, self.from_epoch = Progress(), 0
        self.streams = Streams(member.seed, member.cell, frozenset(self.training.unpaired))
        model = model_for(experiment, dataset, member.seed, member.cell)
        model.to(dataset.splits["train"].x.device)
        self.splits = prepare_splits(dataset, model)
        self.planned_steps = self.training.epochs * len(self.updates(1))
        self.task = task_of(dataset, experiment)
        self.stopping = Stopping.of(experiment)
        self.plateau = Plateau.of(experiment)
        self.learner = Learner.of(experiment, model, self.streams)
        self.pack = Pack([model])
        self.stepper = Stepper(self.pack, [self.learner], self.task, planned_steps=self.planned_steps)
        probes = with_gradients(experiment.probes) if self.stopping.needs_ratio else experiment.probes
        weights, gradients = self.pack.weights[0], self.pack.gradients[0]
        forward, compiled = self.learner.forward, self.training.compile
        subject = Subject(model, self.pack.layout, weights, gradients, forward, compiled)
        self.recorder = Recorder(probes, subject, planned_steps=self.planned_steps)
        self.stepper.recorders = (self.recorder,)
        facts = facts_of_run(experiment, dataset, self.task, model, self.pack.layout)
        self.guard = Guard(experiment, replace(facts, planned_steps=self.planned_steps), alert)
        self.flight = flight_of(member, self.stepper, dataset.sha256)
        self.dataset = dataset
        self.folder: Folder | None = None
        self.why_stopped = ""
        """The rule that ends the run, and what it said."""
        self.seen = Seen()

    @property
    def seconds(self) -> float:
        """Time spent on it, that before a resumption included."""
        return self.past.seconds + time.monotonic() - self.started

    def updates(self, epoch: int) -> list[list[Planned]]:
        """The batches of every update of an epoch, the first epoch being 1."""
        key = self.streams.key("data_order", epoch)
        return epoch_updates(self.splits["train"].split.sizes, self.training, key)

    # --- an epoch ---

    def learn(self, hear: Hear) -> Ending | None:
        """Train for an epoch; how the run ends, if it ends on the way."""
        self.learner.model.train()
        self.stepper.loss_sum.zero_()
        before, started = self.past.step, time.perf_counter()
        for update in self.updates(self.past.epoch + 1):
            if self.seconds > self.limit:
                self._read(hear)
                return "timed_out", f"not done after {self.limit:g} s, at step {self.past.step}"
            self.flight.before_step(self.past.step, update)
            self.stepper.step(self.past.step, [[self.splits["train"].batch(*cut) for cut in update]])
            self.flight.after_step(self.past.step)
            self.past.step += 1
            if self.past.step % RING == 0 and not self._read(hear):
                return self._diverged()
            if self.why_stopped:
                return "stopped", self.why_stopped
        self.past.epoch += 1
        self.recorder.after_epoch(self.past.epoch, self.past.step - 1)
        if not self._read(hear):
            return self._diverged()
        steps = self.past.step - before
        self.mean_loss = self.seen.loss_sum / steps
        self.past.step_ms.append((time.perf_counter() - started) * 1000 / steps)
        return None

    def _read(self, hear: Hear) -> bool:
        """Bring over what the device has to tell; whether the run is still sound."""
        self._hear_readings(hear)
        self.flight.flush()
        self.seen = self.stepper.read(0)
        self._watch()
        return self.seen.is_active

    def _hear_readings(self, hear: Hear) -> None:
        points = self.recorder.flush()
        if points:
            hear(points)

    def _watch(self) -> None:
        """Give what was read to the rules, and act on what they found in the readings before."""
        last = math.inf if self.seen.is_active else self.seen.bad_step
        self._act(self.guard.hand([chunk.until(last) for chunk in self.recorder.fresh]))

    def _act(self, news: Sequence[Finding]) -> None:
        """Draw the consequences of what rules have found."""
        for finding in news:
            self.recorder.keep_exact(finding.step)
            if self.guard.freezes(finding):
                self.flight.freeze(finding.rule, finding)
        self.why_stopped = self.why_stopped or self.guard.stops(news)

    def _diverged(self) -> Ending:
        """The end of a run that was not finite, which its flight recorder keeps."""
        why, seen = self._why(), self.seen
        self.flight.freeze(
            "diverged", Finding("diverged", "run", seen.bad_step, "fatal", value=seen.bad_loss, says=why)
        )
        return "diverged", why

    def _why(self) -> str:
        """The first step that was not finite, and where its gradient was not."""
        step, loss, names = self.seen.bad_step, self.seen.bad_loss, self.pack.not_finite(0)
        what = "the gradient's norm is too large for its type" if not names else "the gradient is not finite"
        head = f"{what} at step {step}" if math.isfinite(loss) else f"loss is {loss:g} at step {step}"
        count = f"{len(names)} of {len(self.pack.layout.names)} tensors"
        return f"{head}; first non-finite gradient in {names[0]} ({count})" if names else head

    def score(self, hear: Hear) -> dict[str, float]:
        """Score the epoch that was just trained, and remember it."""
        wanted = [name for name in SCORED if name != "train" or self.training.evaluate_train]
        splits = {name: self.splits[name] for name in wanted if name in self.splits}
        scores = {"epoch": float(self.past.epoch), "lr": self.seen.lr}
        told = score(self.learner, splits, self.task)
        scores |= told.scores | {"train.loss": self.mean_loss}
        if "valid" in told.seen:
            self.recorder.after_scoring(self.past.epoch, self.past.step - 1, told.seen["valid"])
            self._hear_readings(hear)
            self._watch()
        self.past.remember(scores)
        return scores

    def settle(self, scores: dict[str, float]) -> Ending | None:
        """Draw the consequences of an epoch's scores."""
        main = scores.get(f"valid.{self.task.main}", math.nan)
        ratio = self.recorder.summary.epoch_ratio()
        self.past.ratios.append(ratio)
        if self.training.schedule == "plateau":
            seen = waited_for(self.plateau.score, scores, "training.plateau_score")
            self.stepper.scale[0] = self.plateau.tell(seen)
        self._act(self.guard.take())
        if self.why_stopped:
            return "stopped", self.why_stopped
        return self.stopping.tell(main, ratio, scores)

    # --- checkpoints ---

    def resume(self, folder: Path) -> None:
        """Keep checkpoints there, and go on from the one that is there."""
        self.folder = Folder(folder, self.member.identity)
        found = self.folder.read(self.stepper.state())
        if found is not None:
            self._go_back(found)

    def save(self) -> None:
        """Write a checkpoint, if the last one is old enough."""
        if self.folder is None or time.monotonic() - self.saved < CHECKPOINT_SECONDS:
            return
        said, arrays = self.recorder.state()
        tensors = self.stepper.state() | {f"readings.{name}": torch.from_numpy(a) for name, a in arrays.items()}
        host = {
            "progress": asdict(self.past) | {"seconds": self.seconds},
            "plateau": self.plateau.state(),
            "stopping": self.stopping.state(),
            "recorder": said,
            "rules": self.guard.state(),
        }
        if not self.folder.write(self.past.epoch, Checkpoint(host, tensors), self.recorder.part()):
            self.folder = None
        self.saved = time.monotonic()

    def _go_back(self, found: Checkpoint) -> None:
        self.flight.resumed()
        self.past = Progress(**found.said["progress"])
        self.from_epoch = self.past.epoch
        for watch, said in ((self.plateau, found.said["plateau"]), (self.stopping, found.said["stopping"])):
            vars(watch).update(said)
        with torch.no_grad():
            for name, tensor in self.stepper.state().items():
                tensor.copy_(found.tensors[name])
        arrays = {
            name.removeprefix("readings."): tensor.numpy()
            for name, tensor in found.tensors.items()
            if name.startswith("readings.")
        }
        self.recorder.load(found.said["recorder"], arrays, found.parts)
        self.guard.load(found.said["rules"])
        self.seen = self.stepper.read(0)

    # --- the end ---

    def conclude(self) -> tuple[Finding, ...]:
        """All that rules found, now that the run is over, and what a reader should know besides."""
        self._act(self.guard.take())
        self.guard.end(self.dataset)
        return self.guard.health.ordered + self.remarks()

    def readings(self) -> pa.Table | None:
        """All that was read, up to the step that was not finite if there was one to end the run."""
        rows = self.recorder.table()
        if rows is None:
            return None
        rows = with_facts(rows, self.guard.facts)
        if self.seen.is_active:
            return rows
        return rows.filter(pc.less_equal(rows["step"], self.seen.bad_step))

    def remarks(self) -> tuple[Finding, ...]:
        """What a reader of the scores should know of the steps behind them."""
        told = (
            ("one_class_batches", self.seen.voids, "batches held one class only: loss 0, no gradient"),
            ("skipped_updates", self.seen.skipped, "updates were skipped: loss or gradient not finite"),
        )
        counted = tuple(
            Finding(rule, "train", self.past.step, "info", value=float(count), says=f"{count} {says}")
            for rule, count, says in told
            if count
        )
        return counted + self.recorder.remarks()
