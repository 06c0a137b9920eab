"""The contract of a rule."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lab.records.chunk import TOTAL, Chunk
from lab.records.rules.facts import Facts
from lab.records.rules.health import Health
from lab.spec.rules import Finding, RuleSpec, Series
from lab.testing.settings import named

SCOPE = "layer.weight"
"""The parameter that series are shown under; totals are shown under their own name."""
PIECE = 7
"""Readings of a piece, where a series is shown in pieces."""


def check_rule(
    rule: RuleSpec | type[RuleSpec],
    *,
    healthy: Sequence[Series] | None = None,
    sick: Sequence[Series] = (),
    facts: Facts | None = None,
) -> None:
    """A rule spares healthy series however short, finds the sick ones, and answers the same when asked again.

    A rule with a watcher of its own is shown series of the first statistic that it reads, whole and in pieces.
    """
    rule = rule() if isinstance(rule, type) else rule
    facts = facts or Facts()
    assert rule.reads, "a rule must say which series it reads"
    for series in healthy_series(rule.reads) if healthy is None else healthy:
        for length in {0, 1, 2, len(series) // 2, len(series)}:
            found = _asked(rule, series[:length], facts)
            assert found is None, f"{named(rule)} fires on a healthy series of {length} readings: {found}"
    for series in sick:
        before = list(series)
        found = _asked(rule, series, facts)
        assert isinstance(found, Finding), f"{named(rule)} does not fire on {before[:3]} ..."
        assert found == _asked(rule, series, facts), f"{named(rule)} changes its mind"
        assert found == _asked(rule, series, facts, PIECE), f"{named(rule)} finds something else in pieces"
        assert list(series) == before, f"{named(rule)} changes what it reads"


def _asked(rule: RuleSpec, series: Series, facts: Facts, piece: int = 10**9) -> Finding | None:
    """The first thing that a rule says of a series, shown in pieces of so many readings."""
    if not rule.code:
        return rule.check(SCOPE, series)
    probe, _, statistic = rule.reads.split(",")[0].strip().partition(".")
    health = Health([rule], facts)
    for start in range(0, len(series), piece):
        steps, values = zip(*series[start : start + piece], strict=True)
        told = np.repeat(np.array(values, dtype=np.float32)[:, None, None], 2, axis=2)
        health.see([Chunk(probe, np.array(steps), (SCOPE, TOTAL), (statistic or "value",), told)])
    health.end()
    return next((finding for finding in health.ordered if finding.level != "info"), None)


def healthy_series(reads: str) -> list[Series]:
    """What a sound run shows of a statistic: a slow decline, or zeros where anything else is a fault."""
    if any(word in reads for word in ("zero", "finite", "nan")):
        return [[(step, 0.0) for step in range(200)]]
    falling = [(step, 0.05 * math.exp(-step / 100)) for step in range(200)]
    wavering = [(step, value * (1 + 0.2 * math.sin(2.4 * step))) for step, value in falling]
    return [falling, wavering, [(step, 0.02) for step in range(200)]]
