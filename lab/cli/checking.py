"""`lab check`: files first, without torch; with `--build`, the first step of every cell."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.cli.planning import read_plan
from lab.errors import LabError
from lab.plan.plan import Plan
from lab.report.numbers import count
from lab.run.knowing import unknown_scores
from lab.run.timing import Trace, no_ops, trace_cells
from lab.spec.files import kind_of, profiles_in

SMOKE_STEPS = 2


@dataclass
class Checked:
    """What one file's check found."""

    file: Path
    mistakes: list[LabError] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    says: list[str] = field(default_factory=list)


def check_files(files: Sequence[Path], *, build: bool, as_json: bool) -> int:
    """Check every file, tell every mistake; 2 when there is one."""
    results = [_check(file, build=build, loud=not as_json) for file in files]
    if as_json:
        sys.stdout.write(json.dumps([_data(result) for result in results], indent=1) + "\n")
    else:
        _tell(results)
    return 2 if any(result.mistakes for result in results) else 0


def profiles_of(file: Path) -> list[str | None]:
    """The plain file, then each of its profiles."""
    if kind_of(file) != "study":
        return [None]
    return [None, *profiles_in(file)]


def _check(file: Path, *, build: bool, loud: bool) -> Checked:
    checked = Checked(file)
    known: set[str] = set()
    try:
        profiles = profiles_of(file)
    except LabError as mistake:
        checked.mistakes = list(mistake.problems)
        return checked
    for profile in profiles:
        try:
            plan = read_plan(file, profile, sized=build)
        except LabError as mistake:
            checked.mistakes += [each for each in mistake.problems if str(each) not in known]
            known |= {str(each) for each in mistake.problems}
            continue
        named = f"{profile}: " if profile else ""
        checked.says.append(named + _size(plan))
        if build and profile == profiles[-1]:
            _build(plan, checked, loud=loud)
    return checked


def _size(plan: Plan) -> str:
    if plan.search is not None and len(plan.cells) == 1:
        return f"a search of {count(plan.search.trials, 'setting')}"
    return f"{count(len(plan.cells), 'cell')}, {count(len(plan.all_trials), 'trial')}"


def _build(plan: Plan, checked: Checked, *, loud: bool) -> None:
    """Take the first steps of every cell of the last profile (the cheapest, by custom)."""

    def hear(told: Trace) -> None:
        if loud:
            sys.stderr.write(f"  {told.cell}: {told.error or f'{told.params} parameters, {told.step_ms:.0f} ms'}\n")

    traces = trace_cells(plan.cells, hear=hear)
    labels = {cell.id: cell.label for cell in plan.cells}
    checked.mistakes += [
        LabError(f"{checked.file}: cell {labels[cell]} does not run: {told.error}")
        for cell, told in traces.items()
        if told.error
    ]
    checked.warnings += no_ops(plan, traces)
    if not checked.mistakes:
        checked.mistakes += unknown_scores(plan)


def smoke_file(file: Path, *, profile: str | None) -> int:
    """Two steps of every cell on the CPU; nothing is kept."""
    plan = read_plan(file, profile)

    def hear(told: Trace) -> None:
        outcome = told.error or f"{told.params} parameters, {told.step_ms:.0f} ms a step"
        sys.stdout.write(f"{labels[told.cell]}: {outcome}\n")

    labels = {cell.id: plan.told(cell) for cell in plan.cells}
    traces = trace_cells(plan.cells, steps=SMOKE_STEPS, hear=hear)
    failed = sum(1 for told in traces.values() if told.error)
    return 1 if failed else 0


def _data(result: Checked) -> dict[str, object]:
    return {
        "file": str(result.file),
        "mistakes": [
            {
                "file": each.where.file or str(result.file),
                "line": each.where.line,
                "key": each.where.key,
                "what": each.what,
                "hint": each.hint,
            }
            for each in result.mistakes
        ],
        "warnings": result.warnings,
        "says": result.says,
    }


def _tell(results: Iterable[Checked]) -> None:
    mistakes = 0
    for result in results:
        for each in result.mistakes:
            sys.stderr.write(f"{each}\n")
        for warning in result.warnings:
            sys.stderr.write(f"{result.file}: warning: {warning}\n")
        if not result.mistakes:
            sys.stdout.write(f"{result.file}: fine ({'; '.join(result.says)})\n")
        mistakes += len(result.mistakes)
    if mistakes:
        sys.stderr.write(f"{count(mistakes, 'mistake')}; nothing was started\n")
