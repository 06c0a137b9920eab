"""RuleSpec and Finding: a judgement over readings, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from lab.spec.spec import Family

Series = Sequence[tuple[int, float]]
"""The readings of one scope as (step, value), in the order of their steps."""
Severity = Literal["info", "warn", "fatal"]
Action = Literal["note", "freeze", "stop"]


@dataclass(frozen=True)
class Finding:
    """What a rule said: which rule, of which parameter or layer, at which step, and why."""

    rule: str
    scope: str
    step: int
    level: Severity = "warn"
    value: float | None = None
    threshold: float | None = None
    says: str = ""
    means: str = ""
    """What it likely means."""
    remedy: str = ""
    """What to try."""
    explained_by: str = ""
    """The rule whose finding is the likelier cause of this one; empty for a finding that stands by itself."""
    evidence: tuple[tuple[int, float], ...] = ()
    """The last readings behind it, (step, value)."""


class RuleSpec(Family):
    """A judgement over readings. A plug-in overrides `check`, or names a watcher of its own in `code`."""

    noun: ClassVar[str] = "rule"
    number: ClassVar[str] = ""
    """The house's own rules are numbered; those of plug-ins are not."""
    reads: ClassVar[str] = ""
    """The series it reads, as "probe.statistic" (or the probe's kind, when it has one statistic)."""
    why: ClassVar[str] = ""
    """Why the thresholds are what they are."""
    means: ClassVar[str] = ""
    """What its finding likely means."""
    remedy: ClassVar[str] = ""
    """What to try."""

    level: Severity = "warn"
    """How grave its finding is; where a rule knows lesser cases, the gravest one."""
    action: Action = "note"
    """What its finding does: only noted, or a bundle for replay is frozen, or the trial is stopped as failed."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for name in ("level", "action"):  # a rule that changes only their default means the same by them
            field = cls.model_fields[name]
            field.description = field.description or RuleSpec.model_fields[name].description

    def check(self, scope: str, series: Series) -> Finding | None:
        """What the rule says of this series, or None."""
        raise NotImplementedError(f"{type(self).__name__} neither overrides check nor names its code")
