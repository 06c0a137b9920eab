"""Where a study stands: of every trial with a record the little that decisions need, fed as records come."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass

from lab.plan.plan import Plan
from lab.records.record import FAILED, Record
from lab.spec.design import Score


@dataclass(frozen=True)
class Known:
    """What is kept of one record."""

    trial: str
    cell: str
    seed: int
    role: str
    status: str
    value: float
    """The study's score; NaN without one."""

    @property
    def is_failed(self) -> bool:
        """Whether the trial gave no score."""
        return self.status in FAILED


def value_of(record: Record, score: Score) -> float:
    """A score of a record at the epoch that counts; NaN when it has none."""
    return record.score(score.name, record.epoch_of(score.name, score.goal, score.at))


class Standing:
    """The records of a study so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.known: dict[str, Known] = {}
        self.hours = 0.0
        self.gpu_hours = 0.0
        self._by_cell: dict[str, dict[int, float]] = defaultdict(dict)

    def add(self, record: Record) -> None:
        """Take a record in."""
        value = value_of(record, self.plan.study.score)
        self.known[record.trial] = Known(
            record.trial, record.cell, seed=record.seed, role=record.role, status=record.status, value=value
        )
        if not record.reused:
            self.hours += record.seconds / 3600
            self.gpu_hours += record.seconds / 3600 if record.origin.device not in ("", "cpu") else 0.0
        if record.status == "done" and math.isfinite(value) and not record.repeat:
            self._by_cell[record.cell][record.seed] = value

    def __contains__(self, trial: str) -> bool:
        return trial in self.known

    def values(self, cell: str) -> dict[int, float]:
        """Seed -> score of a cell's finished trials."""
        return self._by_cell.get(cell, {})

    def worse(self, cell: str, reference: str) -> list[float]:
        """By how much a cell is worse than the reference, one number for each seed they share."""
        sign = 1.0 if self.plan.study.score.goal == "max" else -1.0
        mine, base = self.values(cell), self.values(reference)
        return [sign * (base[seed] - mine[seed]) for seed in sorted(mine.keys() & base.keys())]
