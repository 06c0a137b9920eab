"""From a file to a plan, and what `lab plan` says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError
from lab.plan.designs import expand
from lab.plan.plan import Plan
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile, kind_of, read_study, study_of_experiment


def read_file(path: Path, profile: str | None) -> StudyFile:
    """A study file; an experiment file counts as a study of one cell."""
    if kind_of(path) == "study":
        return read_study(path, profile=profile)
    if profile is not None:
        raise LabError(f"{path} is an experiment, which has no profiles", hint="leave --profile out")
    return study_of_experiment(path)


def read_plan(path: Path, profile: str | None) -> Plan:
    """The plan of a file; parameters are counted, and torch loaded, only where cells must match in size."""
    file = read_file(path, profile)
    counted = any(constraint.match for constraint in file.study.constraints)
    return expand(file, count_params=_counter() if counted else None)


def _counter() -> Callable[[Experiment], int]:
    from lab.train.build import count_params

    return count_params
