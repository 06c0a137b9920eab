"""One step of a pack: gradients, clipping, update. Nothing in it waits for the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Dataset
from lab.data.batching import Prepared
from lab.probes.recorder import Recorder
from lab.spec.experiment import Experiment, Training
from lab.train.feed import epoch_updates
from lab.train.learner import Learner
from lab.train.optim import clip_share, column, optimiser
from lab.train.pack import Pack
from lab.train.schedule import momenta, rates, stacked
from lab.train.streams import Streams
from lab.train.tasks import Task, task_of


@dataclass(frozen=True)
class Seen:
    """What the device has to tell of a member."""

    loss_sum: float = 0.0
    """Over the steps of the epoch."""
    lr: float = 0.0
    """Of the last step."""
    is_active: bool = True
    bad_step: int = -1
    """The first step that was not finite, or -1."""
    bad_loss: float = 0.0
    skipped: int = 0
    """Updates that were not made."""
    voids: int = 0
    """Batches that could teach nothing."""
    clipped: int = 0
    """Updates whose gradient was scaled down."""


class Stepper:
    """Takes the steps of a pack; whatever a member has of its own is a row of a tensor on the device.

    A step whose loss or gradient norm is not finite moves nothing of that member. Unless its experiment says to
    go on, the member is then frozen as it is, its gradient kept as evidence, until the loop hears of it.
    """

    def __init__(self, pack: Pack, learners: Sequence[Learner], task: Task, *, planned_steps: int) -> None:
        self.pack, self.task = pack, task
        self.learners = tuple(replace(learner, planned_steps=planned_steps) for learner in learners)
        self.recorders: tuple[Recorder, ...] = ()
        trainings = [learner.experiment.training for learner in learners]
        weights = pack.weights
        self.optimiser = optimiser(trainings, weights, pack.matrices)
        self.clip = column(weights, [training.clip or math.inf for training in trainings])
        self.rates = stacked([rates(each, planned_steps) for each in trainings]).to(weights.device)
        self.momenta = self._momenta(trainings, planned_steps)
        """[steps, K] the momentum of each step; None where it does not change."""
        self.scale = column(weights, [1.0] * len(pack))
        """What a plateau has multiplied the learning rate by."""
        goes_on = [learner.experiment.stop_run.nan == "continue" for learner in learners]
        self.goes_on = column(weights, goes_on) > 0
        self._kept = [
            [(buffer, buffer.clone()) for buffer in learner.buffers.values()] if on else []
            for learner, on in zip(learners, goes_on, strict=True)
        ]
        self.active = torch.ones_like(self.goes_on)
        self.losses = self.scale.clone()
        """The losses of the last step, [K, 1]."""
        self.lr = self.scale.clone()
        self.norms = self.scale.to(weights.dtype)
        """The gradient norms of the last step before clipping, [K, 1]."""
        self.loss_sum = torch.zeros_like(self.scale)
        self.bad_loss = torch.zeros_like(self.scale)
        self.bad_step, self.skipped, self.voids, self.clipped = torch.zeros(
            (4, len(pack), 1), dtype=torch.int64, device=weights.device
        )
        self.bad_step -= 1

    def _momenta(self, trainings: Sequence[Training], planned_steps: int) -> Tensor | None:
        cycles = [momenta(each, planned_steps) for each in trainings]
        if all(each is None for each in cycles):
            return None
        still = self.optimiser.momentum.cpu()
        tables = [still[at] if each is None else each for at, each in enumerate(cycles)]
        return stacked(tables).to(self.pack.weights.device)

    def step(self, step: int, batches: Sequence[Sequence[Batch]]) -> None:
        """One update of every member from its own batches."""
        self.pack.clear(self.active)
        for kept in self._kept:
            for live, copy in kept:
                copy.copy_(live)
        for recorder, own in zip(self.recorders, batches, strict=False):
            recorder.before_step(step, own)
        told = [self._backward(at, step, own) for at, own in enumerate(batches)]
        self.losses = torch.stack(told)[:, None].double()
        for recorder in self.recorders:
            recorder.after_backward(step)
        with torch.no_grad():
            self._move(step)

    def _backward(self, member: int, step: int, batches: Sequence[Batch]) -> Tensor:
        """Add a member's gradients up over its batches; their mean loss comes back."""
        learner, total = self.learners[member], torch.zeros((), device=self.pack.weights.device)
        recorders = self.recorders[member : member + 1]
        for part, batch in enumerate(batches):
            learner.drop(step, part)
            for recorder in recorders:
                recorder.before_forward(step, part, batch)
            outputs = learner.forward(batch)
            for recorder in recorders:
                recorder.after_forward(step, part, outputs)
            loss, is_void = self.task.loss(outputs, batch)
            share = learner.penalised(loss) / len(batches)
            share.backward()  # type: ignore[no-untyped-call]
            for recorder in recorders:
                recorder.after_part(step, part)
            total = total + share.detach()
            self.voids[member] += is_void
        return total

    def _move(self, step: int) -> None:
        norms = self.norms = self.pack.norms()
        share = clip_share(norms, self.clip).to(norms.dtype)
        self.clipped += share < 1
        go = self.active & norms.isfinite() & self.losses.isfinite()
        self.lr = self.scale * self.rates[min(step, len(self.rates) - 1)][:, None]
        if self.momenta is not None:
            self.optimiser.momentum = self.momenta[min(step, len(self.momenta) - 1)][:, None]
        self.optimiser.step(torch.where(go, self.pack.gradients * share, 0.0), self.lr, go)
        self._note(step, go)
        for member, recorder in enumerate(self.recorders):
            if recorder.is_on:
                totals = (self.losses, norms, share, self.lr)
                recorder.after_step(step, torch.stack([each[member, 0].to(norms.dtype) for each in totals]))

    def _note(self, step: int, go: Tensor) -> None:
        """Remember the first bad step, freeze whom it ends, and take back what it did to running statistics."""
        is_bad = self.active & ~go
        is_first = is_bad & (self.bad_step < 0)
        self.bad_step = torch.where(is_first, step, self.bad_step)
        self.bad_loss = torch.where(is_first, self.losses, self.bad_loss)
        self.skipped += is_bad
        self.active &= go | self.goes_on
        self.loss_sum += self.losses
        for went, kept in zip(go[:, 0], self._kept, strict=True):
            for live, copy in kept:
                live.copy_(torch.where(went, live, copy))

    def read(self, member: int) -> Seen:
        """Wait for the device, and tell what it has seen of a member."""
        told = (self.loss_sum, self.lr, self.active, self.bad_step, self.bad_loss)
        counts = (self.skipped, self.voids, self.clipped)
        total, lr, active, step, loss, *counted = torch.cat([each[member] for each in (*told, *counts)]).tolist()
        return Seen(total, lr, bool(active), int(step), loss, *map(int, counted))

    def state(self) -> dict[str, Tensor]:
        """The tensors a checkpoint must hold; loading copies into them."""
        moments = {f"optimiser.{name}": tensor for name, tensor in self.optimiser.state().items()}
        return {
            "weights": self.pack.weights,
            "scale": self.scale,
            "bad_step": self.bad_step,
            "bad_loss": self.bad_loss,
            "skipped": self.skipped,
            "voids": self.voids,
            "clipped": self.clipped,
            **moments,
            **{
                f"buffer.{member}.{name}": buffer
                for member, learner in enumerate(self.learners)
                for name, buffer in learner.buffers.items()
            },
        }


def first_steps(
    experiment: Experiment, model: nn.Module, dataset: Dataset, *, seed: int, steps: int
) -> Iterator[float]:
    """Train a model for a few steps as the loop would; the loss of each comes as it is taken."""
    training = experiment.training
    learner = Learner.of(experiment, model, Streams(seed, "", frozenset(training.unpaired)))
    task = task_of(dataset, experiment)
    stepper = Stepper(Pack([model]), [learner], task, planned_steps=steps)
    split = Prepared(dataset.splits["train"], model, 0)
    step, epoch = 0, 1
    while step < steps:
        for update in epoch_updates(split.split.sizes, training, learner.streams.key("data_order", epoch)):
            if step < steps:
                stepper.step(step, [[split.batch(*cut) for cut in update]])
                yield stepper.losses.item()
            step += 1
        epoch += 1
