"""A model, its stepper and one batch, to be stepped by hand with probes on it."""

from __future__ import annotations

from typing import Any

import torch
from small_trial import data_of
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from lab.data.batch import Batch
from lab.data.batching import Prepared
from lab.probes.probe import Subject
from lab.probes.recorder import Recorder
from lab.records.chunk import Chunk
from lab.spec.experiment import Experiment
from lab.spec.probes import ProbeSpec
from lab.train.build import build_model
from lab.train.learner import Learner
from lab.train.pack import Pack
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import task_of

GRAPHS = 8


class Bench:
    """Every step is taken on the same batch, or on the one that is put in its place."""

    def __init__(
        self, said: Experiment, *specs: ProbeSpec | None, model: nn.Module | None = None, compiled: bool = False
    ) -> None:
        dataset = data_of(said)
        self.model = build_model(said, dataset.shape, 0) if model is None else model
        self.pack = Pack([self.model])
        learner = Learner.of(said, self.model, Streams(0))
        task = task_of(dataset, said)
        self.stepper = Stepper(self.pack, [learner], task, planned_steps=100)
        weights, gradients = self.pack.weights[0], self.pack.gradients[0]
        subject = Subject(self.model, self.pack.layout, weights, gradients, is_compiled=compiled)
        self.recorder = Recorder([spec for spec in specs if spec], subject, planned_steps=100)
        self.stepper.recorders = (self.recorder,)
        split = Prepared(dataset.splits["train"], self.model, 0)
        self.batch = split.batch(torch.arange(GRAPHS), int(split.split.sizes.max()))

    def step(self, step: int, *batches: Batch) -> None:
        self.stepper.step(step, [list(batches) or [self.batch]])

    def chunks(self) -> list[Chunk]:
        """What the first probe has read."""
        return self.recorder.probes[0].flush()

    def read(self, step: int = 0, *batches: Batch) -> dict[tuple[str, str], float]:
        """One step, and what the first probe read of it by (name, statistic)."""
        self.step(step, *batches)
        return {
            (name, statistic): float(chunk.values[-1, at, place])
            for chunk in self.chunks()
            for at, statistic in enumerate(chunk.statistics)
            for place, name in enumerate(chunk.names)
        }


class Counting(TorchDispatchMode):
    """Counts what reaches the dispatcher, and what would make the host wait for a device."""

    WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "item", "equal")

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        name = func.overloadpacket.__name__
        if name in self.WAITS:
            self.waits.append(name)
        return func(*args, **(kwargs or {}))
