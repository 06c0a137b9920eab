"""The contract of a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lab.spec.rules import Finding, RuleSpec, Series
from lab.testing.settings import named


def check_rule(
    rule: RuleSpec | type[RuleSpec], *, healthy: Sequence[Series] | None = None, sick: Sequence[Series] = ()
) -> None:
    """A rule spares healthy series however short, finds the sick ones, and answers the same when asked again."""
    rule = rule() if isinstance(rule, type) else rule
    assert rule.reads, "a rule must say which series it reads"
    for series in healthy_series(rule.reads) if healthy is None else healthy:
        for length in {0, 1, 2, len(series) // 2, len(series)}:
            found = rule.check("layer.weight", series[:length])
            assert found is None, f"{named(rule)} fires on a healthy series of {length} readings: {found}"
    for series in sick:
        before = list(series)
        found = rule.check("layer.weight", series)
        assert isinstance(found, Finding), f"{named(rule)} does not fire on {before[:3]} ..."
        assert found == rule.check("layer.weight", series), f"{named(rule)} changes its mind"
        assert list(series) == before, f"{named(rule)} changes what it reads"


def healthy_series(reads: str) -> list[Series]:
    """What a sound run shows of a statistic: a slow decline, or zeros where anything else is a fault."""
    if any(word in reads for word in ("zero", "finite", "nan")):
        return [[(step, 0.0) for step in range(200)]]
    falling = [(step, 0.05 * math.exp(-step / 100)) for step in range(200)]
    wavering = [(step, value * (1 + 0.2 * math.sin(2.4 * step))) for step, value in falling]
    return [falling, wavering, [(step, 0.02) for step in range(200)]]
