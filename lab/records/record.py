"""Record: what one trial left behind. The towers of making and of reading share this and nothing else."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from pydantic_core import from_json

from lab.records.step_memory import StepMemory
from lab.spec.rules import Finding
from lab.spec.spec import Level

Status = Literal["done", "pruned", "diverged", "stopped", "out_of_memory", "killed", "timed_out", "bug"]
FAILED: frozenset[str] = frozenset({"diverged", "stopped", "out_of_memory", "killed", "timed_out", "bug"})
Role = Literal["compare", "tune", "search", "floor"]


@dataclass(frozen=True)
class Origin:
    """Where a record comes from: enough to run it again and to doubt it."""

    commit: str = ""
    dirty: bool = False
    diff: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    host: str = ""
    threads: int = 0
    command: str = ""
    started: str = ""
    """UTC, ISO 8601."""
    data: str = ""
    """Hash of the data set."""
    data_lines: Mapping[str, float] = field(default_factory=dict)
    """Known scores of the data set: chance, baselines, ceilings."""


@dataclass(frozen=True)
class Record:
    """One trial, as it ended."""

    trial: str
    cell: str
    study: str
    status: Status
    seed: int
    repeat: int = 0
    role: Role = "compare"
    levels: Mapping[str, Level] = field(default_factory=dict)
    label: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Every resolved option under its dotted name."""
    tuned: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Score -> one value an epoch; `epoch` counts from 1 and `lr` stands beside."""
    scores: Mapping[str, float] = field(default_factory=dict)
    """Costs, and the scores of the last epoch."""
    findings: tuple[Finding, ...] = ()
    memory: StepMemory = field(default_factory=StepMemory)
    """What one of its steps holds."""
    seconds: float = 0.0
    origin: Origin = field(default_factory=Origin)
    error: str = ""
    traceback: str = ""
    reused: str = ""
    """The study that ran it, when this one only took the record over."""

    @property
    def is_failed(self) -> bool:
        """Whether the trial ended in a way that gives no score."""
        return self.status in FAILED

    def epoch_of(self, score: str, goal: str, at: str) -> int | None:
        """The index of the epoch whose scores count, or None without any.

        A run that reports its best epoch ends, as far as scores go, with that one.
        """
        values = self.history.get(score, ())
        told = [(value, index) for index, value in enumerate(values) if math.isfinite(value)]
        if not told:
            return None
        if at == "last_epoch":
            reported = self.scores.get("course.reported_epoch")
            return told[-1][1] if reported is None else int(reported) - 1
        best = max(told, key=lambda pair: (pair[0] if goal == "max" else -pair[0], -pair[1]))
        return best[1]

    def score(self, name: str, epoch: int | None) -> float:
        """A score at an epoch; a cost whatever the epoch; NaN when it was not seen."""
        if name in self.scores and name not in self.history:
            return self.scores[name]
        values = self.history.get(name, ())
        return values[epoch] if epoch is not None and epoch < len(values) else math.nan

    def to_json(self) -> str:
        """The record as JSON text; numbers that are not finite are written as text."""
        return json.dumps(_writable(dataclasses.asdict(self)), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        said = _parsed(text)
        said["history"] = {key: tuple(map(float, values)) for key, values in said["history"].items()}
        said["scores"] = _floats(said["scores"])
        said["seconds"] = float(said["seconds"])
        said["findings"] = tuple(map(_finding, said["findings"]))
        said["memory"] = StepMemory.read(said.get("memory", {}))
        origin = said["origin"]
        said["origin"] = Origin(**origin | {"data_lines": _floats(origin.get("data_lines", {}))})
        known = {option.name for option in dataclasses.fields(cls)}
        return cls(**{key: value for key, value in said.items() if key in known})


def _parsed(text: str) -> dict[str, Any]:
    """JSON text as plain data, by the fast parser; the library's own also takes lone surrogates."""
    try:
        return dict(from_json(text, allow_inf_nan=False))
    except ValueError:
        return dict(json.loads(text))


def _finding(said: Mapping[str, Any]) -> Finding:
    evidence = tuple((int(step), float(value)) for step, value in said.get("evidence", ()))
    return Finding(**{**said, **_floats(said, "value", "threshold"), "evidence": evidence})


def _floats(said: Mapping[str, Any], *only: str) -> dict[str, float]:
    """The numbers of a mapping, also those that were written as text."""
    return {key: float(said[key]) for key in only or said if said.get(key) is not None}


def _writable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _writable(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [_writable(inner) for inner in value]
    return value
