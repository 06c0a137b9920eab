"""The process of a replay: it opens the trial again, refuses what cannot come out the same, and does as ordered."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.records.film import Film
from lab.records.replayed import Parting, Replayed
from lab.run.machine import settle
from lab.run.messages import Setup
from lab.run.replay_orders import Comparison, Filming, Progress, Replay, Side
from lab.run.worker import ready_torch

if TYPE_CHECKING:
    import torch

    from lab.data.batch import Dataset
    from lab.spec.experiment import Experiment
    from lab.train.member import Member
    from lab.train.replay.replay import Start

ANYWAY = "--anyway goes on all the same, and tells how far the numbers agree"
WORDS = {
    "torch_version": "torch is {now}, where the trial had {then}",
    "threads": "torch has {now} threads, where the trial had {then}: set no OMP_THREAD_LIMIT",
    "simd": "this processor runs {now} kernels, the trial's ran {then}",
    "device": "the device is {now}, the trial's was {then}",
    "deterministic": "deterministic algorithms are {now}, and were {then}",
    "cublas": "the workspace of cuBLAS is '{now}', and was '{then}'",
    "code": "lab's code is not what it was ({now}, where the trial had {then})",
}
"""What bits hang on, and how a difference is told."""


def main(wire: Connection, order: Replay | Comparison | Filming, setup: Setup) -> None:
    """Carry an order out; a mistake of the person's is told as one."""
    settle(setup)

    def hear(step: int, goal: int) -> None:
        wire.send((step, goal))

    try:
        device, _ = ready_torch(setup)
        work = Work(setup, device, anyway=order.anyway)
        wire.send(work.carry_out(order, hear))
    except LabError as mistake:
        wire.send((mistake.what, mistake.hint, mistake.where))
    except Exception:
        wire.send(traceback.format_exc())


class Work:
    """Opens trials again on one device."""

    def __init__(self, setup: Setup, device: str, *, anyway: bool) -> None:
        self.root, self.device, self.anyway = Path(setup.root), device, anyway
        self.notes: list[str] = []

    def carry_out(self, order: Replay | Comparison | Filming, hear: Progress) -> Replayed | Parting | Film:
        """Do what this kind of order asks for."""
        if isinstance(order, Replay):
            return self.replay(order, hear)
        return self.film(order, hear) if isinstance(order, Filming) else self.compare(order, hear)

    def film(self, order: Filming, hear: Progress) -> Film:
        """Train a trial again, with a picture of its attention behind every epoch."""
        from lab.train.replay.film import film
        from lab.train.replay.recollection import OfReadings
        from lab.train.replay.rerun import Rerun

        side = order.side
        rerun = Rerun(*self.opened(side))
        known = OfReadings(order.readings, order.losses)
        told = film(rerun, known, windows=order.windows, epochs=len(order.losses), hear=hear)
        return replace(told, study=side.study, label=side.label, notes=tuple(self.notes))

    def replay(self, order: Replay, hear: Progress) -> Replayed:
        """Replay one step of a trial."""
        from lab.train.replay.replay import replay
        from lab.train.replay.rerun import Rerun

        side = order.side
        member, dataset = self.opened(side)
        rerun = Rerun(member, dataset)
        known = max(order.last, order.epochs * rerun.epoch_steps - 1)
        last = min(known, rerun.planned_steps - 1) if known >= 0 else rerun.planned_steps - 1
        if order.step > last:
            raise LabError(
                f"trial {side.trial} took its last step at {last}: there is no step {order.step}",
                hint=f"say --step with a number from 0 to {last}",
            )
        told = replay(rerun, _start(order, self.device), order.step, lr=order.lr, hear=hear)
        return replace(told, study=side.study, label=side.label, notes=tuple(self.notes))

    def compare(self, order: Comparison, hear: Progress) -> Parting:
        """Run two trials side by side."""
        from lab.train.replay.parting import part

        first, second = ((side, *self.opened(replace(side, seed=order.seed))) for side in order.sides)
        told = part((first[1], first[2]), (second[1], second[2]), steps=order.steps, hear=hear)
        names = first[0].trial, second[0].trial
        return replace(told, first=names[0], second=names[1], notes=(*told.notes, *dict.fromkeys(self.notes)))

    def opened(self, side: Side) -> tuple[Member, Dataset]:
        """A trial's member and data, if both are what they were."""
        import torch

        from lab.train.member import Member

        self._check_plugins(side)
        experiment = self._experiment(side)
        self._complain(_differences(side, torch.device(self.device)))
        dataset = self._data(side, experiment).to(torch.device(self.device))
        return Member(experiment, side.seed, side.cell, side.repeat, side.trial), dataset

    def _complain(self, differences: Iterator[str]) -> None:
        """Refuse what keeps numbers from coming out the same, or note it where that is asked for."""
        for said in differences:
            if not self.anyway:
                raise LabError(f"a replay would not be exact: {said}", hint=ANYWAY)
            self.notes.append(said)

    def _check_plugins(self, side: Side) -> None:
        from lab.spec.plugins import load_plugins

        def changed() -> Iterator[str]:
            for file, digest in side.plugins.items():
                place = self.root / file
                if digest and place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() != digest:
                    yield f"the plug-in {file} has changed since the trial ran"

        self._complain(changed())
        load_plugins(tuple(side.plugins), self.root)

    def _experiment(self, side: Side) -> Experiment:
        from pydantic import ValidationError

        from lab.spec.experiment import Experiment

        try:
            experiment = Experiment.model_validate(side.experiment)
        except ValidationError as error:
            what = f"trial {side.trial} was made by another version of the code, which this one cannot read"
            raise LabError(f"{what}: {error.errors()[0]['msg']}", hint=_checkout(side)) from error
        if side.experiment_id and experiment.id != side.experiment_id:
            self._complain(iter([f"today's code reads the options of trial {side.trial} as another experiment"]))
        return experiment

    def _data(self, side: Side, experiment: Experiment) -> Dataset:
        from lab.data.load import load_dataset

        try:
            dataset = load_dataset(experiment.dataset, side.seed)
        except OSError as error:
            what = f"the data of trial {side.trial} cannot be had: {error}"
            raise LabError(what, hint="put the file back where it was, then replay again") from error
        if side.data and dataset.sha256 and side.data != dataset.sha256:
            self._complain(iter(["the data are not what they were when the trial ran"]))
        return dataset


def _differences(side: Side, device: torch.device) -> Iterator[str]:
    """What numbers hang on and is not as it was, in words."""
    from lab.train.flight.environment import Environment

    now = asdict(Environment.here(device))
    for key, then in side.environment.items():
        if key in WORDS and then != now[key] and not (key == "device" and then == device.type):
            yield WORDS[key].format(now=now[key], then=then) + (f"; {_checkout(side)}" if key == "code" else "")


def _checkout(side: Side) -> str:
    return (
        f"git checkout {side.commit[:12]} has the code it was made with" if side.commit else "its commit is not known"
    )


def _start(order: Replay, device: str) -> Start:
    from lab.train.replay.recollection import OfLog, OfReadings
    from lab.train.replay.replay import Start

    bundle = order.bundle
    if bundle is None:
        known = OfReadings(order.readings, order.losses)
        return Start(0, None, "the start of the trial, since no bundle leads there", known)
    import pyarrow.parquet as pq
    from safetensors.torch import load_file

    from lab.records.bundles import LOG
    from lab.train.flight.flight import state_file
    from lab.train.flight.log import hash_kind, steps_of

    taken = bundle.before(order.step)
    assert taken is not None, "a bundle is only chosen if it leads to the step"
    log = OfLog(steps_of(pq.read_table(bundle.path / LOG)), is_hashed=bundle.hash == hash_kind(device))
    state = load_file(bundle.path / state_file(taken))
    return Start(taken, state, f"the snapshot before step {taken} in bundle {bundle.name}", log, bundle)
