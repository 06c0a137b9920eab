"""Rerun: a trial's training taken up again, step by step, with nothing measured and nothing kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lab.data.batch import Batch, Dataset
from lab.data.batching import prepare_splits
from lab.data.precision import matmul_precision
from lab.train.build import model_for
from lab.train.feed import epoch_updates
from lab.train.flight.log import Flown, Log, Update
from lab.train.learner import Learner
from lab.train.member import Member
from lab.train.pack import Pack
from lab.train.schedule import Plateau
from lab.train.scoring import score
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import task_of

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Due:
    """A step that is to be taken."""

    step: int
    epoch: int
    """From 1."""
    update: Update
    ends_epoch: bool


class Rerun:
    """One member, built as its run builds it; whatever a run only measures is left out."""

    def __init__(self, member: Member, dataset: Dataset) -> None:
        self.member, self.dataset = member, dataset
        self.training = member.experiment.training
        self.streams = Streams(member.seed, member.cell, frozenset(self.training.unpaired))
        self.task = task_of(dataset, member.experiment)
        model = self._model()
        self.splits = prepare_splits(dataset, model)
        self.epoch_steps = len(self.updates(1))
        self.planned_steps = self.training.epochs * self.epoch_steps
        self.stepper = self._stepper(Learner.of(member.experiment, model, self.streams))
        self.plateau = Plateau.of(member.experiment)
        self.log = Log(self.stepper)
        self.learner.model.train()

    @property
    def learner(self) -> Learner:
        """The member's model and streams."""
        return self.stepper.learners[0]

    def _model(self) -> torch.nn.Module:
        member = self.member
        model = model_for(member.experiment, self.dataset, member.seed, member.cell)
        return model.to(self.dataset.splits["train"].x.device)

    def _stepper(self, learner: Learner) -> Stepper:
        return Stepper(Pack([learner.model]), [learner], self.task, planned_steps=self.planned_steps)

    def apart(self, dtype: torch.dtype = torch.float32) -> Stepper:
        """Another stepper of the same member, uncompiled, to try things with; its weights are to be loaded."""
        plain = self.training.model_copy(update={"compile": False})
        if dtype == torch.float64:
            plain = plain.model_copy(update={"precision": "fp32"})
        experiment = self.member.experiment.model_copy(update={"training": plain})
        stepper = self._stepper(Learner.of(experiment, self._model().to(dtype), self.streams))
        stepper.learners[0].model.train()
        return stepper

    def updates(self, epoch: int) -> Sequence[Update]:
        """The updates of an epoch, in order."""
        key = self.streams.key("data_order", epoch)
        return epoch_updates(self.splits["train"].split.sizes, self.training, key)

    def due(self, first: int) -> Iterator[Due]:
        """Every step from this one to the last that the experiment plans."""
        step = 0
        for epoch in range(1, self.training.epochs + 1):
            updates = self.updates(epoch)
            for at, update in enumerate(updates):
                if step >= first:
                    yield Due(step, epoch, update, at == len(updates) - 1)
                step += 1

    def batches(self, update: Update) -> list[Batch]:
        """The batches of an update."""
        return [self.splits["train"].batch(*cut) for cut in update]

    def take(self, due: Due) -> Flown:
        """Take a step, and tell what a flight recorder would have logged."""
        self.stepper.step(due.step, [self.batches(due.update)])
        self.log.first = due.step
        self.log.write(due.step, due.update)
        self.log.read()
        return self.log.steps[-1]

    def end_epoch(self) -> None:
        """What the end of an epoch changes for the steps that follow."""
        if self.training.schedule == "plateau":
            told = score(self.learner, {"valid": self.splits["valid"]}, self.task)
            self.stepper.scale[0] = self.plateau.tell(told.scores.get(self.plateau.score, math.nan))


@contextmanager
def arithmetic(member: Member, device: torch.device) -> Iterator[None]:
    """What the loop puts around a run: its precision, and ambient generators that come back as they were."""
    devices = [] if device.type == "cpu" else [device]
    precision = member.experiment.training.precision
    with matmul_precision(precision), torch.random.fork_rng(devices, device_type=device.type):
        yield


@torch.no_grad()
def load(stepper: Stepper, state: State) -> None:
    """Bring a stepper to a state, which may be of another precision; what older ones did not count starts at 0."""
    for name, tensor in stepper.state().items():
        if name in state or name != "clipped":
            tensor.copy_(state[name])
    stepper.active.fill_(True)


def copied(stepper: Stepper) -> dict[str, Tensor]:
    """The state as it stands, for coming back to."""
    return {name: tensor.detach().clone() for name, tensor in stepper.state().items()}


def without(batch: Batch, graphs: frozenset[int]) -> Batch | None:
    """A batch with some of its graphs left out; None when none is left."""
    stays = torch.tensor([graph not in graphs for graph in batch.ids.tolist()], device=batch.x.device)
    if not bool(stays.any()):
        return None
    return batch.only(stays.nonzero()[:, 0])


def in_double(batch: Batch) -> Batch:
    """A batch whose numbers, not its tokens and labels, are of double precision."""
    extra = {name: _double(tensor) for name, tensor in batch.extra.items()}
    trend = None if batch.trend is None else _double(batch.trend)
    return replace(batch, x=_double(batch.x), y=_double(batch.y), extra=extra, trend=trend)


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
