"""Flight: keeps the last steps of a run at hand, and freezes them into a bundle when something went wrong."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
from safetensors.torch import save_file

from lab.records.bundles import INDEX, LOG, MARK, Bundle, Mark, bundles_of, read_mark, sweep_drafts
from lab.spec.rules import Finding
from lab.train.checkpoint import settle
from lab.train.flight.environment import Environment
from lab.train.flight.log import Log, Update, hash_kind, table_of
from lab.train.flight.papers import Papers
from lab.train.flight.snapshots import Snapshots
from lab.train.member import Member
from lab.train.step import Stepper


class Flight:
    """The flight recorder of one member.

    Between two flushes of the loop it only copies and computes on the device; nothing it does changes a step, and
    nothing that goes wrong with it reaches the run.
    """

    def __init__(self, member: Member, papers: Papers, stepper: Stepper, data: str) -> None:
        self.member, self.papers, self.data = member, papers, data
        self.spec = member.experiment.recorder
        self.environment = Environment.here(stepper.pack.weights.device)
        self.snapshots = Snapshots(stepper.state())
        self.log = Log(stepper)
        self.folder = papers.folder / member.trial
        self.before = {bundle.name for bundle in bundles_of(papers.folder, member.trial)}
        """Bundles of an earlier attempt, which make room for those of this one."""
        self._at = -1
        self._update: Update = ()
        self._is_broken = self._has_warned = False
        sweep_drafts(papers.folder, member.trial)

    def resumed(self) -> None:
        """The run goes on from a checkpoint: what lies in its folder is its own."""
        self.before = set()

    def before_step(self, step: int, update: Update) -> None:
        """A step is about to be taken."""
        self._at, self._update = step, update
        taken = self.snapshots.taken
        if not self._is_broken and (not taken or step - taken[-1] >= self.spec.every):
            with self._harmless("take a snapshot"):
                self.snapshots.take(step)
                self.log.first = self.snapshots.taken[0]

    def after_step(self, step: int) -> None:
        """The step was taken; its gradient is still there."""
        if not self._is_broken:
            with self._harmless("write its log"):
                self.log.write(step, self._update)

    def flush(self) -> None:
        """Read the log back with everything else, and freeze if a person asks for it."""
        with self._harmless("read its log"):
            self.log.read()
            if (self.folder / MARK).exists():
                self._freeze_at_mark(read_mark(self.papers.folder, self.member.trial) or Mark())

    @contextmanager
    def _harmless(self, doing: str) -> Iterator[None]:
        """Whatever goes wrong inside is told once; the run goes on without a recorder."""
        try:
            yield
        except Exception as error:
            self._is_broken = True
            self._warn(f"its flight recorder could not {doing}", error)

    def _warn(self, what: str, error: Exception) -> None:
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(f"trial {self.member.trial}: {what}: {' '.join(str(error).split())}", stacklevel=3)

    def _freeze_at_mark(self, mark: Mark) -> None:
        step = self._at if mark.step is None else min(mark.step, self._at)
        self.freeze("mark", Finding("mark", "run", step, "info", says=mark.note or "a person asked for it"))
        (self.folder / MARK).unlink(missing_ok=True)

    def freeze(self, reason: str, finding: Finding | None = None) -> Path | None:
        """Keep the last steps in a bundle; its folder, or None where there is no room for one more."""
        step = self._at if finding is None else min(max(0, finding.step), self._at)
        word = re.sub(r"[^a-z0-9_]+", "_", reason.lower())
        try:
            return self._freeze(f"{step}-{word}", step, finding)
        except Exception as error:
            self._warn(f"step {step} could not be kept", error)
            return None

    def _freeze(self, name: str, step: int, finding: Finding | None) -> Path | None:
        present = bundles_of(self.papers.folder, self.member.trial)
        same = next((each for each in present if each.step == step and each.name not in self.before), None)
        if same is not None:
            return same.path
        if self._is_broken or not self.snapshots.taken or not self._has_room(present, name):
            return None
        self.log.read()
        bundle = self._bundle(self.folder / name, step, finding)
        draft = self.folder / f".draft-{name}"
        draft.mkdir(parents=True, exist_ok=True)
        try:
            self._fill(draft, bundle)
            if bundle.path.exists():
                shutil.rmtree(bundle.path)
            draft.rename(bundle.path)
            settle(self.folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return bundle.path

    def _has_room(self, present: list[Bundle], name: str) -> bool:
        """Whether one more may be kept; bundles of an earlier attempt give way."""
        kept = [each for each in present if each.name != name or name not in self.before]
        old = [each for each in kept if each.name in self.before]
        while old and len(kept) >= self.spec.keep:
            gone = old.pop(0)
            shutil.rmtree(gone.path)
            kept.remove(gone)
        return len(kept) < self.spec.keep

    def _bundle(self, path: Path, step: int, finding: Finding | None) -> Bundle:
        member, papers, experiment = self.member, self.papers, self.member.experiment
        taken = self.snapshots.taken
        return Bundle(
            path=path,
            trial=member.trial,
            step=step,
            reason=path.name.partition("-")[2],
            last=self._at,
            snapshots=tuple(each for each in taken if each <= step) or tuple(taken[:1]),
            experiment=experiment.model_dump_json(serialize_as_any=True),
            experiment_id=experiment.id,
            seed=member.seed,
            cell=member.cell,
            repeat=member.repeat,
            study=papers.study,
            label=papers.label,
            hash=hash_kind(self.log.gradients.device.type),
            data=self.data,
            plugins=papers.plugins,
            root=papers.root,
            environment=asdict(self.environment),
            commit=papers.commit,
            finding=finding,
            frozen=datetime.now(UTC).isoformat(timespec="seconds"),
        )

    def _fill(self, draft: Path, bundle: Bundle) -> None:
        """Write every file and wait until the disk has it; the index is the last."""
        for step in bundle.snapshots:
            held = {name: tensor.cpu().contiguous() for name, tensor in self.snapshots.of(step).items()}
            _settled(draft / state_file(step), partial(save_file, held))
        _settled(draft / LOG, lambda file: pq.write_table(table_of(list(self.log.steps)), file, compression="zstd"))
        _settled(draft / INDEX, lambda file: file.write_text(bundle.to_json()))
        settle(draft)


class Grounded(Flight):
    """The recorder of a run that keeps nothing."""

    def __init__(self) -> None:
        """It needs nothing."""

    def resumed(self) -> None:
        """Nothing to remember."""

    def before_step(self, step: int, update: Update) -> None:
        """Nothing to copy."""

    def after_step(self, step: int) -> None:
        """Nothing to write."""

    def flush(self) -> None:
        """Nothing to read."""

    def freeze(self, reason: str, finding: Finding | None = None) -> Path | None:
        """Nothing to keep."""
        return None


def flight_of(member: Member, stepper: Stepper, data: str) -> Flight:
    """The recorder that an experiment asks for, where there is a place for its bundles."""
    if member.papers is None or not member.experiment.recorder.is_on:
        return Grounded()
    try:
        return Flight(member, member.papers, stepper, data)
    except Exception as error:
        said = " ".join(str(error).split())
        warnings.warn(f"trial {member.trial} flies without a recorder: {said}", stacklevel=2)
        return Grounded()


def state_file(step: int) -> str:
    """The file of a bundle that holds the state before a step."""
    return f"state-{step}.safetensors"


def _settled(path: Path, write: Callable[[Path], object]) -> None:
    write(path)
    settle(path)
