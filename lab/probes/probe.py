"""Probe: a measurement that stays on the device until its readings are copied out together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from lab.probes.layout import Layout
from lab.records.chunk import Chunk
from lab.spec.probes import ProbeSpec

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


class Probe(Protocol):
    """Reads at the moments the loop offers; never waits for the device except in `flush`."""

    def after_backward(self, step: int) -> None:
        """The gradients are complete; nothing has been clipped or moved."""

    def after_step(self, step: int, totals: Tensor) -> None:
        """The weights have moved; `totals` [4] is named by TOTALS."""

    def after_epoch(self, epoch: int, step: int) -> None:
        """An epoch of training is over; `step` is the last one taken."""

    def flush(self) -> list[Chunk]:
        """Copy what was read since the last flush to the host, in one go."""


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

    def flush(self) -> list[Chunk]:
        """Readings of equal scopes become one chunk."""
        if not self._values:
            return []
        flat = torch.cat(self._values).cpu().numpy()
        rows = np.split(flat, np.cumsum([len(names) for names in self._names])[:-1])
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
