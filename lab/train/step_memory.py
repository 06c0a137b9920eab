"""The memory of one step, taken once a trial beside its training: what is kept, what is alive, what would help."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

import torch

from lab.data.precision import matmul_precision
from lab.errors import LabError
from lab.records.record import Status
from lab.records.step_memory import StepMemory, thinned
from lab.spec.memory import Memory
from lab.train.memory import MEGABYTE, Peak
from lab.train.recompute import recompute_blocks
from lab.train.run import Run
from lab.zoo.footprint import MemoryStats, memory_stats

NAMED = 3
"""Modules that the error of a trial names which did not fit."""
WORTH = 0.75
"""What a remedy may leave at most to be named."""


@dataclass(frozen=True)
class Weighed:
    """What a run has held: as scores, as its record keeps it, and why it was too much if it was."""

    scores: Mapping[str, float]
    seconds: float = 0.0
    """Of the training, without the weighing."""
    memory: StepMemory = field(default_factory=StepMemory)
    why: str = ""

    @classmethod
    def of(cls, run: Run | None, peak: Peak, status: Status) -> Self:
        """Read the marks of a run that is over, then take one more step and count what it holds.

        No weight, statistic or random stream moves; what cannot be counted is left out, as a run that is over must
        not fail any more.
        """
        of_device = peak.of_device()
        scores = {"cost.rss_mb": peak.resident()} | ({} if of_device is None else {"cost.peak_mb": of_device})
        if run is None:
            return cls(scores)
        seconds, stats, why = run.seconds, None, ""
        graphs = min(run.training.batch, len(run.splits["train"].split))
        with suppress(Exception), matmul_precision(run.training.precision):
            if status == "out_of_memory":
                graphs, stats = _largest_that_fits(run, graphs)
                why = too_large(run, stats, graphs)
            elif status != "bug":
                stats = _stats(run, graphs)
                scores = _scores(stats) | scores
        told = StepMemory() if stats is None else _told(stats, graphs)
        return cls(scores, seconds, told, why)


def too_large(run: Run, stats: MemoryStats, graphs: int) -> str:
    """Which modules of a step that did not fit keep most, told from a step of fewer graphs, and what would help."""
    batch = run.training.batch
    scale = batch / graphs / MEGABYTE
    named = ", ".join(f"{name} {size * scale:,.0f} MB" for name, size in stats.saved_by_module[:NAMED])
    kept = f"{stats.saved_bytes * scale:,.0f} MB"
    return (
        f"a step of {batch} graphs keeps about {kept} for its backward pass, most in {named}; {_remedies(run, graphs)}"
    )


def _remedies(run: Run, graphs: int) -> str:
    """The options that would make it fit, those first that change no number."""
    training, told = run.training, []
    if training.memory.recompute == "none" and (left := _left_by_recomputing(run, graphs)) < WORTH:
        told.append(f"training.memory.recompute: block, which keeps {left:.0%} of that")
    if training.memory.offload == "off" and run.pack.weights.is_cuda:
        told.append("training.memory.offload: cpu, which keeps next to nothing on the GPU and takes a copy each way")
    if training.batch > 1:
        batch, parts = training.batch // 2, 2 * training.accumulate
        told.append(f"training.batch: {batch} with training.accumulate: {parts}, which keeps half")
    if training.precision != "bf16":
        told.append("training.precision: bf16, which keeps about half and rounds")
    return f"to make it fit: {'; or '.join(told)}" if told else "to make it fit, take a smaller model"


def _left_by_recomputing(run: Run, graphs: int) -> float:
    """The share that is still kept where blocks recompute; 1 for a model without blocks."""
    model, plain = run.learner.model, _stats(run, graphs).saved_bytes
    try:
        recompute_blocks(model, Memory(recompute="block"))
        return _stats(run, graphs).saved_bytes / max(plain, 1)
    except LabError:
        return 1.0
    finally:
        recompute_blocks(model, run.training.memory)


def _largest_that_fits(run: Run, graphs: int) -> tuple[int, MemoryStats]:
    """Halve a batch until a step of it fits."""
    while (graphs := graphs // 2) > 1:
        with suppress(MemoryError, RuntimeError):  # the CPU's allocator raises the latter
            return graphs, _stats(run, graphs)
    return 1, _stats(run, 1)


def _stats(run: Run, graphs: int) -> MemoryStats:
    """Of a step on the first graphs of the training split."""
    split, index = run.splits["train"], torch.arange(graphs)
    batch = split.batch(index, int(split.split.sizes[index].max()))
    model = run.learner.model
    learner = run.learner
    forward = model if run.training.compile else learner.forward
    was_training = model.training
    try:
        return memory_stats(
            model.train(),
            batch,
            lambda outputs, own: learner.penalised(run.task.loss(outputs, own)[0]),
            forward=forward,
        )
    finally:
        model.train(was_training)


def _scores(stats: MemoryStats) -> dict[str, float]:
    resident = stats.parameter_bytes + stats.buffer_bytes
    return {
        "cost.saved_mb": stats.saved_bytes / MEGABYTE,
        "cost.peak_mb": (stats.peak_bytes + resident) / MEGABYTE,
        "course.dead_params": float(len(stats.dead_parameters)),
        "course.zero_params": float(len(stats.zero_parameters)),
    }


def _told(stats: MemoryStats, graphs: int) -> StepMemory:
    return StepMemory(graphs, stats.saved_by_module, stats.saved_bytes, thinned(stats.timeline))
