"""Regular fractions of a grid: few runs, main effects clear of low interactions, and what is mixed up in them.

A factor is a column: a vector of `rank` exponents over the free factors, modulo its prime number of levels. A run is a
point of that space, and a factor's level in it their scalar product. Columns that add up to zero are a word of the
defining relation: effects on its two sides cannot be told apart. The length of the shortest word is the resolution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, islice, product
from math import comb

Column = tuple[int, ...]
Effect = tuple[tuple[int, int], ...]
"""A main effect or an interaction: (factor, exponent) pairs; interactions of factors with p levels have p - 1 parts."""
Reach = dict[Column, int]
"""How few of the chosen columns add up to a point, multiples allowed."""

PRIMES = (2, 3, 5, 7)
MOST_FACTORS = 24
MOST_RUNS = 4096
EFFORT = 300_000
"""Points looked at before a smaller fraction counts as not to be had; about half a second."""
DRAFTS = 60
"""Fractions of one size that are compared for the fewest short words."""


@dataclass(frozen=True)
class Fraction:
    """A regular fraction: one column a factor."""

    levels: int
    columns: tuple[Column, ...]

    @property
    def rank(self) -> int:
        """How many factors are free; the others are generated."""
        return len(self.columns[0])

    @property
    def size(self) -> int:
        """How many runs there are."""
        return int(self.levels**self.rank)

    def runs(self) -> Iterator[tuple[int, ...]]:
        """The level index of every factor, run by run; the first run has all of them at 0."""
        for point in product(range(self.levels), repeat=self.rank):
            yield tuple(sum(a * b for a, b in zip(column, point, strict=True)) % self.levels for column in self.columns)

    @cached_property
    def word_lengths(self) -> tuple[int, ...]:
        """How many words of length 1, 2, ... the defining relation has, from the runs by MacWilliams' identity."""
        count, moved = len(self.columns), Counter(sum(map(bool, run)) for run in self.runs())
        return tuple(
            sum(many * _krawtchouk(length, weight, count, self.levels) for weight, many in moved.items()) // self.size
            for length in range(1, count + 1)
        )

    @property
    def resolution(self) -> int | None:
        """The length of the shortest word of the defining relation; None for the whole grid."""
        return next((length for length, many in enumerate(self.word_lengths, 1) if many), None)

    @property
    def generators(self) -> tuple[tuple[int, Effect], ...]:
        """Each generated factor with the interaction of free factors whose place it takes."""
        free = {column.index(1): index for index, column in enumerate(self.columns) if sum(column) == 1}
        return tuple(
            (index, tuple((free[place], power) for place, power in enumerate(column) if power))
            for index, column in enumerate(self.columns)
            if sum(column) != 1
        )

    def aliases(self) -> tuple[tuple[Effect, ...], ...]:
        """Main effects and two-factor interactions that cannot be told apart, group by group."""
        groups: dict[Column, list[Effect]] = {}
        for effect in self._low_effects():
            groups.setdefault(self._direction(effect), []).append(effect)
        return tuple(tuple(group) for group in groups.values() if len(group) > 1)

    def _low_effects(self) -> Iterator[Effect]:
        for index in range(len(self.columns)):
            yield ((index, 1),)
        for one, other in combinations(range(len(self.columns)), 2):
            for power in range(1, self.levels):
                yield ((one, 1), (other, power))

    def _direction(self, effect: Effect) -> Column:
        """The effect's own column, up to a multiple, which contrasts the same runs."""
        total = [0] * self.rank
        for index, power in effect:
            total = [(a + power * b) % self.levels for a, b in zip(total, self.columns[index], strict=True)]
        back = pow(next(filter(None, total), 1), -1, self.levels)
        return tuple(value * back % self.levels for value in total)


def smallest_fraction(count: int, *, levels: int = 2, resolution: int = 4) -> Fraction:
    """The smallest regular fraction of this resolution that a bounded search finds, and the clearest of its size."""
    for rank in range(1, count):
        if _fewest_runs(count, levels, resolution) <= levels**rank <= MOST_RUNS:
            best = _best(count, rank, levels, resolution)
            if best is not None:
                return best
    return Fraction(levels, tuple(_unit(count, place) for place in range(count)))


def _best(count: int, rank: int, levels: int, resolution: int) -> Fraction | None:
    """Of the fractions of one size the one of highest resolution, and then with the fewest short words."""
    best = None
    while drafts := list(islice(_Search(count, rank, levels, resolution), DRAFTS)):
        best = min(drafts, key=lambda draft: draft.word_lengths)
        if best.resolution is None:
            break
        resolution = best.resolution + 1
    return best


class _Search:
    """Adds generated columns one after another, stepping back where none is left, until its effort is spent."""

    def __init__(self, count: int, rank: int, levels: int, resolution: int) -> None:
        self.count, self.rank, self.levels, self.resolution = count, rank, levels, resolution
        self.effort = EFFORT

    def __iter__(self) -> Iterator[Fraction]:
        free = tuple(_unit(self.rank, place) for place in range(self.rank))
        points = product(range(self.levels), repeat=self.rank)
        candidates = [point for point in points if next(filter(None, point), 0) == 1 and sum(map(bool, point)) > 1]
        candidates.sort(key=lambda point: (sum(map(bool, point)), [-value for value in point]))
        reach: Reach = {(0,) * self.rank: 0}
        for column in free:
            reach = self._extended(reach, column)
        yield from self._grow(free, reach, candidates)

    def _grow(self, columns: tuple[Column, ...], reach: Reach, candidates: Sequence[Column]) -> Iterator[Fraction]:
        if len(columns) == self.count:
            yield Fraction(self.levels, columns)
            return
        open_ones = [column for column in candidates if reach[column] >= self.resolution - 1]
        for index, column in enumerate(open_ones):
            if self.effort <= 0 or len(open_ones) - index < self.count - len(columns):
                return
            grown = self._extended(reach, column)
            yield from self._grow((*columns, column), grown, open_ones[index + 1 :])

    def _extended(self, reach: Reach, column: Column) -> Reach:
        """The reach with one more column."""
        q, grown = self.levels, dict(reach)
        self.effort -= len(reach) * (q - 1)
        for point, few in reach.items():
            for power in range(1, q):
                moved = tuple([(a + power * b) % q for a, b in zip(point, column, strict=True)])
                if grown.get(moved, self.count) > few + 1:
                    grown[moved] = few + 1
        return grown


def _fewest_runs(count: int, levels: int, resolution: int) -> int:
    """Rao's bound: with resolution 2t + 1 all sums of at most t columns differ."""
    half = (resolution - 1) // 2
    return sum(comb(count, few) * (levels - 1) ** few for few in range(half + 1))


def _unit(rank: int, place: int) -> Column:
    return tuple(int(index == place) for index in range(rank))


def _krawtchouk(length: int, weight: int, count: int, q: int) -> int:
    """The polynomial that turns how far runs are from the first into how long words are."""
    return sum(
        (-1 if part % 2 else 1)
        * int((q - 1) ** (length - part))
        * comb(weight, part)
        * comb(count - weight, length - part)
        for part in range(length + 1)
    )
