"""Main effects: what one level of a factor does against the reference level, all other factors equal."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab.analysis.cells import Scores, scores_of
from lab.analysis.estimate import ALPHA, Estimate, difference, estimate, holm
from lab.analysis.outline import Outline
from lab.analysis.rows import Row
from lab.spec.spec import Level

Pair = tuple[Mapping[int, float], Mapping[int, float]]
"""Scores by seed: of a cell at the level, and of its twin at the reference level."""


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
    told_apart: bool = False
    """Whether it differs from nothing at 5 % over all effects of the table (Holm)."""


def effects(rows: Sequence[Row], outline: Outline) -> tuple[Effect, ...]:
    """The main effects of every factor, in the order of the study file."""
    scores = scores_of(rows, outline)
    found = [
        _effect(scores, outline, factor, level) for factor in outline.factors for level in _levels(outline, factor)
    ]
    chances = holm([effect.difference.p for effect in found])
    return tuple(replace(effect, told_apart=chance <= ALPHA) for effect, chance in zip(found, chances, strict=True))


def _effect(scores: Scores, outline: Outline, factor: str, level: Level) -> Effect:
    against = outline.cells[outline.reference].levels.get(factor)
    twins = _twins(outline, factor, level, against)
    pairs = [(scores[cell], scores[twin]) for cell, twin in twins]
    told, used = _average(pairs)
    return Effect(factor, level, against, told, pairs=used, planned=len(pairs))


def _levels(outline: Outline, factor: str) -> list[Level]:
    """The factor's levels other than the reference's; none when the reference is no cell of the plan."""
    if outline.reference not in outline.cells:
        return []
    base = outline.cells[outline.reference].levels
    seen = {
        _key(cell.levels[factor]): cell.levels[factor]
        for cell in outline.cells.values()
        if factor in cell.levels and factor in base and _key(cell.levels[factor]) != _key(base[factor])
    }
    return list(seen.values())


def _twins(outline: Outline, factor: str, level: Level, against: Level) -> list[tuple[str, str]]:
    """Pairs of cells with this level and the reference's, equal in everything else."""
    by_rest: dict[tuple[str, str], str] = {}
    for cell in outline.cells.values():
        by_rest[_key(cell.levels.get(factor)), _rest(cell.levels, factor)] = cell.id
    found = ((cell, by_rest.get((_key(against), rest))) for (own, rest), cell in by_rest.items() if own == _key(level))
    return [(cell, twin) for cell, twin in found if twin is not None]


def _average(pairs: Sequence[Pair]) -> tuple[Estimate, int]:
    """The mean difference over pairs of cells, one value a seed: pairs that share seeds are not independent.

    Only seeds that every pair has count, so that each weighs the same cells; pairs are left out, those with the
    fewest seeds first, while fewer than two such seeds are there.
    """
    gaps = sorted((_gaps(pair) for pair in pairs), key=len, reverse=True)
    gaps = [gap for gap in gaps if gap]
    while len(gaps) > 1 and len(_common(gaps)) < 2:
        gaps.pop()
    if not gaps:
        return (difference(*pairs[0]), 1) if len(pairs) == 1 and all(pairs[0]) else (Estimate(0), 0)
    seeds = _common(gaps)
    return estimate([math.fsum(gap[seed] for gap in gaps) / len(gaps) for seed in seeds]), len(gaps)


def _gaps(pair: Pair) -> dict[int, float]:
    these, those = pair
    return {seed: these[seed] - those[seed] for seed in sorted(these.keys() & those.keys())}


def _common(gaps: Sequence[Mapping[int, float]]) -> list[int]:
    return sorted(set.intersection(*(set(gap) for gap in gaps)))


def _rest(levels: Mapping[str, Level], factor: str) -> str:
    return _key({key: level for key, level in levels.items() if key != factor})


def _key(level: object) -> str:
    return json.dumps(level, sort_keys=True, default=str)
