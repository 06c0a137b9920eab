"""A study of two cells with records and events to match, made without training anything."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa

from lab.plan.plan import Cell, Plan, Trial
from lab.probes.readings import combine, table
from lab.probes.retold import NEEDED, with_matrices
from lab.records.chunk import TOTAL, TOTALS, Chunk
from lab.records.record import Origin, Record
from lab.records.store import Store
from lab.run.events import EpochDone, Event, Measured, TrialEnded, TrialStarted
from lab.spec.experiment import Experiment
from lab.spec.rules import Finding
from lab.spec.study import Study

EPOCHS = 5
SCORES = ("train.loss", "train.acc", "valid.loss", "valid.acc", "valid.acc_0", "valid.acc_1", "test.acc", "lr")


def small_plan(name: str = "small", *, seeds: int = 2, epochs: int = EPOCHS) -> Plan:
    cells = tuple(_cell(norm, epochs) for norm in ("batch", "layer"))
    study = Study.model_validate(
        {
            "question": "Does the norm matter?",
            "base": "experiments/small.yaml",
            "score": {"name": "valid.acc", "final": "test.acc"},
            "factors": {"training.optimizer": "all"},
            "seeds": seeds,
        }
    )
    return Plan(name, study, cells, cells[0], source="question: Does the norm matter?\n", file="studies/small.yaml")


def _cell(norm: str, epochs: int) -> Cell:
    experiment = Experiment.model_validate(
        {
            "dataset": {"kind": "pattern"},
            "model": {"kind": "degree_logreg"},
            "training": {"epochs": epochs, "weight_decay": 0.0 if norm == "batch" else 0.1},
        }
    )
    return Cell({"model.norm": norm}, experiment)


def small_record(trial: Trial, study: str = "small", *, epochs: int = EPOCHS, status: str = "done") -> Record:
    history = {
        name: tuple(math.sin(number + epoch + trial.seed) for epoch in range(epochs))
        for number, name in enumerate(SCORES)
    }
    return Record(
        trial=trial.id,
        cell=trial.cell.id,
        study=study,
        status=status,
        seed=trial.seed,
        levels=trial.cell.levels,
        label=trial.cell.label,
        options=trial.cell.experiment.options(),
        history=history | {"epoch": tuple(float(epoch) for epoch in range(1, epochs + 1))},
        scores={"cost.params": 84.0, "cost.seconds": 2.5},
        findings=(Finding("vanishing", "layers.0.weight", 7),) if trial.seed else (),
        seconds=2.5,
        origin=Origin(
            commit="0123abcd",
            dirty=True,
            diff="--- a/x\n+++ b/x\n",
            versions={"python": "3.11", "torch": "2.13"},
            command="lab run studies/small.yaml",
            started="2026-01-02T03:04:05+00:00",
            data="f" * 64,
        ),
        error="" if status == "done" else "ValueError: no",
    )


def small_readings(steps: int = 20) -> pa.Table:
    """What the gradient probe keeps of two parameters, every step alike."""
    names = ("layers.0.weight", "layers.0.bias")
    own = np.full((steps, len(NEEDED), len(names)), 0.5, dtype=np.float32)
    totals = np.full((steps, len(TOTALS), 1), 0.25, dtype=np.float32)
    at = np.arange(steps, dtype=np.int32)
    chunks = (Chunk("gradients", at, names, NEEDED, own), Chunk("gradients", at, (TOTAL,), TOTALS, totals))
    return with_matrices(combine([table(chunk) for chunk in chunks]), names[:1])


def filled_store(root, plan: Plan, *, trials: int | None = None) -> Store:
    store = Store(root)
    store.write_plan(plan.outline())
    for trial in plan.all_trials[:trials]:
        store.write(small_record(trial, plan.name), small_readings())
    return store


def life(trial: Trial, *, study: str = "small", until: int = EPOCHS, start: int = 0) -> Iterator[Event]:
    """What a run says of one trial; it ends only when `until` is the last epoch."""
    record = small_record(trial, study)
    options = trial.cell.experiment.options()
    yield TrialStarted(trial, "compare", 0, options, from_epoch=start)
    yield Measured(trial, (("health/grad_norm", 10 * start + 1, 0.5), ("grad/layers.0", 10 * start + 1, 0.25)))
    for epoch in range(start + 1, until + 1):
        scores = {name: record.history[name][epoch - 1] for name in SCORES}
        yield EpochDone(trial, epoch, EPOCHS, 10 * epoch, scores)
        yield Measured(trial, (("health/grad_norm", 10 * epoch, 0.5), ("grad/layers.0", 10 * epoch, 0.25)))
    if until == EPOCHS:
        yield TrialEnded(trial, record)


def as_failed(record: Record) -> Record:
    return replace(record, status="diverged", error="loss is nan", scores={}, findings=())
