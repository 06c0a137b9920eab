"""Interactions: whether what one factor does depends on the level of another, as differences of differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

from lab.analysis.estimate import ALPHA, Estimate
from lab.analysis.evidence import Evidence, Sample, weigh
from lab.analysis.outline import Outline
from lab.analysis.pairing import averaged, contrast, contrasted, twins
from lab.analysis.rows import Row
from lab.analysis.table import ScoreTable, table_of
from lab.spec.spec import Level

SIGNS = (1, -1, -1, 1)
"""Both changed, only the first, only the second, neither: what is left when both single changes are taken off."""
Aliases = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Interaction:
    """What two changes do together beyond the sum of what each does alone, paired over seeds."""

    factors: tuple[str, str]
    levels: tuple[Level, Level]
    against: tuple[Level, Level]
    difference: Estimate
    quads: int
    """Groups of four cells it is averaged over: both changes, each alone, neither."""
    planned: int
    is_contrast: bool = False
    """Of a balanced fraction, which has no such fours: all cells of each combination against one another."""
    aliases: tuple[str, ...] = ()
    """Other interactions that the fraction cannot tell from this one."""
    told_apart: bool = False
    """Whether it differs from nothing at 5 % over all interactions of the table (Holm)."""
    evidence: Evidence = field(default_factory=Evidence)


@dataclass(frozen=True)
class _Found:
    """An interaction before the others of its table are known."""

    settings: tuple[tuple[str, int], tuple[str, int]]
    sample: Sample
    used: int
    planned: int
    is_contrast: bool = False


def interactions(rows: Sequence[Row], outline: Outline) -> tuple[Interaction, ...]:
    """The two-way interactions that the cells can show, in the order of the study file."""
    return interactions_in(table_of(rows, outline), outline.aliases)


def interactions_in(table: ScoreTable, aliases: Aliases = ()) -> tuple[Interaction, ...]:
    """The same from a table of scores."""
    found = [
        each
        for first, second in combinations(table.factors, 2)
        for code in table.others(first)
        for other in table.others(second)
        if (each := _found(table, ((first, code), (second, other)))) is not None
    ]
    weighed = weigh([each.sample for each in found])
    return tuple(_interaction(table, each, evidence, aliases) for each, evidence in zip(found, weighed, strict=True))


def _found(table: ScoreTable, settings: tuple[tuple[str, int], tuple[str, int]]) -> _Found | None:
    """None where no cells were planned that could show it."""
    quads = twins(table, *settings)
    if len(quads):
        return _Found(settings, *averaged(table, quads, SIGNS), len(quads))
    corners = contrast(table, *settings)
    if not corners:
        return None
    sample = contrasted(table, corners, SIGNS)
    used = len(corners[0]) if sample.estimate.n else 0
    return _Found(settings, sample, used, len(corners[0]), is_contrast=True)


def _interaction(table: ScoreTable, found: _Found, evidence: Evidence, aliases: Aliases) -> Interaction:
    (first, code), (second, other) = found.settings
    return Interaction(
        factors=(first, second),
        levels=(table.levels[first][code], table.levels[second][other]),
        against=(table.levels[first][0], table.levels[second][0]),
        difference=found.sample.estimate,
        quads=found.used,
        planned=found.planned,
        is_contrast=found.is_contrast,
        aliases=_others(aliases, {f"{first} x {second}", f"{second} x {first}"}),
        told_apart=evidence.adjusted <= ALPHA,
        evidence=evidence,
    )


def _others(aliases: Aliases, names: set[str]) -> tuple[str, ...]:
    """What stands in one group of aliases with an interaction, by either of its names."""
    return next((tuple(each for each in group if each not in names) for group in aliases if names & set(group)), ())
