"""Alerts: what rules found in one trial, causes first, with what each of them explains folded under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.health import GRAVITY
from lab.analysis.rows import Row
from lab.records.rules.causes import rank
from lab.spec.rules import Finding


@dataclass(frozen=True)
class Alert:
    """A rule's findings that stand by themselves, and the symptoms that they explain."""

    number: int
    """How figures mark it; from 1, in the order of the list, and 0 for a symptom."""
    finding: Finding
    """The gravest, of those the first."""
    elsewhere: tuple[Finding, ...] = ()
    """The same rule's findings in other scopes."""
    symptoms: tuple[Alert, ...] = ()
    """By rule, as they stand under their cause."""

    @property
    def is_remark(self) -> bool:
        """Whether it is for information only."""
        return self.finding.level == "info"


def alerts(findings: Sequence[Finding]) -> tuple[Alert, ...]:
    """The gravest first, then by time; a symptom lies under the finding that explains it, directly or at the end."""
    told = sorted(dict.fromkeys(findings), key=_order)
    causes = {finding.rule: finding for finding in reversed(told) if finding.level != "info"}
    by_head: dict[tuple[str, str], list[Finding]] = {}
    for finding in told:
        by_head.setdefault(_head(finding, causes), []).append(finding)
    groups = [(key, each) for key, each in by_head.items() if any(_key(one) == key for one in each)]
    groups.sort(key=lambda group: _order(next(one for one in group[1] if _key(one) == group[0])))
    return tuple(_alert(number, key, each) for number, (key, each) in enumerate(groups, 1))


def trials_to_probe(rows: Sequence[Row]) -> tuple[tuple[Row, Finding | None], ...]:
    """The worst trial of each cell that rules warned of or that failed, with its headline; the worst cell first."""
    told = []
    for row in rows:
        found = next((alert.finding for alert in alerts(row.findings) if alert.finding.level != "info"), None)
        if found is not None or row.is_failed:
            told.append((row, found))
    told.sort(key=lambda each: (not each[0].is_failed, _order(each[1]) if each[1] is not None else ()))
    first: dict[str, tuple[Row, Finding | None]] = {}
    for row, found in told:
        first.setdefault(row.cell, (row, found))
    return tuple(first.values())


def _alert(number: int, key: tuple[str, str], told: Sequence[Finding]) -> Alert:
    first, *elsewhere = _of(key, told)
    symptoms = dict.fromkeys(_key(finding) for finding in told if _key(finding) != key)
    return Alert(number, first, tuple(elsewhere), tuple(_alert(0, each, _of(each, told)) for each in symptoms))


def _of(key: tuple[str, str], told: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in told if _key(finding) == key]


def _head(finding: Finding, causes: dict[str, Finding]) -> tuple[str, str]:
    """The group at the end of the chain of causes; of those that explain one another, the first."""
    chain = [finding]
    while (cause := causes.get(chain[-1].explained_by)) is not None:
        if cause in chain:
            return _key(min(chain[chain.index(cause) :], key=_order))
        chain.append(cause)
    return _key(chain[-1])


def _key(finding: Finding) -> tuple[str, str]:
    """Findings of one rule are told together, those for information apart."""
    return finding.rule, "info" if finding.level == "info" else ""


def _order(finding: Finding) -> tuple[int, int, int, str, str]:
    return GRAVITY.get(finding.level, 1), finding.step, rank(finding.rule), finding.rule, finding.scope
