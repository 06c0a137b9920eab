"""What went wrong in a study: failures by class, findings by rule, and what differs when nothing does."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.rows import MISSING, Row
from lab.analysis.where import Cells, Where, where
from lab.spec.rules import Finding

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
    own: int = 0
    """Trials in which it stands by itself; in the others another rule's finding explains it."""
    causes: tuple[str, ...] = ()
    """The rules that explain it, the commonest first."""
    step: int = 0
    """The first step of any trial at which it was found."""
    means: str = ""
    remedy: str = ""
    where: Where | None = None
    """The levels that it is confined to, where a study has several cells."""

    @property
    def is_headline(self) -> bool:
        """Whether it is worth a line of its own: grave enough, and not only another's symptom."""
        return self.own > 0 and self.level != "info"


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
    """What rules said, by rule and level: what stands by itself first, the gravest and commonest of it at the top."""
    said: dict[tuple[str, str, str], list[tuple[Row, Finding]]] = defaultdict(list)
    for row in rows:
        for finding in row.findings:
            # A remark without a number says something of its own: what was not measured, and why.
            words = finding.says if finding.level == "info" and finding.value is None else ""
            said[finding.rule, finding.level, words].append((row, finding))
    cells = {row.cell: row.levels for row in rows if row.status != MISSING}
    told = [_told(rule, level, each, cells) for (rule, level, _), each in said.items()]
    return tuple(sorted(told, key=lambda one: (not one.own, GRAVITY.get(one.level, 1), -one.trials, one.rule)))


def floor(rows: Sequence[Row]) -> Floor | None:
    """The noise floor, or None when the study asks for none or it is not in."""
    first = {(row.cell, row.seed): row.score for row in rows if row.role == "compare"}
    gaps = [abs(row.score - first.get((row.cell, row.seed), math.nan)) for row in rows if row.role == "floor"]
    seen = [gap for gap in gaps if math.isfinite(gap)]
    return Floor(len(seen), max(seen)) if seen else None


def pending(rows: Sequence[Row]) -> int:
    """Planned trials that are not in."""
    return sum(row.status == MISSING for row in rows)


def _told(rule: str, level: str, said: Sequence[tuple[Row, Finding]], cells: Cells) -> RuleFindings:
    counts: dict[str, int] = defaultdict(int)
    for _, finding in said:
        counts[finding.scope] += 1
    scopes = sorted(counts, key=lambda scope: (-counts[scope], scope))
    first = min((finding for _, finding in said if finding.scope == scopes[0]), key=lambda each: each.says)
    own = {row.trial for row, finding in said if not finding.explained_by}
    causes = Counter(finding.explained_by for row, finding in said if row.trial not in own)
    return RuleFindings(
        rule,
        level,
        len({row.trial for row, _ in said}),
        tuple(scope for scope in scopes if scope),
        first.says,
        own=len(own),
        causes=tuple(cause for cause, _ in causes.most_common()),
        step=min(finding.step for _, finding in said),
        means=first.means,
        remedy=first.remedy,
        where=where(cells, {row.cell for row, _ in said}) if len(cells) > 1 else None,
    )
