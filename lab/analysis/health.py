"""What went wrong in a study: failures by class, findings by rule, and what differs when nothing does."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.rows import MISSING, Row

GRAVITY = {"fatal": 0, "warn": 1, "info": 2}


@dataclass(frozen=True)
class Failure:
    """Trials that failed in the same way."""

    status: str
    error: str
    """The first line of what the first of them said."""
    trials: tuple[str, ...]


@dataclass(frozen=True)
class RuleFindings:
    """What one rule said, over all trials."""

    rule: str
    level: str
    trials: int
    scopes: tuple[str, ...]
    """The parameters or layers, those it named most often first."""
    says: str
    """Its words on the first of them."""


@dataclass(frozen=True)
class Floor:
    """What is left when nothing differs: re-runs of the reference with one seed."""

    repeats: int
    largest: float
    """The largest difference to the first run."""


def failures(rows: Sequence[Row]) -> tuple[Failure, ...]:
    """Failed trials by class and first line of the error, the commonest first."""
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row.is_failed:
            alike[row.status, (row.error.strip().splitlines() or [""])[0]].append(row.trial)
    ordered = sorted(alike.items(), key=lambda item: (-len(item[1]), item[0]))
    return tuple(Failure(status, error, tuple(sorted(trials))) for (status, error), trials in ordered)


def findings(rows: Sequence[Row]) -> tuple[RuleFindings, ...]:
    """What rules said, by rule and level, the gravest first."""
    said: dict[tuple[str, str], list[tuple[str, str, str]]] = defaultdict(list)
    for row in rows:
        for finding in row.findings:
            said[finding.rule, finding.level].append((row.trial, finding.scope, finding.says))
    told = [_told(rule, level, each) for (rule, level), each in said.items()]
    return tuple(sorted(told, key=lambda one: (GRAVITY.get(one.level, 1), -one.trials, one.rule)))


def floor(rows: Sequence[Row]) -> Floor | None:
    """The noise floor, or None when the study asks for none or it is not in."""
    first = {(row.cell, row.seed): row.score for row in rows if row.role == "compare"}
    gaps = [abs(row.score - first.get((row.cell, row.seed), math.nan)) for row in rows if row.role == "floor"]
    seen = [gap for gap in gaps if math.isfinite(gap)]
    return Floor(len(seen), max(seen)) if seen else None


def pending(rows: Sequence[Row]) -> int:
    """Planned trials that are not in."""
    return sum(row.status == MISSING for row in rows)


def _told(rule: str, level: str, said: Sequence[tuple[str, str, str]]) -> RuleFindings:
    counts: dict[str, int] = defaultdict(int)
    for _, scope, _ in said:
        counts[scope] += 1
    scopes = sorted(counts, key=lambda scope: (-counts[scope], scope))
    words = min((scope, says) for _, scope, says in said if scope == scopes[0])[1]
    return RuleFindings(rule, level, len({trial for trial, _, _ in said}), tuple(scopes), words)
