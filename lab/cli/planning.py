"""From a file to a plan, and what `lab plan` says of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from lab.errors import LabError, Place, raise_all
from lab.plan.designs import expand
from lab.plan.plan import Cell, Plan
from lab.records import timings
from lab.records.record import Record
from lab.records.store import Store
from lab.records.timings import Timing
from lab.report.plan_text import plan_data, plan_text
from lab.report.preview import preview
from lab.report.text import terminal
from lab.run.deciding import resumed
from lab.run.timing import Trace, no_ops, trace_cells
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile, kind_of, read_study, study_of_experiment

TIMED_STEPS = 3
"""Steps of each cell that a plan measures: the first one warms up."""
MOST_TIMED = 64
"""Cells that are measured; the others count as their average."""
MOST_READ = 256
"""Records that the cost is learnt from."""


def read_file(path: Path, profile: str | None) -> StudyFile:
    """A study file; an experiment file counts as a study of one cell."""
    if kind_of(path) == "study":
        return read_study(path, profile=profile)
    if profile is not None:
        raise LabError(f"{path} is an experiment, which has no profiles", hint="leave --profile out")
    return study_of_experiment(path)


def read_plan(path: Path, profile: str | None, *, sized: bool = True) -> Plan:
    """The plan of a file; parameters are counted, and torch loaded, only where cells must match in size.

    Unless `sized`, such cells keep the base's size, which is enough to check a file.
    """
    file = read_file(path, profile)
    counted = sized and any(constraint.match for constraint in file.study.constraints)
    return expand(file, count_params=_counter() if counted else None)


def _counter() -> Callable[[Experiment], int]:
    from lab.train.build import count_params

    return count_params


def show_plan(file: Path, *, profile: str | None, timed: bool, lock: Path | None, store: Store, as_json: bool) -> int:
    """Say what a run of this file would do; 2 when a cell cannot be built."""
    plan = resumed(read_plan(file, profile), store)
    steps = timings.load(store)
    known = timings.learn(steps, islice(_finished(store, plan), MOST_READ))
    warnings: list[str] = []
    if timed:
        traces = _measure(plan, {cell for cell, _ in known}, loud=not as_json)
        _refuse_broken(plan, traces)
        warnings = no_ops(plan, traces)
        for cell, told in traces.items():
            measured = Timing(told.step_ms, told.epoch_steps)
            known = timings.timed(known, cell, "cpu", measured)
            steps = timings.timed(steps, cell, "cpu", measured)
        if traces:
            timings.save(store, steps)
    seen = preview(plan, store, known, warnings=warnings)
    if lock is not None:
        lock.write_text(json.dumps(locked(plan), indent=1) + "\n")
    if as_json:
        sys.stdout.write(json.dumps(plan_data(seen), indent=1) + "\n")
    else:
        terminal().print(plan_text(seen))
    return 0


def _finished(store: Store, plan: Plan) -> Iterator[Record]:
    found = store.find([trial.id for trial in plan.all_trials])
    return (record for record in map(store.read, found) if record is not None)


def locked(plan: Plan) -> dict[str, object]:
    """The resolved cells with their ids: what a reviewer compares when a study or a default changes."""
    return {
        "study": plan.name,
        "cells": {cell.id: {"label": cell.label, "content": cell.experiment.content()} for cell in plan.cells},
        "trials": [trial.id for trial in plan.all_trials],
    }


def _measure(plan: Plan, known: set[str], *, loud: bool) -> dict[str, Trace]:
    """Time the first steps of the cells whose cost nothing tells, with a line for each on a terminal."""
    unknown: list[Cell] = [cell for cell in plan.cells if cell.id not in known][:MOST_TIMED]
    shown = loud and sys.stderr.isatty()

    def hear(told: Trace) -> None:
        if shown:
            sys.stderr.write(f"\r\033[Ktiming the first steps: {len(seen)}/{len(unknown)}")
            seen.append(told)

    seen: list[Trace] = []
    traces = trace_cells(unknown, steps=TIMED_STEPS, hear=hear) if unknown else {}
    if shown and unknown:
        sys.stderr.write("\r\033[K")
    return traces


def _refuse_broken(plan: Plan, traces: dict[str, Trace]) -> None:
    labels = {cell.id: cell.label for cell in plan.cells}
    raise_all(
        [
            LabError(f"cell {labels[cell]} does not run: {told.error}", where=Place(plan.file))
            for cell, told in traces.items()
            if told.error
        ]
    )
