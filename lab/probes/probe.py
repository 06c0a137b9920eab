"""Probe: a measurement that stays on the device until its readings are copied out together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.probes.layout import Layout
from lab.probes.ring import brought_over
from lab.records.chunk import Chunk
from lab.spec.probes import ProbeSpec
from lab.spec.rules import Finding

RING = 64
"""Readings a ring holds; the loop flushes at least this often."""


@dataclass(frozen=True)
class Subject:
    """What a probe may look at: a member's model, and its weights and gradients as flat rows."""

    model: nn.Module
    layout: Layout
    weights: Tensor
    gradients: Tensor
    """As they came from the backward passes, before clipping."""
    forward: Callable[[Batch], Tensor] | None = None
    """The model as the loop calls it, in its precision; the model itself when None."""
    is_compiled: bool = False
    """Whether the loop calls compiled code, into which no hook may reach."""


@dataclass(frozen=True)
class Scored:
    """What the scoring of an epoch has seen of the validation graphs."""

    loss: float
    entropy: float = float("nan")
    """The loss of the best answer that is the same for every node; NaN where a task has none."""
    recalls: tuple[float, ...] = ()
    """Share of each class's nodes that were found."""
    shares: tuple[float, ...] = ()
    """Share of all scored nodes that were taken for each class."""


class Probe:
    """Reads at the moments the loop offers; never waits for the device. It hears those that it overrides."""

    def before_step(self, step: int, batches: Sequence[Batch]) -> None:
        """The gradients were cleared; `batches` are what the update will be made of."""

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """The model is about to be asked about one of the batches; whatever is hooked is hooked now."""

    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """The model has answered one of the batches, and nothing has gone backward."""

    def after_part(self, step: int, part: int) -> None:
        """One of the batches has added its share to the gradients."""

    def after_backward(self, step: int) -> None:
        """The gradients are complete; nothing has been clipped or moved."""

    def after_step(self, step: int, totals: Tensor) -> None:
        """The weights have moved; `totals` [4] is named by TOTALS."""

    def after_epoch(self, epoch: int, step: int) -> None:
        """An epoch of training is over; `step` is the last one taken."""

    def after_scoring(self, epoch: int, step: int, scored: Scored) -> None:
        """The epoch was scored; everything told is on the host already."""

    def waiting(self) -> Tensor | None:
        """What was read since the last flush, flat and on the device; None of nothing."""

    def told(self, host: np.ndarray) -> list[Chunk]:
        """The chunks behind what was waiting, now that it is on the host; the ring is free again."""
        return []

    def flush(self) -> list[Chunk]:
        """Copy what this probe alone has read to the host."""
        waiting = self.waiting()
        return self.told(brought_over([waiting])[0] if waiting is not None else np.empty(0, np.float32))

    def remarks(self) -> tuple[Finding, ...]:
        """What could not be measured, and why."""
        return ()

    def state(self) -> dict[str, Any]:
        """Plain values that a checkpoint must hold so that the readings go on as they would have."""
        return {}

    def load(self, said: Mapping[str, Any]) -> None:
        """Go on from such values."""


class SpecProbe(Probe):
    """A probe whose spec reads by itself: the plug-in's `read(model)` at the plug-in's moment."""

    def __init__(self, spec: ProbeSpec, subject: Subject) -> None:
        self.spec = spec
        self.model = subject.model
        self._steps: list[int] = []
        self._names: list[tuple[str, ...]] = []
        self._values: list[Tensor] = []

    def after_backward(self, step: int) -> None:
        """Read, if this is the moment."""
        if self.spec.moment == "after_backward" and step % self.spec.every == 0:
            self._read(step)

    def after_step(self, step: int, totals: Tensor) -> None:
        """Read, if this is the moment."""
        if self.spec.moment == "after_step" and step % self.spec.every == 0:
            self._read(step)

    def after_epoch(self, epoch: int, step: int) -> None:
        """Read, if this is the moment."""
        if self.spec.moment == "after_epoch" and epoch % self.spec.every == 0:
            self._read(step)

    def _read(self, step: int) -> None:
        with torch.no_grad():
            read = [(scope, value.detach().float()) for scope, value in self.spec.read(self.model)]
        if read:
            self._steps.append(step)
            self._names.append(tuple(scope for scope, _ in read))
            self._values.append(torch.stack([value for _, value in read]))

    def waiting(self) -> Tensor | None:
        """All values in the order they were read."""
        return torch.cat(self._values) if self._values else None

    def told(self, host: np.ndarray) -> list[Chunk]:
        """Readings of equal scopes become one chunk."""
        rows = np.split(host, np.cumsum([len(names) for names in self._names])[:-1])
        kind = str(getattr(self.spec, "kind", type(self.spec).__name__))
        chunks = []
        for names in dict.fromkeys(self._names):
            at = [place for place, own in enumerate(self._names) if own == names]
            steps = np.array([self._steps[place] for place in at], dtype=np.int32)
            chunks.append(Chunk(kind, steps, names, ("value",), np.stack([rows[place] for place in at])[:, None]))
        self._steps, self._names, self._values = [], [], []
        return chunks


def probe_of(spec: ProbeSpec, subject: Subject) -> Probe:
    """The probe a spec orders: its own code, or the spec's `read`."""
    if spec.code:
        built: Probe = spec.build(subject)
        return built
    return SpecProbe(spec, subject)
