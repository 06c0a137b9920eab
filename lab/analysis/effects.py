"""Main effects: what one level of a factor does against the base's level, all other factors equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.analysis.estimate import ALPHA, Estimate
from lab.analysis.evidence import Evidence, Sample, weigh
from lab.analysis.outline import Outline
from lab.analysis.pairing import averaged, contrast, contrasted, twins
from lab.analysis.rows import Row
from lab.analysis.table import ScoreTable, table_of
from lab.spec.spec import Level


@dataclass(frozen=True)
class Effect:
    """A paired difference, averaged over the pairs of cells that differ in this factor only."""

    factor: str
    level: Level
    against: Level
    difference: Estimate
    pairs: int
    """Pairs of cells it is averaged over."""
    planned: int
    """Pairs of cells the plan has; fewer are used where some have no score."""
    is_contrast: bool = False
    """Of a balanced fraction, which has no such pairs: all cells at the level against all at the base's."""
    told_apart: bool = False
    """Whether it differs from nothing at 5 % over all effects of the table (Holm)."""
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class _Found:
    """An effect before the others of its table are known."""

    factor: str
    code: int
    sample: Sample = field(default_factory=Sample)
    used: int = 0
    planned: int = 0
    is_contrast: bool = False


def effects(rows: Sequence[Row], outline: Outline) -> tuple[Effect, ...]:
    """The main effects of every factor, in the order of the study file."""
    return effects_in(table_of(rows, outline))


def effects_in(table: ScoreTable) -> tuple[Effect, ...]:
    """The same from a table of scores."""
    found = [_found(table, factor, code) for factor in table.factors for code in table.others(factor)]
    weighed = weigh([each.sample for each in found])
    return tuple(_effect(table, each, evidence) for each, evidence in zip(found, weighed, strict=True))


def _found(table: ScoreTable, factor: str, code: int) -> _Found:
    pairs = twins(table, (factor, code))
    if len(pairs):
        sample, used = averaged(table, pairs, (1, -1))
        return _Found(factor, code, sample, used, len(pairs))
    corners = contrast(table, (factor, code))
    if not corners:
        return _Found(factor, code)
    sample = contrasted(table, corners, (1, -1))
    used = len(corners[0]) if sample.estimate.n else 0
    return _Found(factor, code, sample, used, len(corners[0]), is_contrast=True)


def _effect(table: ScoreTable, found: _Found, evidence: Evidence) -> Effect:
    return Effect(
        factor=found.factor,
        level=table.levels[found.factor][found.code],
        against=table.levels[found.factor][0],
        difference=found.sample.estimate,
        pairs=found.used,
        planned=found.planned,
        is_contrast=found.is_contrast,
        told_apart=evidence.adjusted <= ALPHA,
        evidence=evidence,
    )
