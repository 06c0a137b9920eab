"""All that a page shows, worked out of a store of ten thousand trials: reading them, then each part of the analysis.

python benchmarks/analysis.py [--cells 1296] [--seeds 8] [--epochs 60]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import tempfile
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TypeVar

import numpy as np

from lab.analysis.aggregate import aggregates
from lab.analysis.anova import anova
from lab.analysis.cells import rank
from lab.analysis.effects import effects_in
from lab.analysis.findings import analyse
from lab.analysis.interactions import interactions_in
from lab.analysis.leave_one_out import leave_one_out
from lab.analysis.mixed import mixed_model
from lab.analysis.outline import labelled
from lab.analysis.rows import gather
from lab.analysis.table import table_of
from lab.records.record import Record
from lab.records.store import Store
from lab.spec.spec import digest

LEVELS = (3, 3, 3, 3, 2, 2, 2, 2)
NAMES = "abcdefgh"
SCORES = ("train.loss", "train.acc", "valid.loss", "valid.acc", "valid.acc_0", "valid.acc_1", "test.loss", "test.acc")
Result = TypeVar("Result")
LOST = 0.02
"""Share of trials that diverge."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1296)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=60)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        trials = write(store, cells=said.cells, seeds=said.seeds, epochs=said.epochs)
        print(f"{trials:,} trials of {said.cells:,} cells, {said.epochs} epochs of {len(SCORES)} scores each\n")
        print(f"| step | seconds (CPU) |\n|---|---|\n{timed(store)}")


def timed(store: Store) -> str:
    """Each part by itself, then all of it as a page asks for it."""
    results, seconds = clocked(lambda: gather(store, "planted"))
    lines = [("reading records, holding them against the plan", seconds)]
    table, seconds = clocked(lambda: table_of(results.rows, results.outline))
    lines.append(("scores as a matrix", seconds))
    parts: dict[str, Callable[[], object]] = {
        "ranking of cells": lambda: rank(results.rows, results.outline),
        "main effects, t, bootstrap and permutation": lambda: effects_in(table),
        "two-way interactions": lambda: interactions_in(table),
        "analysis of variance": lambda: anova(table),
        "mixed model": lambda: mixed_model(table),
        "leave-one-out": lambda: leave_one_out(table),
        "interquartile means, probabilities of improvement": lambda: aggregates(table),
    }
    lines += [(name, clocked(part)[1]) for name, part in parts.items()]
    lines.append(("**analyse(store, study), all of the above**", clocked(lambda: analyse(store, "planted"))[1]))
    return "\n".join(f"| {name} | {seconds:.2f} |" for name, seconds in lines)


def clocked(step: Callable[[], Result]) -> tuple[Result, float]:
    start = time.process_time()
    result = step()
    return result, time.process_time() - start


def write(store: Store, *, cells: int, seeds: int, epochs: int) -> int:
    """A study with planted effects, its records written as a run writes them but for the waiting on the disk."""
    levels = [dict(zip(NAMES, row, strict=True)) for row in product(*map(range, LEVELS))][:cells]
    known = {digest(cell): cell for cell in levels}
    generator = np.random.default_rng(0)
    luck = generator.normal(0, 0.02, seeds)
    reference = next(iter(known))
    outline = {
        "name": "planted", "question": "How long does it take?", "file": "", "factors": list(NAMES),
        "score": {"name": "valid.acc", "goal": "max", "at": "best_epoch", "final": "test.acc"},
        "reference": reference, "base": known[reference], "notes": [],
        "cells": [{"id": key, "label": labelled(cell), "levels": cell} for key, cell in known.items()],
        "trials": [f"{key}-{seed}" for seed in range(seeds) for key in known],
    }  # fmt: skip
    store.write_plan(outline)
    folder = Path(store.root) / "records" / "planted"
    for key, cell in known.items():
        for seed in range(seeds):
            value = 0.7 + 0.02 * cell["a"] + 0.01 * cell["b"] * cell["c"] + luck[seed] + generator.normal(0, 0.01)
            curve = value * (1 - np.exp(-np.arange(1, epochs + 1) / 10))
            history = {name: tuple(curve.tolist()) for name in SCORES}
            status = "diverged" if generator.random() < LOST else "done"
            record = Record(f"{key}-{seed}", key, "planted", status, seed, levels=cell, history=history, seconds=1.0)
            (folder / f"{record.trial}.json").write_text(record.to_json())
    return len(known) * seeds


if __name__ == "__main__":
    main()
