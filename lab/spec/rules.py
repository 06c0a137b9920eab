"""The menu of rules: what a series of readings means. Rules are pure, so old records can be judged again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.spec import Family

Series = Sequence[tuple[int, float]]
"""The readings of one scope as (step, value), in the order of their steps."""


@dataclass(frozen=True)
class Finding:
    """What a rule said: which rule, of which parameter or layer, at which step, and why."""

    rule: str
    scope: str
    step: int
    level: Literal["info", "warn", "fatal"] = "warn"
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
    """A judgement over one probe's series of one scope. A plug-in overrides `check`."""

    noun: ClassVar[str] = "rule"
    reads: ClassVar[str] = ""
    """The series it reads, as "probe.statistic" (or the probe's kind, when it has one statistic)."""

    def check(self, scope: str, series: Series) -> Finding | None:
        """What the rule says of this series, or None."""
        raise NotImplementedError(f"{type(self).__name__} does not override check")


class Vanishing(RuleSpec):
    """Fires when the last readings of a parameter's gradient norm all lie under a floor."""

    kind: Literal["vanishing"] = "vanishing"
    reads: ClassVar[str] = "gradients.grad_norm"
    floor: Annotated[float, Field(gt=0)] = 1e-7
    """The norm under which a gradient counts as vanished."""
    readings: Annotated[int, Field(ge=1)] = 20
    """How many readings in a row must lie under it."""

    def check(self, scope: str, series: Series) -> Finding | None:
        """What the rule says of this series, or None."""
        last = [value for _, value in series[-self.readings :]]
        if len(last) < self.readings or max(last) >= self.floor:
            return None
        step, value = series[-1]
        says = f"its gradient norm stayed under {self.floor:g} for {self.readings} readings"
        return Finding(self.kind, scope, step, value=value, threshold=self.floor, says=says)
