"""What the gradient probe costs: training steps with and without it, taken in turn in one process.

    python benchmarks/probes_cost.py [--rounds 30]

Each round takes one step of either arm on the same batch, in alternating order; told are CPU-time medians,
the median of the rounds' ratios with its quartiles, and what the dispatcher saw of one step.
"""

from __future__ import annotations

import argparse
import os
import time
from statistics import median, quantiles
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lab.data.batching import Prepared, epoch_batches
from lab.probes.probe import RING, Subject
from lab.probes.recorder import Recorder
from lab.spec.experiment import Experiment
from lab.spec.probes import Gradients
from lab.train.build import build_model
from lab.train.learner import Learner
from lab.train.pack import Pack
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import task_of

MODELS: dict[str, dict[str, Any]] = {
    "gating transformer, 4 layers": {
        "kind": "graph_transformer",
        "layers": 4,
        "width": 60,
        "feed_forward": 240,
        "mixing": "gate",
    },
    "gin, 4 layers": {"kind": "gin"},
    "gin, 4 layers, width 32": {"kind": "gin", "width": 32},
}
WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
BATCH = 32


class Arm:
    """One model that is stepped, with or without the probe."""

    def __init__(self, said: Experiment, data: Any, probes: list[Gradients]) -> None:
        model = build_model(said, data.shape, 0)
        self.pack = Pack([model])
        learner = Learner.of(said, model, Streams(0))
        self.stepper = Stepper(self.pack, [learner], task_of(data.task, data.shape, said.training), planned_steps=1000)
        subject = Subject(model, self.pack.layout, self.pack.weights[0], self.pack.gradients[0])
        self.recorder = Recorder(probes, subject, planned_steps=1000)
        self.stepper.recorders = (self.recorder,)
        self.taken = 0
        model.train()

    def step(self, batch: Any) -> float:
        """CPU milliseconds of one step; readings are flushed as often as the loop does."""
        started = time.process_time()
        self.stepper.step(self.taken, [[batch]])
        self.taken += 1
        if self.taken % RING == 0:
            self.recorder.flush()
            self.stepper.read(0)
        return (time.process_time() - started) * 1000


class Counting(TorchDispatchMode):
    """Counts the operations that reach the dispatcher and those that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.waits += func.overloadpacket.__name__ in WAITS
        return func(*args, **(kwargs or {}))


def counted(arm: Arm, batch: Any) -> Counting:
    """What the dispatcher sees of a step between two flushes, zeros not counted in it."""
    while arm.taken % RING in (0, RING - 1) or arm.taken % 10 == 0:
        arm.step(batch)
    with Counting() as counting:
        arm.step(batch)
    return counting


def compare(model: dict[str, Any], rounds: int) -> str:
    """One row of the table."""
    said = Experiment.model_validate(
        {
            "dataset": {"kind": "pattern", "train": 256, "valid": 1, "test": 1},
            "model": model,
            "training": {"batch": BATCH},
        }
    )
    data = said.dataset.build(0)
    arms = Arm(said, data, []), Arm(said, data, [Gradients()])
    split = Prepared(data.splits["train"], arms[0].stepper.learners[0].model)
    batches = [split.batch(*cut) for cut in epoch_batches(data.splits["train"].sizes, BATCH, "grouped", 0)]
    for arm in arms:
        arm.step(batches[0])
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds):
        batch = batches[turn % len(batches)]
        for which in (0, 1) if turn % 2 else (1, 0):
            took[which].append(arms[which].step(batch))
    ratios = [on / off for off, on in zip(*took, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    plain, probed = (counted(arm, batches[0]) for arm in arms)
    off, on = (median(times) for times in took)
    tensors = len(arms[0].pack.layout.names)
    return (
        f"| {tensors} | {off:.1f} | {on:.1f} | {middle:.3f} ({low:.3f} to {high:.3f}) "
        f"| {plain.operations} / {plain.waits} | {probed.operations} / {probed.waits} |"
    )


def alone(model: dict[str, Any], readings: int = 200) -> str:
    """CPU milliseconds of one reading by itself, flushes and counts of zeros included."""
    said = Experiment.model_validate({"dataset": {"kind": "pattern"}, "model": model})
    small = {"train": 2, "valid": 1, "test": 1}
    arm = Arm(said, said.dataset.model_copy(update=small).build(0), [Gradients()])
    totals = torch.zeros(4)
    _read(arm, readings, totals)
    return f"{_read(arm, readings, totals):.2f}"


def _read(arm: Arm, readings: int, totals: torch.Tensor) -> float:
    started = time.process_time()
    for step in range(readings):
        arm.recorder.after_backward(step)
        arm.recorder.after_step(step, totals)
        if step % RING == RING - 1:
            arm.recorder.flush()
    arm.recorder.flush()
    return (time.process_time() - started) * 1000 / readings


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    print("| model | tensors | ms off | ms on | ratio (quartiles) | ops / waits off | ops / waits on | reading, ms |")
    print("|---|---|---|---|---|---|---|---|")
    for name, model in MODELS.items():
        print(f"| {name} {compare(model, rounds)} {alone(model)} |", flush=True)


if __name__ == "__main__":
    main()
