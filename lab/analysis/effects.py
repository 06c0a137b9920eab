"""Main effects: what one level of a factor does against the base's level, all other factors equal."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from lab.analysis.cells import Scores, scores_of
from lab.analysis.estimate import ALPHA, Estimate, difference, estimate, holm
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row
from lab.spec.spec import Level

BySeed = Mapping[int, float]


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


def effects(rows: Sequence[Row], outline: Outline) -> tuple[Effect, ...]:
    """The main effects of every factor, in the order of the study file."""
    scores = scores_of(rows, outline)
    found = [
        _effect(scores, outline, factor, level) for factor in outline.factors for level in _others(outline, factor)
    ]
    chances = holm([effect.difference.p for effect in found])
    return tuple(replace(effect, told_apart=chance <= ALPHA) for effect, chance in zip(found, chances, strict=True))


def _effect(scores: Scores, outline: Outline, factor: str, level: Level) -> Effect:
    against = _base(outline, factor)
    of = partial(Effect, factor, level, against)
    twins = _twins(outline, factor, level, against)
    if not twins:
        groups = [_cells_at(outline, factor, value) for value in (level, against)]
        if not all(groups) or not _is_balanced(factor, *groups):
            return of(Estimate(0), 0, 0)
        told, used = _contrast(*([scores[cell.id] for cell in group] for group in groups))
        return of(told, used, len(groups[0]), is_contrast=True)
    told, used = _average([(scores[cell], scores[twin]) for cell, twin in twins])
    return of(told, used, len(twins))


def _base(outline: Outline, factor: str) -> Level:
    """The base's level; the first one that a cell has where the base has none."""
    levels = (cell.levels[factor] for cell in outline.cells.values() if factor in cell.levels)
    return outline.base[factor] if factor in outline.base else next(levels, None)


def _others(outline: Outline, factor: str) -> list[Level]:
    """The levels that cells have beside the base's, in plan order."""
    seen = {_key(cell.levels[factor]): cell.levels[factor] for cell in outline.cells.values() if factor in cell.levels}
    seen.pop(_key(_base(outline, factor)), None)
    return list(seen.values())


def _cells_at(outline: Outline, factor: str, level: Level) -> list[PlannedCell]:
    key = _key(level)
    return [cell for cell in outline.cells.values() if factor in cell.levels and _key(cell.levels[factor]) == key]


def _twins(outline: Outline, factor: str, level: Level, against: Level) -> list[tuple[str, str]]:
    """Pairs of cells with this level and the base's, equal in everything else."""
    at_base = {_rest(cell, outline, factor): cell.id for cell in _cells_at(outline, factor, against)}
    found = ((cell.id, at_base.get(_rest(cell, outline, factor))) for cell in _cells_at(outline, factor, level))
    return [(cell, twin) for cell, twin in found if twin is not None]


def _rest(cell: PlannedCell, outline: Outline, factor: str) -> str:
    """Everything else about a cell; a factor that does not exist there stands at the base's level."""
    levels = {**outline.base, **cell.levels}
    return _key({key: level for key, level in levels.items() if key != factor})


def _is_balanced(factor: str, these: Sequence[PlannedCell], those: Sequence[PlannedCell]) -> bool:
    """Whether both groups of cells have every level of every other factor in the same share."""
    shares = []
    for group in (these, those):
        counts = Counter((key, _key(level)) for cell in group for key, level in cell.levels.items() if key != factor)
        shares.append({key: count / len(group) for key, count in counts.items()})
    return shares[0] == shares[1]


def _average(pairs: Sequence[tuple[BySeed, BySeed]]) -> tuple[Estimate, int]:
    """The mean difference over pairs of cells, one value a seed: pairs that share a seed are not independent.

    Only seeds that every pair has count, so that each weighs the same cells; pairs are left out, those with the
    fewest seeds first, while fewer than two such seeds are there.
    """
    gaps = [_gaps(*pair) for pair in pairs]
    gaps = sorted((gap for gap in gaps if gap), key=len, reverse=True)
    while len(gaps) > 1 and len(_common(gaps)) < 2:
        gaps.pop()
    if gaps:
        return estimate([_mean([gap[seed] for gap in gaps]) for seed in _common(gaps)]), len(gaps)
    if len(pairs) == 1 and all(pairs[0]):
        return difference(*pairs[0]), 1
    return Estimate(0), 0


def _contrast(these: Sequence[BySeed], those: Sequence[BySeed]) -> tuple[Estimate, int]:
    """The difference of two groups of cells; a seed counts when every cell has it, or the balance is gone."""
    seeds = _common([*these, *those])
    values = [_mean([cell[seed] for cell in these]) - _mean([cell[seed] for cell in those]) for seed in seeds]
    return estimate(values), len(these) if seeds else 0


def _gaps(these: BySeed, those: BySeed) -> dict[int, float]:
    return {seed: these[seed] - those[seed] for seed in sorted(these.keys() & those.keys())}


def _common(groups: Sequence[BySeed]) -> list[int]:
    return sorted(set.intersection(*(set(group) for group in groups)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _key(level: object) -> str:
    return json.dumps(level, sort_keys=True, default=str)
