"""What probes cost: training steps at each level and with other ways to look, taken in turn in one process.

    python benchmarks/probes_cost.py [--rounds 30] [--table levels|others|alone|size]

Each round takes one step of every arm on the same batch, in an order that rotates. Steps are of several kinds, by what
is read on them; each kind is taken equally often, and a ratio to the arm without probes is the median over its rounds,
the kinds weighed by their share of all steps once the governor has settled. Times are CPU time of the process.
Where `wandb` is installed its `watch` is an arm of the second table; to install it beside the project:

    pip install --target build/wandb wandb && PYTHONPATH=build/wandb python benchmarks/probes_cost.py --table others
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import tempfile
import time
from collections import Counter
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
from lab.spec.probes import LEVELS, Gradients, Inputs, Padding, ProbeSpec, at_level
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
CHOSEN: list[str] = []
"""Levels to compare; `off` is always among them."""
BATCH = 32
EPOCH = 313
"""Steps of an epoch of PATTERN, over which the checks of padding are spread."""


Due = tuple[bool, ...]


class Arm:
    """One model that is stepped, and what looks at it."""

    def __init__(self, said: Experiment, data: Any, probes: Sequence[ProbeSpec] = ()) -> None:
        self.model = build_model(said, data.shape, 0)
        self.pack = Pack([self.model])
        learner = Learner.of(said, self.model, Streams(0))
        self.stepper = Stepper(self.pack, [learner], task_of(data, said), planned_steps=9999)
        subject = Subject(self.model, self.pack.layout, self.pack.weights[0], self.pack.gradients[0])
        self.recorder = Recorder(probes, subject, planned_steps=9999)
        self.stepper.recorders = (self.recorder,)
        self.taken = 0
        self.after: Callable[[int], None] | None = None
        """What another tool does once a step is taken."""
        self.model.train()

    def step(self, batch: Any, step: int) -> float:
        """CPU milliseconds of a step by this number; readings are flushed as often as in the loop."""
        started = time.process_time()
        self.stepper.step(step, [[batch]])
        if self.after is not None:
            self.after(step)
        self.taken += 1
        if self.taken % RING == 0:
            self.recorder.flush()
            self.stepper.read(0)
        return (time.process_time() - started) * 1000

    def due(self, step: int) -> Due:
        """Which readings fall on a step besides those of every step."""
        specs = [probe.spec for probe in self.recorder.probes]
        zeros = [step % (spec.every * spec.zeros_every) == 0 for spec in specs if isinstance(spec, Gradients)]
        inputs = [step % spec.every == 0 for spec in specs if isinstance(spec, Inputs)]
        own = [probe.cadence.is_due(step) for probe in self.recorder.probes if hasattr(probe, "cadence")]
        return *zeros, *inputs, *own

    def kinds_of_steps(self) -> dict[Due, tuple[float, int]]:
        """Every such kind of step, with its share of all steps and one that is of it."""
        late = range(1_000, 4_000)
        shares = Counter(map(self.due, late))
        return {due: (shares[due] / len(late), next(step for step in late if self.due(step) == due)) for due in shares}


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

    if wandb.run is None:
        wandb.init(mode="offline", dir=tempfile.mkdtemp(), project="cost", settings={"silent": True})
    wandb.watch(arm.model, log=what, log_freq=every)
    arm.after = lambda step: wandb.log({"loss": arm.stepper.losses.sum()})


class Counting(TorchDispatchMode):
    """Counts the operations that reach the dispatcher and those that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.waits += func.overloadpacket.__name__ in WAITS
        return func(*args, **(kwargs or {}))


def counted(arm: Arm, batch: Any, step: int) -> str:
    """Operations and waits of a step, flushes apart."""
    with Counting() as counting:
        arm.stepper.step(step, [[batch]])
        if arm.after is not None:
            arm.after(step)
    arm.recorder.flush()
    return f"{counting.operations} / {counting.waits}"


def measured(arms: Mapping[str, Arm], batches: Sequence[Any], rounds: int) -> dict[str, list[tuple[Due, float]]]:
    """Kind and milliseconds of the steps of every arm, each kind as often as any; the first steps are not counted."""
    took: dict[str, list[tuple[Due, float]]] = {name: [] for name in arms}
    for turn in range(24):
        for arm in arms.values():
            arm.step(batches[turn % len(batches)], turn)
    for arm in arms.values():
        arm.recorder.flush()
    kinds = {name: list(arm.kinds_of_steps().items()) for name, arm in arms.items()}
    names = list(arms)
    for turn in range(rounds):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            due, (_, step) = kinds[name][turn % len(kinds[name])]
            took[name].append((due, arms[name].step(batches[turn % len(batches)], step)))
    return took


def compared(arm: Arm, took: Sequence[tuple[Due, float]], base: Sequence[tuple[Due, float]]) -> tuple[str, str, str]:
    """Ratio to the bare arm over all steps, with quartiles; that of the commonest kind of step, and of the dearest."""
    ratios: dict[Due, list[float]] = {}
    for (due, own), (_, bare) in zip(took, base, strict=True):
        ratios.setdefault(due, []).append(own / bare)
    shares = {due: share for due, (share, _) in arm.kinds_of_steps().items()}
    low, middle, high = (
        sum(share * quantiles(ratios[due], n=4)[at] for due, share in shares.items()) for at in range(3)
    )
    common, dear = max(shares, key=lambda due: shares[due]), max(ratios, key=lambda due: median(ratios[due]))
    return f"{middle:.3f} ({low:.3f} to {high:.3f})", f"{median(ratios[common]):.3f}", f"{median(ratios[dear]):.3f}"


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
    print(
        f"\n| {title} | ms | ratio (quartiles) | of most steps | of dearest | ops / waits | of dearest | read every |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in names:
        said, data = setting(MODELS[name])
        arms = make(said, data)
        first = next(iter(arms.values()))
        batches = batches_of(first, data)
        took = measured(arms, batches, rounds)
        base = next(iter(took.values()))
        for label, arm in arms.items():
            every = [str(probe.cadence.interval) for probe in arm.recorder.probes if hasattr(probe, "cadence")]
            kinds = arm.kinds_of_steps()
            common = max(kinds.values())[1]
            ratios = ("1", "", "") if arm is first else compared(arm, took[label], base)
            counts = counted(arm, batches[0], common), counted(arm, batches[0], 12_000_000)
            middle = median(own for _, own in took[label])
            print(
                "| " + " | ".join([f"{name}: {label}", f"{middle:.1f}", *ratios, *counts, ", ".join(every)]) + " |",
                flush=True,
            )


def levels(said: Experiment, data: Any) -> dict[str, Arm]:
    """An arm a level, the bare one first."""
    return {level: Arm(said, data, at_level(level)) for level in LEVELS if level in CHOSEN}


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


def alone() -> None:
    """Print what a check of padding takes against a step, and what it adds to each step of an epoch."""
    print("\n| check of padding | ms | in steps | ratio, spread over an epoch of PATTERN |\n|---|---|---|---|")
    for name, model in MODELS.items():
        said, data = setting(model, 64)
        arm = Arm(said, data, [Padding()])
        batches, checks, steps = batches_of(arm, data), [], []
        for turn in range(9):
            arm.recorder.after_epoch(turn, turn)
            started = time.process_time()
            arm.recorder.before_step(turn, [batches[0]])
            checks.append((time.process_time() - started) * 1000)
            arm.recorder.flush()
            steps.append(arm.step(batches[0], turn))
        check, step = median(checks), median(steps)
        told = f"{check:.1f}", f"{check / step:.2f}", f"{1 + check / step / EPOCH:.4f}"
        print(f"| {name} | " + " | ".join(told) + " |", flush=True)


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
    for step, batch in enumerate(batches_of(arm, data) * 20):
        arm.step(batch, step)
    for each in arm.recorder.probes:
        if hasattr(each, "cadence"):
            each.cadence.interval = each.spec.every
    for step, batch in enumerate(batches_of(arm, data) * 43, start=20):
        arm.stepper.step(step, [[batch]])
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
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=LEVELS)
    said = parser.parse_args()
    CHOSEN.extend({"off", *said.levels})
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
