"""The log of a run's last steps: written on the device, read back with the loop's own readings."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
import torch
from torch import Tensor

from lab.data.batching import Planned
from lab.probes.probe import RING
from lab.train.step import Stepper

Update = Sequence[Planned]
"""The batches of one update."""
NUMBERS = ("loss", "grad_norm", "lr", "scale")
"""What is written of each step; `scale` is what a plateau has made of the learning rate."""


@dataclass(frozen=True)
class Flown:
    """One step that was taken."""

    step: int
    numbers: tuple[float, ...]
    """By NUMBERS."""
    grad_hash: int
    """Of the gradient before clipping, to the last bit."""
    chance: int
    """Digest of the random state that the step left behind."""
    update: Update

    @property
    def loss(self) -> float:
        """The mean loss of its batches."""
        return self.numbers[0]

    @property
    def grad_norm(self) -> float:
        """The total norm of its gradient, before clipping."""
        return self.numbers[1]

    @property
    def scale(self) -> float:
        """What a plateau had made of the learning rate."""
        return self.numbers[3]


WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
TORCHS_OWN, SUM = "hash_tensor", "sum of words"
"""The kinds of hash; those of different kinds say nothing about one another."""


def tensor_hash(values: Tensor) -> Tensor:
    """An order-free hash of a flat tensor's bits as one int64, computed where the tensor lies."""
    if hash_kind(values.device.type) == TORCHS_OWN:
        told: Tensor = torch.hash_tensor(values)
        return told.view(torch.int64)
    return values.view(WORDS[values.element_size()]).sum(dtype=torch.int64)


@cache
def hash_kind(device: str) -> str:
    """Which kind a device is given: torch's own where it has one for it."""
    try:
        torch.hash_tensor(torch.ones(2, device=device)).view(torch.int64)
    except (AttributeError, NotImplementedError, RuntimeError):
        return SUM
    return TORCHS_OWN


class Log:
    """The steps since the older snapshot. Writing never waits for the device; `read` does, when the loop does too."""

    def __init__(self, stepper: Stepper) -> None:
        device = stepper.pack.weights.device
        self.stepper = stepper
        self.ambient = stepper.learners[0].ambient
        self.gradients = stepper.pack.gradients[0]
        self._numbers = torch.zeros(RING, len(NUMBERS), dtype=torch.float64, device=device)
        self._hashes = torch.zeros(RING, dtype=torch.int64, device=device)
        self._waiting: list[tuple[int, int, Update]] = []
        self.first = 0
        """The earliest step that is still of use; those before it go with the next reading."""
        self.steps: deque[Flown] = deque()

    @torch.no_grad()
    def write(self, step: int, update: Update) -> None:
        """Write down the step that was just taken."""
        if len(self._waiting) == RING:
            self.read()
        at, stepper = len(self._waiting), self.stepper
        numbers = [stepper.losses[0], stepper.norms[0].double(), stepper.lr[0], stepper.scale[0]]
        torch.cat(numbers, out=self._numbers[at])
        self._hashes[at].copy_(tensor_hash(self.gradients))
        chance = zlib.crc32(self.ambient.get_state().numpy().data)
        self._waiting.append((step, chance, update))

    def read(self) -> None:
        """Bring over what the device has written since the last time."""
        count = len(self._waiting)
        if count == 0:
            return
        numbers, hashes = self._numbers[:count].tolist(), self._hashes[:count].tolist()
        for (step, chance, update), row, grad_hash in zip(self._waiting, numbers, hashes, strict=True):
            self.steps.append(Flown(step, tuple(row), grad_hash, chance, update))
        self._waiting = []
        while self.steps and self.steps[0].step < self.first:
            self.steps.popleft()


def table_of(steps: Sequence[Flown]) -> pa.Table:
    """A log as it lies in a bundle, one row a step; `graphs` lists the graphs of each batch of the update."""
    numbers = {name: pa.array([flown.numbers[at] for flown in steps]) for at, name in enumerate(NUMBERS)}
    graphs = [[index.tolist() for index, _ in flown.update] for flown in steps]
    return pa.table(
        {
            "step": pa.array([flown.step for flown in steps], pa.int64()),
            **numbers,
            "grad_hash": pa.array([flown.grad_hash for flown in steps], pa.int64()),
            "chance": pa.array([flown.chance for flown in steps], pa.int64()),
            "graphs": pa.array(graphs, pa.list_(pa.list_(pa.int64()))),
            "nodes": pa.array([[nodes for _, nodes in flown.update] for flown in steps], pa.list_(pa.int64())),
        }
    )


def steps_of(table: pa.Table) -> list[Flown]:
    """The steps that a bundle's log tells of."""
    return [
        Flown(
            row["step"],
            tuple(row[name] for name in NUMBERS),
            row["grad_hash"],
            row["chance"],
            [(torch.tensor(graphs), nodes) for graphs, nodes in zip(row["graphs"], row["nodes"], strict=True)],
        )
        for row in table.to_pylist()
    ]
