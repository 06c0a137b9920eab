"""Where something happens: the fewest levels that all of its cells share, and how many of the cells there show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from itertools import combinations

from lab.analysis.outline import shown
from lab.spec.spec import Level

Cells = Mapping[str, Mapping[str, Level]]
"""Every cell that was seen, with its levels."""


@dataclass(frozen=True)
class Where:
    """The part of a study's cells that something is confined to."""

    levels: Mapping[str, tuple[Level, ...]]
    """Factor -> the levels it happens at; without any factor it may be anywhere."""
    showing: int
    """Cells that show it."""
    matching: int
    """Cells that have these levels, those included."""
    seen: int
    """All cells."""

    @property
    def is_exact(self) -> bool:
        """Whether every cell with these levels shows it."""
        return self.showing == self.matching

    def __str__(self) -> str:
        if not self.levels:
            return f"in all {self.seen} cells" if self.is_exact else f"in {self.showing} of {self.seen} cells"
        parts = (
            f"{factor} = {' or '.join(dict.fromkeys(map(shown, levels)))}" for factor, levels in self.levels.items()
        )
        told = f"only where {' and '.join(parts)}"
        count = f"all {self.matching}" if self.is_exact and self.matching > 1 else f"{self.showing} of {self.matching}"
        return f"{told} ({count} such cells)"


def where(cells: Cells, showing: Set[str]) -> Where:
    """The smallest set of factors whose levels tell the cells that show something apart as well as all factors do."""
    factors = tuple(dict.fromkeys(factor for levels in cells.values() for factor in levels))
    levels = {factor: _levels(cells, showing, factor) for factor in factors}
    narrow = [
        factor for factor in factors if any(_key(own.get(factor)) not in levels[factor] for own in cells.values())
    ]
    tightest = _matching(cells, levels, narrow)
    for size in range(len(narrow) + 1):
        for chosen in combinations(narrow, size):
            found = _matching(cells, levels, chosen)
            if found == tightest:
                told = {factor: tuple(levels[factor].values()) for factor in chosen}
                return Where(told, len(showing & cells.keys()), len(found), len(cells))
    raise AssertionError("all factors together are as tight as all factors together")


def _levels(cells: Cells, showing: Set[str], factor: str) -> dict[str, Level]:
    """The levels of a factor in the cells that show something, by how they are told apart."""
    return {_key(own.get(factor)): own.get(factor) for cell, own in cells.items() if cell in showing}


def _matching(cells: Cells, levels: Mapping[str, Mapping[str, Level]], factors: Iterable[str]) -> set[str]:
    return {cell for cell, own in cells.items() if all(_key(own.get(factor)) in levels[factor] for factor in factors)}


def _key(level: Level) -> str:
    return repr(level)
