"""Health: all rules at work on one run, live or afterwards, with causes told from symptoms."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from lab.records.chunk import Chunk
from lab.records.rules.causes import explained, rank
from lab.records.rules.checked import VALUE, Checked
from lab.records.rules.facts import Facts
from lab.records.rules.past import Past
from lab.records.rules.state import finding_of, put_back, state_of
from lab.records.rules.watcher import Watcher
from lab.spec.rules import Finding, RuleSpec, house_rules
from lab.spec.spec import resolve

Status = Literal["ok", "warn", "broken"]
GRAVITY = {"info": 0, "warn": 1, "fatal": 2}
MOST_SCOPES = 20
"""Scopes of one rule that are told; more say nothing new."""


class Health:
    """Feeds readings to every rule, keeps one finding a rule and scope, and says how the run is."""

    def __init__(self, rules: Sequence[RuleSpec], facts: Facts) -> None:
        self.specs = {_kind(rule): rule for rule in rules}
        self.watchers: dict[str, Watcher] = {}
        self._found: dict[tuple[str, str], Finding] = {}
        self._last: dict[tuple[str, str], int] = {}
        """The step of the value that a finding shows."""
        self._measured: set[str] = set()
        self._past = Past(facts)
        self._has_ended = False
        for kind in self.specs:
            self._try(kind, partial(self._start, kind, facts))

    def _start(self, kind: str, facts: Facts) -> Iterable[Finding]:
        rule = self.specs[kind]
        self.watchers[kind] = resolve(rule.code)(rule, facts) if rule.code else Checked(rule, facts)
        return ()

    def see(self, chunks: Sequence[Chunk]) -> list[Finding]:
        """Take readings in; what is found for the first time, or has become graver, comes back."""
        self._measured |= {f"{chunk.probe}.{statistic}" for chunk in chunks for statistic in chunk.statistics}
        self._past.add(chunks)
        news = self._all(lambda watcher: watcher.see(chunks))
        self._past.trim()
        return news

    def end(self) -> list[Finding]:
        """The run is over: what only its end shows; asked once."""
        if self._has_ended:
            return []
        self._has_ended = True
        news = self._all(lambda watcher: watcher.end())
        return news + [each for each in map(self._unfed, self.specs.values()) if each is not None and self._add(each)]

    def _all(self, ask: Callable[[Watcher], Iterable[Finding]]) -> list[Finding]:
        """What all watchers say that is news, with what explains it as far as that is known by now."""
        news = [each for kind in list(self.watchers) for each in self._try(kind, partial(ask, self.watchers[kind]))]
        keys = dict.fromkeys((each.rule, each.scope) for each in news)
        told = dict(zip(self._found, self.findings, strict=True))
        return sorted((told[key] for key in keys), key=_order)

    def _try(self, kind: str, ask: Callable[[], Iterable[Finding]]) -> list[Finding]:
        """What a watcher says that is news; one that raises is told once and not asked again."""
        try:
            return [finding for finding in list(ask()) if self._add(finding)]
        except Exception as error:
            self.watchers.pop(kind, None)
            finding = Finding(kind, "", 0, "info", says=f"cannot judge: {type(error).__name__}: {error}")
            return [finding] if self._add(finding) else []

    def _add(self, finding: Finding) -> bool:
        """Keep a finding; whether it is news. Where it was told before, its step stays and its value is the last."""
        key = finding.rule, finding.scope
        old = self._found.get(key)
        if old is None:
            if sum(rule == finding.rule for rule, _ in self._found) >= MOST_SCOPES:
                return False
            self._found[key], self._last[key] = self._worded(finding), finding.step
            return True
        is_graver = GRAVITY[finding.level] > GRAVITY[old.level]
        is_earlier = finding.level == old.level and finding.step < old.step
        kept = self._worded(finding) if is_graver or is_earlier else old
        if is_graver or (finding.step >= self._last[key] and finding.level == kept.level):
            kept, self._last[key] = replace(kept, value=finding.value), finding.step
        elif is_earlier:
            kept = replace(kept, value=old.value)
        self._found[key] = replace(kept, step=min(old.step, finding.step))
        return is_graver

    def _worded(self, finding: Finding) -> Finding:
        """With what the spec says of all its findings, and the readings behind it, where it tells none of its own."""
        spec = self.specs.get(finding.rule)
        if spec is None or finding.level == "info":
            return finding
        evidence = finding.evidence or self._past.of(spec.reads, finding.scope, finding.step)
        means, remedy = finding.means or spec.means, finding.remedy or spec.remedy
        return replace(finding, means=means, remedy=remedy, evidence=evidence)

    def _unfed(self, rule: RuleSpec) -> Finding | None:
        """A rule that was asked for by name and had nothing to read; of `all`, some always have nothing."""
        wanted = {part.strip() if "." in part else f"{part.strip()}.{VALUE}" for part in rule.reads.split(",")}
        if house_rules().keys() <= self.specs.keys() and rule.number:
            return None
        if wanted & self._measured or not self._measured or _kind(rule) not in self.watchers:
            return None
        return Finding(_kind(rule), "", 0, "info", says=f"had nothing to judge: no probe measured {rule.reads}")

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, each with the rule that explains it, in the order it was first told."""
        return explained(tuple(self._found.values()))

    @property
    def ordered(self) -> tuple[Finding, ...]:
        """All that was found, by step."""
        return tuple(sorted(self.findings, key=_order))

    @property
    def status(self) -> Status:
        """Broken by anything fatal, warned by anything else that stands by itself."""
        return status_of(self.findings)

    def action_of(self, finding: Finding) -> str:
        """What the rule's spec says that a finding does; information never does anything."""
        spec = self.specs.get(finding.rule)
        return spec.action if spec is not None and finding.level != "info" else "note"

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold; a watcher whose attributes are not plain is left out."""
        watchers = {}
        for kind, watcher in self.watchers.items():
            with suppress(TypeError, RecursionError):
                watchers[kind] = state_of(watcher)
        return {
            "watchers": watchers,
            "found": [vars(finding) for finding in self._found.values()],
            "last": list(self._last.values()),
            "past": self._past.state(),
            "measured": sorted(self._measured),
        }

    def load(self, said: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        for finding, last in zip(map(finding_of, said["found"]), said["last"], strict=True):
            self._found[finding.rule, finding.scope] = finding
            self._last[finding.rule, finding.scope] = last
        self._measured = set(said["measured"])
        self._past.load(said["past"])
        for kind in list(self.watchers):
            if kind in said["watchers"]:
                put_back(self.watchers[kind], said["watchers"][kind])
            else:
                del self.watchers[kind]
                self._add(Finding(kind, "", 0, "info", says="could not go on: a checkpoint cannot hold its attributes"))


def status_of(findings: Iterable[Finding]) -> Status:
    """The health that findings give a run."""
    own = {finding.level for finding in findings if not finding.explained_by}
    return "broken" if "fatal" in own else "warn" if "warn" in own else "ok"


def _kind(rule: RuleSpec) -> str:
    return str(getattr(rule, "kind", type(rule).__name__))


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return finding.step, rank(finding.rule), finding.rule, finding.scope
