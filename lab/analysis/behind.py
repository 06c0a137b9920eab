"""The readings behind a finding: those it carries, or those of what its rule reads, around its step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lab.analysis.probed import Grid, Probed
from lab.records.rules.updates import MATRICES
from lab.spec.rules import Finding, RuleSpec

BEFORE, AFTER = 50, 25
"""Readings on either side of a finding's step that are shown."""

Series = tuple[tuple[int, float], ...]


def behind(probed: Probed, finding: Finding) -> Series:
    """What led to a finding and what came of it, as (step, value); empty where nothing was kept of it."""
    if finding.evidence:
        return finding.evidence
    grid = next(_grids(probed, finding), None)
    if grid is None:
        return ()
    at = int(np.searchsorted(grid.steps, finding.step))
    shown = slice(max(0, at - BEFORE), at + AFTER)
    told = zip(grid.steps[shown].tolist(), grid.values[0, shown].tolist(), strict=True)
    return tuple((step, value) for step, value in told if np.isfinite(value))


def _grids(probed: Probed, finding: Finding) -> Iterator[Grid]:
    """What the rule reads of the finding's scope, each as one row."""
    rule = RuleSpec.members.get(finding.rule)
    for source in str(getattr(rule, "reads", "")).split(","):
        probe, _, statistic = source.strip().partition(".")
        grid = probed.grid(probe, statistic)
        if grid is not None and finding.scope in grid.names:
            yield grid.rows([grid.names.index(finding.scope)])
        elif grid is not None and finding.scope == MATRICES:
            yield from _median(grid.only(probed.matrices.__contains__))
        elif (total := probed.total(probe, statistic)) is not None:
            yield total


def _median(grid: Grid | None) -> Iterator[Grid]:
    if grid is not None:
        middle = np.median(grid.values, axis=0, keepdims=True)
        yield Grid((MATRICES,), grid.steps, middle, middle, middle)
