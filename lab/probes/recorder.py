"""Recorder: drives the probes of one member and keeps what they read. Measuring changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from lab.data.batch import Batch
from lab.probes.curves import Point
from lab.probes.probe import Probe, Scored, Subject, probe_of
from lab.probes.readings import Readings, combine
from lab.probes.retold import with_matrices
from lab.probes.ring import brought_over
from lab.probes.summary import Summary
from lab.records.chunk import Chunk
from lab.records.judge import with_cancelled
from lab.spec.probes import Gradients, ProbeSpec
from lab.spec.rules import Finding


class Recorder:
    """Offers every moment of a step to the probes, and turns what they read into a table and into points."""

    def __init__(self, specs: Sequence[ProbeSpec], subject: Subject, *, planned_steps: int) -> None:
        self.probes: tuple[Probe, ...] = tuple(probe_of(spec, subject) for spec in specs)
        exact = frozenset(str(getattr(spec, "kind", "")) for spec in specs if getattr(spec, "exact", False))
        self.readings = Readings(exact=exact)
        no_gradient: Callable[[], set[str]] = getattr(subject.model, "zero_gradient", set)
        self.cancelled = frozenset(no_gradient())
        self.matrices = [
            name for name, is_one in zip(subject.layout.names, subject.layout.is_matrix, strict=True) if is_one
        ]
        self.summary = Summary(subject.layout, exempt=self.cancelled, planned_steps=planned_steps)
        self.fresh: list[Chunk] = []
        """What the last flush has brought."""
        self._parts: list[pa.Table] = []

    @property
    def is_on(self) -> bool:
        """Whether anything is measured."""
        return bool(self.probes)

    def before_step(self, step: int, batches: Sequence[Batch]) -> None:
        """The gradients were cleared; `batches` are what the update will be made of."""
        for probe in self.probes:
            probe.before_step(step, batches)

    def before_forward(self, step: int, part: int, batch: Batch) -> None:
        """The model is about to be asked about one of the batches."""
        for probe in self.probes:
            probe.before_forward(step, part, batch)

    def after_forward(self, step: int, part: int, outputs: Tensor) -> None:
        """The model has answered one of the batches."""
        for probe in self.probes:
            probe.after_forward(step, part, outputs)

    def after_part(self, step: int, part: int) -> None:
        """One of the batches has added its gradients."""
        for probe in self.probes:
            probe.after_part(step, part)

    def after_backward(self, step: int) -> None:
        """The gradients of a step are complete."""
        for probe in self.probes:
            probe.after_backward(step)

    def after_step(self, step: int, totals: Tensor) -> None:
        """The weights have moved."""
        for probe in self.probes:
            probe.after_step(step, totals)

    def after_epoch(self, epoch: int, step: int) -> None:
        """An epoch of training is over."""
        for probe in self.probes:
            probe.after_epoch(epoch, step)

    def after_scoring(self, epoch: int, step: int, scored: Scored) -> None:
        """The epoch that ended at this step was scored."""
        for probe in self.probes:
            probe.after_scoring(epoch, step, scored)

    def flush(self) -> list[Point]:
        """Bring all readings to the host in one copy; what is worth a point on a server comes back."""
        waiting = [probe.waiting() for probe in self.probes]
        arrays = iter(brought_over([tensor for tensor in waiting if tensor is not None]))
        nothing = np.empty(0, np.float32)
        self.fresh = [
            chunk
            for probe, tensor in zip(self.probes, waiting, strict=True)
            for chunk in probe.told(nothing if tensor is None else next(arrays))
        ]
        for chunk in self.fresh:
            self.readings.add(chunk)
        return self.summary.points(self.fresh)

    def keep_exact(self, step: int) -> None:
        """Keep what was read around a step as it was read, whatever of it can still be had."""
        self.readings.keep_exact(step)

    def remarks(self) -> tuple[Finding, ...]:
        """What could not be measured, and why."""
        return tuple(remark for probe in self.probes for remark in probe.remarks())

    def part(self) -> pa.Table | None:
        """The rows finished since the last part; a checkpoint keeps parts in the order they are taken."""
        rows = self.readings.take()
        if rows is not None:
            self._parts.append(rows)
        return rows

    def table(self) -> pa.Table | None:
        """All rows of the trial; nothing can be read afterwards."""
        rows = [*self._parts, self.readings.end()]
        told = combine([part for part in rows if part is not None])
        return told if told is None else with_matrices(with_cancelled(told, self.cancelled), self.matrices)

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What a checkpoint must hold besides the parts, when nothing waits to be flushed."""
        waiting = self.readings.waiting
        said = {
            "worst": self.summary.worst,
            "curves": self.summary.curves.last,
            "alerts": self.readings.alerts,
            "probes": [probe.state() for probe in self.probes],
            "waiting": [
                {"probe": chunk.probe, "names": chunk.names, "statistics": chunk.statistics} for chunk in waiting
            ],
        }
        arrays = {f"{place}.steps": chunk.steps for place, chunk in enumerate(waiting)}
        return said, arrays | {f"{place}.values": chunk.values for place, chunk in enumerate(waiting)}

    def load(self, said: Mapping[str, Any], arrays: Mapping[str, np.ndarray], parts: list[pa.Table]) -> None:
        """Go on from a checkpoint."""
        self.summary.worst = list(said["worst"])
        self.summary.curves.last = dict(said["curves"])
        self._parts = list(parts)
        self.readings.alerts = list(said["alerts"])
        for probe, own in zip(self.probes, said["probes"], strict=True):
            probe.load(own)
        self.readings.waiting = [
            Chunk(
                own["probe"],
                arrays[f"{place}.steps"],
                tuple(own["names"]),
                tuple(own["statistics"]),
                arrays[f"{place}.values"],
            )
            for place, own in enumerate(said["waiting"])
        ]


def with_gradients(specs: Sequence[ProbeSpec]) -> tuple[ProbeSpec, ...]:
    """The same probes and, if it is not among them, the gradient probe."""
    return tuple(specs) if any(isinstance(spec, Gradients) for spec in specs) else (*specs, Gradients())
