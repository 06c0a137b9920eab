"""What probes cost: training steps at each level and with other ways to look, taken in turn in one process.

    python benchmarks/probes_cost.py [--rounds 30] [--table levels|others|alone|size]

Each round takes one step of every arm on the same batch, in an order that rotates; told are CPU-time medians,
the median of the rounds' ratios to the arm without probes with its quartiles, and what the dispatcher saw.
Where `wandb` is installed its `watch` is an arm of the second table; to install it beside the project:

    pip install --target build/wandb wandb && PYTHONPATH=build/wandb python benchmarks/probes_cost.py --table others
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow.parquet as pq
from torch.utils._python_dispatch import TorchDispatchMode

from lab.data.batching import Prepared, epoch_batches
from lab.probes.probe import RING, Subject
from lab.probes.recorder import Recorder
from lab.spec.experiment import Experiment
from lab.spec.probes import LEVELS, Activations, Attention, Gradients, ProbeSpec, at_level
from lab.train.build import build_model
from lab.train.learner import Learner
from lab.train.pack import Pack
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import task_of

MODELS: dict[str, dict[str, Any]] = {
    "gin": {"kind": "gin"},
    "gin, width 32": {"kind": "gin", "width": 32},
    "graph_transformer": {"kind": "graph_transformer", "mixing": "gate"},
    "graph_transformer, 8 heads": {"kind": "graph_transformer", "attention": "content", "width": 64, "heads": 8},
}
WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")
BATCH = 32
EPOCH = 313
"""Steps of an epoch of PATTERN, over which the checks of padding are spread."""


class Arm:
    """One model that is stepped, and what looks at it."""

    def __init__(self, said: Experiment, data: Any, probes: Sequence[ProbeSpec] = ()) -> None:
        self.model = build_model(said, data.shape, 0)
        self.pack = Pack([self.model])
        learner = Learner.of(said, self.model, Streams(0))
        self.stepper = Stepper(self.pack, [learner], task_of(data.task, data.shape, said.training), planned_steps=9999)
        subject = Subject(self.model, self.pack.layout, self.pack.weights[0], self.pack.gradients[0])
        self.recorder = Recorder(probes, subject, planned_steps=9999)
        self.stepper.recorders = (self.recorder,)
        self.taken = 0
        self.after: Callable[[int], None] | None = None
        """What another tool does once a step is taken."""
        self.model.train()

    def step(self, batch: Any) -> float:
        """CPU milliseconds of one step; readings are flushed and epochs end as often as in the loop."""
        started = time.process_time()
        self.stepper.step(self.taken, [[batch]])
        if self.after is not None:
            self.after(self.taken)
        self.taken += 1
        if self.taken % EPOCH == 0:
            self.recorder.after_epoch(self.taken // EPOCH, self.taken - 1)
        if self.taken % RING == 0:
            self.recorder.flush()
            self.stepper.read(0)
        return (time.process_time() - started) * 1000


def naive(arm: Arm) -> None:
    """Five statistics of every tensor, each brought over by itself."""
    before = {name: weight.detach().clone() for name, weight in arm.model.named_parameters()}

    def look(step: int) -> None:
        for name, weight in arm.model.named_parameters():
            if weight.grad is None:
                continue
            moved = weight.detach() - before[name]
            told = weight.grad.norm(), weight.detach().norm(), moved.norm(), weight.grad.abs().max(), weight.grad.mean()
            for each in told:
                each.item()
            before[name].copy_(weight.detach())

    arm.after = look


def watched(arm: Arm, every: int, what: str) -> None:
    """`wandb.watch`, without a network, logging the loss at each step as its guide does."""
    import wandb

    folder = tempfile.mkdtemp()
    run = wandb.init(mode="offline", dir=folder, project="cost", reinit="create_new", settings={"silent": True})
    run.watch(arm.model, log=what, log_freq=every)
    arm.after = lambda step: run.log({"loss": arm.stepper.losses.sum()})


class Counting(TorchDispatchMode):
    """Counts the operations that reach the dispatcher and those that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.waits += func.overloadpacket.__name__ in WAITS
        return func(*args, **(kwargs or {}))


def counted(arm: Arm, batch: Any, *, due: bool) -> str:
    """Operations and waits of a step between two flushes, on which forward probes read or not."""
    before = arm.taken
    arm.taken = 19 if due else 5_003  # The first steps are all read.
    with Counting() as counting:
        arm.stepper.step(arm.taken, [[batch]])
        if arm.after is not None:
            arm.after(arm.taken)
    arm.recorder.flush()
    arm.taken = before
    return f"{counting.operations} / {counting.waits}"


def measured(arms: Mapping[str, Arm], batches: Sequence[Any], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every step of every arm; the first 24 are not counted."""
    took: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for turn in range(24 + rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            took[name].append(arms[name].step(batches[turn % len(batches)]))
        if turn == 23:
            for arm in arms.values():
                arm.recorder.flush()
    return {name: times[24:] for name, times in took.items()}


def spread(times: Sequence[float], base: Sequence[float]) -> str:
    """The ratio of two arms: of means, since readings fall on some steps only, and the quartiles of blocks of ten."""
    blocks = [sum(times[at : at + 10]) / sum(base[at : at + 10]) for at in range(0, len(times) - 9, 10)]
    low, middle, high = quantiles(blocks, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def setting(model: Mapping[str, Any], graphs: int = 256) -> tuple[Experiment, Any]:
    """An experiment on PATTERN graphs, and its data."""
    data = {"kind": "pattern", "train": graphs, "valid": 1, "test": 1}
    said = Experiment.model_validate({"dataset": data, "model": model, "training": {"batch": BATCH}})
    return said, said.dataset.build(0)


def batches_of(arm: Arm, data: Any) -> list[Any]:
    """An epoch of batches, prepared as the loop prepares them."""
    split = Prepared(data.splits["train"], arm.model)
    return [split.batch(*cut) for cut in epoch_batches(data.splits["train"].sizes, BATCH, "grouped", 0)]


def compare(title: str, make: Callable[[Experiment, Any], dict[str, Arm]], rounds: int, names: Sequence[str]) -> None:
    """Print a table of arms against the first of them."""
    print(f"\n| {title} | ms | ratio (quartiles) | ops / waits of a step | of one that is read | read every |")
    print("|---|---|---|---|---|---|")
    for name in names:
        said, data = setting(MODELS[name])
        arms = make(said, data)
        first = next(iter(arms.values()))
        batches = batches_of(first, data)
        took = measured(arms, batches, rounds)
        base = next(iter(took.values()))
        for label, arm in arms.items():
            every = [str(probe.cadence.interval) for probe in arm.recorder.probes if hasattr(probe, "cadence")]
            counts = counted(arm, batches[0], due=False), counted(arm, batches[0], due=True)
            ratio = "1" if arm is first else spread(took[label], base)
            told = [f"{name}: {label}", f"{median(took[label]):.1f}", ratio, *counts, ", ".join(every)]
            print("| " + " | ".join(told) + " |", flush=True)


def levels(said: Experiment, data: Any) -> dict[str, Arm]:
    """An arm a level."""
    return {level: Arm(said, data, at_level(level)) for level in LEVELS}


def others(said: Experiment, data: Any) -> dict[str, Arm]:
    """No probes, the gradient probe, a loop that waits for each number, and `wandb.watch` where it is installed."""
    arms = {"none": Arm(said, data), "gradients": Arm(said, data, [Gradients()]), "naive loop": Arm(said, data)}
    naive(arms["naive loop"])
    if importlib.util.find_spec("wandb") is not None:
        for label, every, what in (
            ("every step", 1, "gradients"),
            ("all, every step", 1, "all"),
            ("every 10th", 10, "all"),
        ):
            arms[f"wandb.watch, {label}"] = Arm(said, data)
            watched(arms[f"wandb.watch, {label}"], every, what)
    return arms


def alone(readings: int = 60) -> None:
    """Print what one reading takes by itself, the difference of steps with and without it."""
    print("\n| one reading, ms | gradients | activations | attention | padding |\n|---|---|---|---|---|")
    for name, model in MODELS.items():
        said, data = setting(model, 64)
        specs = [Gradients()], [Activations(every=1, max_overhead=1)], [Attention(every=1, max_overhead=1)]
        arms = {str(place): Arm(said, data, probes) for place, probes in enumerate([[], *specs])}
        batches = batches_of(arms["0"], data)
        took = measured(arms, batches, readings)
        costs = [median(np.subtract(took[label], took["0"])) for label in ("1", "2", "3")]
        checks = []
        arm = Arm(said, data, [at_level("normal")[-1]])
        for turn in range(5):
            arm.recorder.after_epoch(turn, turn)
            started = time.process_time()
            arm.recorder.before_step(turn, [batches[0]])
            checks.append((time.process_time() - started) * 1000)
            arm.recorder.flush()
        print(f"| {name} | " + " | ".join(f"{cost:.2f}" for cost in [*costs, median(checks)]) + " |", flush=True)


def size(steps: int = 10_000) -> None:
    """Print the size of the table that so many steps leave, made of real readings told again and again."""
    print(f"\n| parquet of {steps} steps, MB | light | normal | full |\n|---|---|---|---|")
    for name in ("gin", "graph_transformer"):
        said, data = setting(MODELS[name] | {"width": 16}, 32)  # The names count, not what lies behind them.
        row = [f"{_bytes(said, data, level, steps) / 1e6:.2f}" for level in LEVELS[1:]]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def _bytes(said: Experiment, data: Any, level: Any, steps: int) -> int:
    """Readings of 64 real steps, repeated with a jitter that no encoding can guess."""
    arm, chance = Arm(said, data, at_level(level)), np.random.default_rng(0)
    for batch in batches_of(arm, data) * 20:
        arm.step(batch)
    for each in arm.recorder.probes:
        if hasattr(each, "cadence"):
            each.cadence.interval = each.spec.every
    arm.taken = 20
    told = []
    for batch in batches_of(arm, data) * 43:
        arm.stepper.step(arm.taken, [[batch]])
        arm.taken += 1
    arm.recorder.flush()
    told = [chunk for chunk in arm.recorder.fresh if len(chunk.steps) > 1]
    table = Recorder(at_level(level), arm_subject(arm), planned_steps=steps)
    for turn in range(steps // 43 + 1):
        for chunk in told:
            jitter = chance.normal(1, 0.1, chunk.values.shape).astype(np.float32)
            moved = (chunk.steps - 20 + turn * 43).astype(np.int32)
            table.readings.add(type(chunk)(chunk.probe, moved, chunk.names, chunk.statistics, chunk.values * jitter))
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        pq.write_table(table.table(), file.name, compression="zstd")
        return Path(file.name).stat().st_size


def arm_subject(arm: Arm) -> Subject:
    """What the probes of an arm look at."""
    return Subject(arm.model, arm.pack.layout, arm.pack.weights[0], arm.pack.gradients[0])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--table", choices=("levels", "others", "alone", "size"))
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    said = parser.parse_args()
    wanted = (said.table,) if said.table else ("levels", "others", "alone", "size")
    if "levels" in wanted:
        compare("level", levels, said.rounds, said.models)
    if "others" in wanted:
        compare("way to look", others, said.rounds, said.models)
    if "alone" in wanted:
        alone()
    if "size" in wanted:
        size()


if __name__ == "__main__":
    main()
