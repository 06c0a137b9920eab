"""Score by cell, and which cells cannot be told apart from the best."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.analysis.estimate import ALPHA, Estimate, difference, estimate, holm
from lab.analysis.outline import Outline
from lab.analysis.rows import Row
from lab.spec.spec import Level

Scores = Mapping[str, Mapping[int, float]]
"""Cell -> seed -> score, of finished trials only."""


@dataclass(frozen=True)
class CellScore:
    """What is known of one cell."""

    cell: str
    says: str
    """What it changes about the reference, or its own name."""
    levels: Mapping[str, Level]
    statuses: Mapping[str, int]
    """How its planned trials ended; `missing` for those that are not in."""
    score: Estimate
    final: Estimate
    against: Estimate
    """The difference to the reference, positive where this cell scores higher; n is 0 for the reference itself."""
    is_reference: bool
    could_be_best: bool

    @property
    def planned(self) -> int:
        """Trials the plan has for it."""
        return sum(self.statuses.values())


@dataclass(frozen=True)
class Ranking:
    """The cells, best mean first and those without a score last."""

    cells: tuple[CellScore, ...]
    lead: Estimate
    """The best mean over the next one, positive by construction; n is 0 when there is no next one."""

    @cached_property
    def scored(self) -> tuple[CellScore, ...]:
        """The cells that have a score at all."""
        return tuple(cell for cell in self.cells if cell.score.n)

    @cached_property
    def contenders(self) -> tuple[CellScore, ...]:
        """The cells that could be best as far as the seeds can tell."""
        return tuple(cell for cell in self.cells if cell.could_be_best)

    @property
    def best(self) -> CellScore | None:
        """The one clear best; None while another cell cannot be told apart from it."""
        alone = len(self.contenders) == 1 and len(self.scored) > 1
        return self.contenders[0] if alone else None


def rank(rows: Sequence[Row], outline: Outline) -> Ranking:
    """Order the cells by mean score and mark those that could be best, at 5 % over all comparisons (Holm)."""
    scores = scores_of(rows, outline)
    finals = scores_of(rows, outline, final=True)
    told = {cell: estimate(list(by_seed.values())) for cell, by_seed in scores.items()}
    order = sorted(outline.cells, key=lambda cell: _place(told[cell], outline.sign))
    contenders = _contenders(scores, told, order)
    statuses = _statuses(rows, outline)
    cells = tuple(
        CellScore(
            cell=cell,
            says=outline.told(cell),
            levels=outline.cells[cell].levels,
            statuses=dict(sorted(statuses[cell].items())),
            score=told[cell],
            final=estimate(list(finals[cell].values())),
            against=_against(scores, cell, outline.reference),
            is_reference=cell == outline.reference,
            could_be_best=cell in contenders,
        )
        for cell in order
    )
    return Ranking(cells, _lead(scores, order, outline.sign))


def scores_of(rows: Sequence[Row], outline: Outline, *, final: bool = False) -> dict[str, dict[int, float]]:
    """The finite scores of the compared trials that are done, by cell and seed."""
    scores: dict[str, dict[int, float]] = {cell: {} for cell in outline.cells}
    for row in rows:
        value = row.final if final else row.score
        if row.role == "compare" and row.cell in scores and math.isfinite(value):
            scores[row.cell][row.seed] = value
    return {cell: dict(sorted(by_seed.items())) for cell, by_seed in scores.items()}


def _place(told: Estimate, sign: int) -> tuple[bool, float]:
    return (told.n == 0, -sign * told.mean if told.n else 0.0)


def _contenders(scores: Scores, told: Mapping[str, Estimate], order: Sequence[str]) -> frozenset[str]:
    """The leader and every cell that is not told apart from it; a single seed tells nothing apart."""
    scored = [cell for cell in order if told[cell].n]
    leader = next((cell for cell in scored if told[cell].n > 1), None)
    if leader is None:
        return frozenset(scored)
    others = [cell for cell in scored if cell != leader]
    chances = holm([difference(scores[leader], scores[cell]).p for cell in others])
    return frozenset([leader] + [cell for cell, p in zip(others, chances, strict=True) if p > ALPHA])


def _against(scores: Scores, cell: str, reference: str) -> Estimate:
    if cell == reference or not scores.get(reference) or not scores[cell]:
        return Estimate(0)
    return difference(scores[cell], scores[reference])


def _lead(scores: Scores, order: Sequence[str], sign: int) -> Estimate:
    scored = [cell for cell in order if scores[cell]]
    if len(scored) < 2:
        return Estimate(0)
    first, second = ({seed: sign * value for seed, value in scores[cell].items()} for cell in scored[:2])
    return difference(first, second)


def _statuses(rows: Sequence[Row], outline: Outline) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {cell: Counter() for cell in outline.cells}
    for row in rows:
        if row.role == "compare" and row.cell in counts:
            counts[row.cell][_ended(row)] += 1
    return counts


def _ended(row: Row) -> str:
    """How a trial ended; a finished one whose score is not a number is none that counts."""
    return "no score" if row.status == "done" and not math.isfinite(row.score) else row.status
