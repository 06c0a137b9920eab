"""Holes: what is missing, failed, pruned or uneven in a study, said in sentences that go with every number."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.analysis.effects import Effect
from lab.analysis.outline import Outline, shown
from lab.analysis.rows import MISSING, Row
from lab.analysis.table import ScoreTable, word_of

MOST_NAMED = 4
"""Cells that a sentence names."""
UNEVEN = 0.2
"""A difference between two levels' shares of lost trials from which it is told."""


@dataclass(frozen=True)
class Holes:
    """What stands between a study's numbers and what its plan would have given."""

    planned: int
    """Compared trials of the plan."""
    done: int
    """Those with a score."""
    missing: int
    """Those not in yet: they may still run."""
    failed: int
    pruned: int
    scoreless: int
    """Those that ended well and whose score is not a number."""
    unequal: bool
    """Whether cells have different seeds."""
    sentences: tuple[str, ...]
    """The gravest first."""

    @property
    def is_complete(self) -> bool:
        """Whether every planned trial has a score."""
        return self.done == self.planned

    @property
    def banner(self) -> str:
        """The line that must stand above everything else; empty when nothing is outstanding."""
        if not self.missing:
            return ""
        return (
            f"Unfinished: {self.missing:,} of {self.planned:,} trials are not in. Every number below may still change."
        )


def holes(rows: Sequence[Row], outline: Outline, table: ScoreTable, found: Sequence[Effect] = ()) -> Holes:
    """Count what is not there, and say what that does to the numbers."""
    compared = [row for row in rows if row.role == "compare"]
    ended = Counter(_ended(row) for row in compared)
    unequal = bool(table.has.any() and (table.has != table.has[0]).any())
    told = Holes(
        planned=len(compared),
        done=ended["done"],
        missing=ended[MISSING],
        failed=ended["failed"],
        pruned=ended["pruned"],
        scoreless=ended["no score"],
        unequal=unequal,
        sentences=(),
    )
    sentences = [
        *_lost(compared, told),
        *_cells(outline, table),
        *_lopsided(compared, outline),
        *_thinned(found, table),
    ]
    return Holes(**{**vars(told), "sentences": tuple(sentences)})


def _ended(row: Row) -> str:
    if row.is_failed:
        return "failed"
    return "no score" if row.status == "done" and not math.isfinite(row.score) else row.status


def _lost(rows: Sequence[Row], told: Holes) -> Iterator[str]:
    if told.missing:
        yield told.banner
    if told.failed:
        ways = Counter(row.status.replace("_", " ") for row in rows if row.is_failed)
        how = ", ".join(f"{number} {status}" for status, number in sorted(ways.items()))
        yield f"{_trials(told.failed)} failed ({how}): without a score, left out of every mean, not counted as bad."
    if told.pruned:
        yield f"{_trials(told.pruned)} given up early (pruned): scores from before the end are not used."
    if told.scoreless:
        yield f"{_trials(told.scoreless)} ended with a score that is not a number: left out."


def _cells(outline: Outline, table: ScoreTable) -> Iterator[str]:
    """Cells without a score, and cells with other seeds than the rest."""
    counts = table.has.sum(axis=1)
    empty = [cell for cell, count in zip(table.cells, counts, strict=True) if not count]
    if empty and len(empty) < len(table.cells):
        yield f"{_cell(len(empty))} of {len(table.cells)} without a score: {_named(outline, empty)}."
    if len(table.cells) and (counts == 1).any():
        lone = [cell for cell, count in zip(table.cells, counts, strict=True) if count == 1]
        yield f"{_cell(len(lone))} with a single seed, which has no interval: {_named(outline, lone)}."
    if len(table.cells) and counts.any() and counts.min() != counts.max():
        yield f"Cells have {counts.min()} to {counts.max()} seeds; differences use only the seeds that both sides have."
    elif table.has.any() and (table.has != table.has[0]).any():
        yield "Cells have different seeds; differences use only the seeds that both sides have."


def _lopsided(rows: Sequence[Row], outline: Outline) -> Iterator[str]:
    """Levels that lose far more of their ended trials than another of their factor: what survives flatters them."""
    for factor in outline.factors:
        lost: dict[str, list[bool]] = defaultdict(list)
        words: dict[str, str] = {}
        for row in rows:
            if factor in row.levels and row.status != MISSING:
                key = word_of(row.levels[factor])
                words[key] = shown(row.levels[factor])
                lost[key].append(_ended(row) != "done")
        if len(lost) < 2:
            continue
        most = max(lost, key=lambda key: sum(lost[key]) / len(lost[key]))
        least = min(lost, key=lambda key: sum(lost[key]) / len(lost[key]))
        shares = [sum(lost[key]) / len(lost[key]) for key in (most, least)]
        if shares[0] - shares[1] >= UNEVEN and sum(lost[most]) > 1:
            parts = [f"{sum(lost[key])} of {len(lost[key])} trials at {words[key]}" for key in (most, least)]
            warning = f"its effects compare survivors, which flatters {words[most]}"
            yield f"{factor} lost {parts[0]} and {parts[1]}: {warning}."


def _thinned(found: Sequence[Effect], table: ScoreTable) -> Iterator[str]:
    """Effects that rest on less than was planned, or on nothing."""
    told = [f"{_arrow(effect)} {words}" for effect in found if (words := _rests_on(effect, table))]
    if len(told) <= MOST_NAMED:
        yield from told
    else:
        yield f"{len(told)} effects rest on fewer cells or seeds than planned; each row tells its own n and pairs."


def _arrow(effect: Effect) -> str:
    return f"{effect.factor}: {shown(effect.against)} → {shown(effect.level)}"


def _rests_on(effect: Effect, table: ScoreTable) -> str:
    told = effect.difference
    if not effect.planned:
        return "has no effect to show: no planned cells differ in it alone or in balance."
    if not told.n:
        return "has no effect to show: no cells that differ in it alone have scores."
    if effect.pairs < effect.planned:
        return f"rests on {effect.pairs} of {effect.planned} pairs of cells."
    if told.paired and told.n < len(table.seeds):
        return f"rests on {told.n} of {len(table.seeds)} seeds: the others have a hole somewhere."
    return ""


def _named(outline: Outline, cells: Sequence[str]) -> str:
    named = "; ".join(outline.told(cell) for cell in cells[:MOST_NAMED])
    left = len(cells) - MOST_NAMED
    return f"{named}; and {left} more" if left > 0 else named


def _trials(number: int) -> str:
    return f"{number:,} trial" if number == 1 else f"{number:,} trials"


def _cell(number: int) -> str:
    return f"{number:,} cell" if number == 1 else f"{number:,} cells"
