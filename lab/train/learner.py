"""Learner: one member of a pack while it trains: its model, how that is called, and its random streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.spec.experiment import Experiment, Precision
from lab.spec.memory import AttentionKernel
from lab.train.offload import OnHost
from lab.train.recompute import attention_kernel, recompute_blocks
from lab.train.streams import Streams
from lab.zoo.parts import Dropout, Progress

Forward = Callable[[Batch], Tensor]
Penalty = Callable[[], Tensor | None]


@dataclass(frozen=True)
class Learner:
    """A member's model on its device, ready to be stepped and scored."""

    experiment: Experiment
    model: nn.Module
    streams: Streams
    forward: Forward
    dropout_key: Tensor | None
    """The one number that all dropout of the model reads; None where nothing is dropped."""
    ambient: torch.Generator
    """What torch's own dropout on the model's device draws from."""
    progress: tuple[Tensor, ...] = ()
    """The numbers in which parts of the model read how far training is."""
    planned_steps: int = 1
    """Steps of the whole training, by which progress is told."""
    penalties: tuple[Penalty, ...] = ()
    """What modules of the model add to the loss of a step."""

    @classmethod
    def of(cls, experiment: Experiment, model: nn.Module, streams: Streams) -> Learner:
        """Make a model ready; it stays where it is."""
        device = next(model.parameters()).device
        key = torch.zeros((), dtype=torch.int64, device=device)
        sites = [module for module in model.modules() if isinstance(module, Dropout)]
        for site in sites:
            site.key = key
        training = experiment.training
        recompute_blocks(model, training.memory)
        called: Forward = torch.compile(model) if training.compile else model
        forward = _by_kernel(_in_precision(called, training.precision, device), training.memory.attention_kernel)
        if training.memory.offload == "cpu":
            forward = _keeping_on_host(forward, model)
        ambient = torch.cuda.default_generators[device.index] if device.type == "cuda" else torch.default_generator
        progress = tuple(module.share for module in model.modules() if isinstance(module, Progress))
        told: list[Penalty | None] = [getattr(module, "penalty", None) for module in model.modules()]
        penalties = tuple(penalty for penalty in told if callable(penalty))
        dropout_key = key if sites else None
        return cls(experiment, model, streams, forward, dropout_key, ambient, progress, penalties=penalties)

    def drop(self, step: int, part: int) -> None:
        """Choose what dropout drops in one forward pass, also that of torch, which reads the ambient generator.

        Parts that change on the way are told how far training is.
        """
        key = self.streams.key("dropout", step, part)
        self.ambient.manual_seed(key)
        if self.dropout_key is not None:
            self.dropout_key.fill_(key)
        for share in self.progress:
            share.fill_(min(step / self.planned_steps, 1.0))

    def penalised(self, loss: Tensor) -> Tensor:
        """The loss and what modules of the model add to it; the very same where none adds anything."""
        for penalty in self.penalties:
            added = penalty()
            loss = loss if added is None else loss + added
        return loss

    @property
    def buffers(self) -> dict[str, Tensor]:
        """What the model remembers besides its parameters, such as running statistics."""
        lasting = self.model.state_dict().keys()
        return {name: buffer for name, buffer in self.model.named_buffers() if name in lasting}


def _in_precision(forward: Forward, precision: Precision, device: torch.device) -> Forward:
    if precision != "bf16":
        return forward

    def in_bf16(batch: Batch) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return forward(batch).float()

    return in_bf16


def _by_kernel(forward: Forward, kind: AttentionKernel) -> Forward:
    if kind == "auto":
        return forward

    def by_kernel(batch: Batch) -> Tensor:
        with attention_kernel(kind):
            return forward(batch)

    return by_kernel


def _keeping_on_host(forward: Forward, model: nn.Module) -> Forward:
    def keeping_on_host(batch: Batch) -> Tensor:
        with OnHost((*model.parameters(), *model.buffers())):
            return forward(batch)

    return keeping_on_host
