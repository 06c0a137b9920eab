"""What the flight recorder costs: training steps with and without it, and each of its parts by itself.

    python benchmarks/recorder.py [--rounds 60] [--device cpu]

Each round takes one step of either arm on the same batch, in alternating order; told are CPU-time medians (on a GPU,
of the clock on the wall), the median of the rounds' ratios with its quartiles, what the dispatcher saw of one step, and
what a line of the log, a snapshot, a bundle and a dissected step take by themselves. A last table replays steps in
fresh processes, with the threads of the run and with others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median, quantiles
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow.parquet as pq
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lab.probes.probe import RING
from lab.records.bundles import LOG, bundles_of
from lab.spec.experiment import Experiment
from lab.spec.rules import Finding
from lab.train.flight.flight import Flight, Grounded
from lab.train.flight.log import steps_of
from lab.train.flight.papers import Papers
from lab.train.member import Member
from lab.train.replay.dissect import dissect
from lab.train.replay.recollection import Held, OfLog
from lab.train.replay.rerun import Rerun, arithmetic
from lab.train.run import Run

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
BATCH = 32
WAITS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal")


def clock(device: torch.device) -> float:
    """Milliseconds of this process's work, the device's included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter() * 1000
    return time.process_time() * 1000


class Arm:
    """One run that is stepped, with or without the recorder."""

    def __init__(self, said: Experiment, folder: Path | None, device: torch.device) -> None:
        papers = Papers(folder) if folder is not None else None
        data = said.dataset.build(0).to(device)
        self.device = device
        self.run = Run(Member(said, 0, "cell", trial="bench", papers=papers), data, seconds=None)
        self.run.learner.model.train()
        self.updates = self.run.updates(1)
        self.taken = 0

    def batch(self) -> list[Any]:
        """The batches of the step that is next."""
        return [self.run.splits["train"].batch(*cut) for cut in self.updates[self.taken % len(self.updates)]]

    def step(self) -> float:
        """Milliseconds of one step; the log is read as often as the loop does."""
        batch, update, run = self.batch(), self.updates[self.taken % len(self.updates)], self.run
        started = clock(self.device)
        run.flight.before_step(self.taken, update)
        run.stepper.step(self.taken, [batch])
        run.flight.after_step(self.taken)
        self.taken += 1
        if self.taken % RING == 0:
            run.flight.flush()
            run.stepper.read(0)
        return clock(self.device) - started


class Counting(TorchDispatchMode):
    """Counts the operations that reach the dispatcher and those that make the host wait."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = self.waits = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        self.waits += func.overloadpacket.__name__ in WAITS
        return func(*args, **(kwargs or {}))


def experiment(model: dict[str, Any], *, train: int = 256, batch: int = BATCH) -> Experiment:
    sections = {"model": model, "training": {"batch": batch}, "probes": "off", "rules": "off"}
    return Experiment.model_validate(
        {"dataset": {"kind": "pattern", "train": train, "valid": 1, "test": 1}, **sections}
    )


def compare(model: dict[str, Any], rounds: int, device: torch.device) -> str:
    """One row of the first table."""
    said = experiment(model)
    with tempfile.TemporaryDirectory() as folder:
        arms = Arm(said, None, device), Arm(said, Path(folder), device)
        assert isinstance(arms[0].run.flight, Grounded)
        for arm in arms:
            arm.step()
        took: tuple[list[float], list[float]] = ([], [])
        for turn in range(rounds):
            for which in (0, 1) if turn % 2 else (1, 0):
                took[which].append(arms[which].step())
        ratios = [on / off for off, on in zip(*took, strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        off, on = (median(times) for times in took)
        plain, recorded = (counted(arm) for arm in arms)
    return (
        f"| {off:.1f} | {on:.1f} | {middle:.3f} ({low:.3f} to {high:.3f}) "
        f"| {plain.operations} / {plain.waits} | {recorded.operations} / {recorded.waits} |"
    )


def counted(arm: Arm) -> Counting:
    """What the dispatcher sees of a step between two flushes and two snapshots."""
    while arm.taken % RING in (0, RING - 1):
        arm.step()
    with Counting() as counting:
        arm.step()
    return counting


def parts(model: dict[str, Any], device: torch.device) -> str:
    """One row of the second table: each part by itself."""
    said = experiment(model)
    with tempfile.TemporaryDirectory() as folder:
        arm = Arm(
            said.model_copy(update={"recorder": said.recorder.model_copy(update={"keep": 10**6})}), Path(folder), device
        )
        for _ in range(3):
            arm.step()
        flight = arm.run.flight
        assert isinstance(flight, Flight)
        update = arm.updates[0]
        log = each(lambda: flight.log.write(0, update), device, times=RING * 4)
        snapshot = each(lambda: flight.snapshots.take(0), device, times=200)
        flight.log.read()
        freeze = wall(lambda at: flight.freeze("bench", Finding("bench", "run", at)), times=12)
        size = sum(file.stat().st_size for file in bundles_of(Path(folder), "bench")[0].path.iterdir())
        plain = each(lambda: arm.run.stepper.step(0, [arm.batch()]), device, times=8)
        whole = each(lambda: dissect(arm.run.stepper, 0, arm.batch()), device, times=8)
        tensors = len(dissect(arm.run.stepper, 0, arm.batch())[0].computed)
    megabytes = flight.snapshots.nbytes / 2**20
    share = (log + snapshot / said.recorder.every) / plain
    return (
        f"| {log:.3f} | {snapshot:.3f} / {megabytes:.2f} | {100 * share:.2f} % | {freeze:.0f} / {size / 2**20:.2f} "
        f"| {whole / plain:.1f} / {tensors} |"
    )


def each(action: Callable[[], object], device: torch.device, *, times: int) -> float:
    """Milliseconds of one of many, by the middle of five rounds."""
    told = []
    for _ in range(5):
        started = clock(device)
        for _ in range(max(1, times // 5)):
            action()
        told.append((clock(device) - started) / max(1, times // 5))
    return median(told)


def wall(action: Callable[[int], object], *, times: int) -> float:
    """Milliseconds of one by the clock on the wall: writing waits for the disk."""
    told = []
    for at in range(times):
        started = time.perf_counter()
        action(at)
        told.append((time.perf_counter() - started) * 1000)
    return median(told)


EXACT = {
    "gating transformer": {"kind": "graph_transformer", "layers": 2, "width": 24, "mixing": "gate", "dropout": 0.1},
    "gin": {"kind": "gin", "width": 32, "dropout": 0.1},
    "gatedgcn, on edge lists": {"kind": "gatedgcn", "layers": 2, "width": 16, "dropout": 0.1},
}
STEPS = 20


def replayed(model: dict[str, Any], flown: int, again: int) -> str:
    """How a replay of twenty steps agrees, flown with so many threads and replayed with others."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for threads, work in ((flown, _fly), (again, _again)):
            process = spawn.Process(target=_with_threads, args=(threads, work, model, folder))
            process.start()
            process.join()
        return (Path(folder) / "told").read_text()


def _with_threads(
    threads: int, work: Callable[[dict[str, Any], Path], None], model: dict[str, Any], folder: str
) -> None:
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    work(model, Path(folder))


def _fly(model: dict[str, Any], folder: Path) -> None:
    arm = Arm(experiment(model, train=80, batch=4), folder, torch.device("cpu"))
    for _ in range(STEPS):
        arm.step()
    arm.run.flight.freeze("bench", None)


def _again(model: dict[str, Any], folder: Path) -> None:
    (bundle,) = bundles_of(folder, "bench")
    said = experiment(model, train=80, batch=4)
    rerun = Rerun(Member(said, 0, "cell", trial="bench"), said.dataset.build(0))
    log = OfLog(steps_of(pq.read_table(bundle.path / LOG)), is_hashed=True)
    held = Held(log)
    with arithmetic(rerun.member, torch.device("cpu")):
        for due in islice(rerun.due(0), STEPS):
            held.see(rerun.take(due))
    told = held.agreement
    apart = "" if told.first_differing is None else f", from step {told.first_differing}, {told.largest:.1e} at most"
    (folder / "told").write_text(f"{told.label}{apart}")


def costs(asked: argparse.Namespace, device: torch.device) -> None:
    """Print what a step costs with and without the recorder."""
    print("| model | ms off | ms on | ratio (quartiles) | ops / waits off | ops / waits on |")
    print("|---|---|---|---|---|---|")
    for name, model in MODELS.items():
        print(f"| {name} {compare(model, asked.rounds, device)}", flush=True)


def alone(asked: argparse.Namespace, device: torch.device) -> None:
    """Print what each part costs by itself."""
    print("| model | log, ms | snapshot, ms / MB | share of a step | freeze, ms / MB | dissected step / tensors |")
    print("|---|---|---|---|---|---|")
    for name, model in MODELS.items():
        print(f"| {name} {parts(model, device)}", flush=True)


def exact(asked: argparse.Namespace, device: torch.device) -> None:
    """Print how replays agree."""
    print("| model | flown and replayed with 1 thread | with 2 threads | flown with 1, replayed with 2 |")
    print("|---|---|---|---|")
    for name, model in EXACT.items():
        told = " | ".join(replayed(model, *threads) for threads in ((1, 1), (2, 2), (1, 2)))
        print(f"| {name} | {told} |", flush=True)


TABLES = {"costs": costs, "parts": alone, "exact": exact}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    asked = parser.parse_args()
    for table in asked.tables:
        TABLES[table](asked, torch.device(asked.device))
        print()


if __name__ == "__main__":
    main()
