"""Verdicts: what the rules said of a run, against what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.faults.cases import Case
from lab.spec.rules import Finding


@dataclass(frozen=True)
class Verdict:
    """One run, with its alerts: warnings and worse that no other finding explains."""

    case: Case
    seed: int
    steps: int
    accuracy: float
    headline: tuple[Finding, ...]
    explained: tuple[Finding, ...]
    """Alerts that others explain."""

    @classmethod
    def of(cls, case: Case, seed: int, *, steps: int, accuracy: float, findings: Sequence[Finding]) -> Verdict:
        """Part the alerts; what is said for information only is none."""
        alerts = [finding for finding in findings if finding.level != "info"]
        headline = tuple(finding for finding in alerts if not finding.explained_by)
        return cls(case, seed, steps, accuracy, headline, tuple(each for each in alerts if each.explained_by))

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of the headline, the first to speak first; one that speaks of many scopes counts once."""
        told = sorted(self.headline, key=lambda finding: finding.step)
        return tuple(dict.fromkeys(finding.rule for finding in told))

    @property
    def right(self) -> tuple[str, ...]:
        """Those that name the fault."""
        return tuple(rule for rule in self.rules if rule in self.case.accepts)

    @property
    def detected(self) -> int | None:
        """The step at which a right rule first spoke."""
        return min((each.step for each in self.headline if each.rule in self.case.accepts), default=None)


@dataclass(frozen=True)
class Score:
    """A set of runs as one line."""

    faulty: int
    found: int
    """Faulty runs with a right rule in the headline."""
    alerts: int
    """Rules in the headlines of the faulty runs."""
    right: int
    """Those of them that name the fault."""
    healthy: int
    alarmed: int
    """Healthy runs with a headline."""
    false_alerts: int
    healthy_steps: int

    @property
    def recall(self) -> float:
        """Share of the faulty runs whose fault is named."""
        return self.found / max(self.faulty, 1)

    @property
    def precision(self) -> float:
        """Share of the headline alerts on faulty runs that name the fault."""
        return self.right / max(self.alerts, 1)

    @property
    def per_thousand(self) -> float:
        """False alerts per 1,000 healthy steps."""
        return 1000 * self.false_alerts / max(self.healthy_steps, 1)


def score(verdicts: Iterable[Verdict]) -> Score:
    """Count; faults that no rule is meant to see are left out."""
    told = [verdict for verdict in verdicts if verdict.case.group != "unruled"]
    faulty = [verdict for verdict in told if not verdict.case.is_healthy]
    healthy = [verdict for verdict in told if verdict.case.is_healthy]
    return Score(
        faulty=len(faulty),
        found=sum(bool(verdict.right) for verdict in faulty),
        alerts=sum(len(verdict.rules) for verdict in faulty),
        right=sum(len(verdict.right) for verdict in faulty),
        healthy=len(healthy),
        alarmed=sum(bool(verdict.rules) for verdict in healthy),
        false_alerts=sum(len(verdict.rules) for verdict in healthy),
        healthy_steps=sum(verdict.steps for verdict in healthy),
    )
