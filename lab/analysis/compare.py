"""Two studies held against one another, cell by cell and seed by seed: two versions of code, or two data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.analysis.cells import scores_of
from lab.analysis.effects import Effect
from lab.analysis.estimate import ALPHA, Estimate, difference, estimate, holm
from lab.analysis.outline import Outline
from lab.analysis.rows import Row
from lab.analysis.table import word_of


@dataclass(frozen=True)
class CellPair:
    """One cell in both studies."""

    says: str
    first: Estimate
    second: Estimate
    change: Estimate
    """The second's score minus the first's, paired where they share seeds."""
    p: float
    """Of the change, after Holm's adjustment over all cells; 1 where nothing was tested."""

    @property
    def told_apart(self) -> bool:
        """Whether the cell scores differently in the two studies."""
        return self.p <= ALPHA


@dataclass(frozen=True)
class EffectPair:
    """One effect in both studies."""

    first: Effect
    second: Effect
    change: Estimate
    """The second's effect minus the first's."""
    p: float
    """After Holm's adjustment over all effects."""

    @property
    def told_apart(self) -> bool:
        """Whether the change of this level does something else in the second study."""
        return self.p <= ALPHA


@dataclass(frozen=True)
class Comparison:
    """What two studies have in common, and where they part."""

    cells: tuple[CellPair, ...]
    effects: tuple[EffectPair, ...]
    overall: Estimate
    """The mean change over all common cells, a value a seed."""
    only_first: tuple[str, ...]
    """Cells that the second study lacks."""
    only_second: tuple[str, ...]


@dataclass(frozen=True)
class Side:
    """One of the two studies."""

    outline: Outline
    rows: Sequence[Row]
    effects: Sequence[Effect]


def compare(first: Side, second: Side) -> Comparison:
    """Match cells by their levels and effects by their changes, and tell what differs."""
    mine, other = _by_levels(first), _by_levels(second)
    shared = [key for key in mine if key in other]
    changes = [difference(other[key][1], mine[key][1]) if mine[key][1] and other[key][1] else _NONE for key in shared]
    cells = tuple(
        CellPair(mine[key][0], _mean(mine[key][1]), _mean(other[key][1]), change, p)
        for key, change, p in zip(shared, changes, holm([change.p for change in changes]), strict=True)
    )
    return Comparison(
        cells=cells,
        effects=_effects(first.effects, second.effects),
        overall=_overall([(mine[key][1], other[key][1]) for key in shared]),
        only_first=tuple(said for key, (said, _) in mine.items() if key not in other),
        only_second=tuple(said for key, (said, _) in other.items() if key not in mine),
    )


_NONE = Estimate(0)
_Cells = dict[str, tuple[str, Mapping[int, float]]]
"""Levels as text -> what the cell says, and its scores by seed."""


def _by_levels(side: Side) -> _Cells:
    scores = scores_of(side.rows, side.outline)
    cells = side.outline.cells
    return {
        word_of(dict(sorted(cells[cell].levels.items()))): (side.outline.told(cell), scores[cell]) for cell in cells
    }


def _mean(scores: Mapping[int, float]) -> Estimate:
    return estimate(list(scores.values()))


def _overall(pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]]) -> Estimate:
    """Only seeds that every common cell has on both sides count, so that each weighs the same cells."""
    scored = [(mine, other) for mine, other in pairs if mine and other]
    if not scored:
        return _NONE
    seeds = sorted(set.intersection(*(mine.keys() & other.keys() for mine, other in scored)))
    return estimate([sum(other[seed] - mine[seed] for mine, other in scored) / len(scored) for seed in seeds])


def _effects(these: Sequence[Effect], those: Sequence[Effect]) -> tuple[EffectPair, ...]:
    known = {_key(effect): effect for effect in those}
    pairs = [(effect, known[_key(effect)]) for effect in these if _key(effect) in known]
    changes = [difference(_by_seed(second), _by_seed(first)) for first, second in pairs]
    chances = holm([change.p for change in changes])
    return tuple(
        EffectPair(first, second, change, p) for (first, second), change, p in zip(pairs, changes, chances, strict=True)
    )


def _key(effect: Effect) -> tuple[str, str, str]:
    return effect.factor, word_of(effect.against), word_of(effect.level)


def _by_seed(effect: Effect) -> dict[int, float]:
    return dict(zip(effect.evidence.seeds, effect.evidence.values, strict=True))
