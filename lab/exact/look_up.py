"""What a table of walk vectors knows: the bound that a model of single pairs is read against, and its hard cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.exact.lattices import Integers, Lattice
from lab.exact.walk_classes import kinds, tallies
from lab.exact.walks import Residues, integers, residues, scale


@dataclass(frozen=True)
class LookUp:
    """Shares of the ordered pairs of some graphs."""

    learnt: float
    """Pairs of the training graphs that the table gets right."""
    found: float
    """Pairs of the other graphs that it gets right."""
    known: float
    """Pairs of the other graphs whose walk vector is in it."""


def look_up(train: Sequence[Lattice], test: Sequence[Lattice], powers: int) -> LookUp:
    """Remember of each walk vector (powers 0 .. powers - 1) what most of its pairs are; of unseen ones, say no."""
    return look_ups(train, test, (powers,))[powers]


def look_ups(train: Sequence[Lattice], test: Sequence[Lattice], powers: Sequence[int]) -> dict[int, LookUp]:
    """The same for several numbers of powers, in one pass over them."""
    steps = zip(*(residues(lattice, max(powers) - 1) for lattice in (*train, *test)), strict=True)
    return {
        count: _looked_up(train, test, [keys for keys, _ in told])
        for count, told in enumerate(steps, start=1)
        if count in powers
    }


def _looked_up(train: Sequence[Lattice], test: Sequence[Lattice], keys: Sequence[Residues]) -> LookUp:
    kind = kinds(*keys)
    alike, apart = (np.zeros(max(int(each.max()) for each in kind) + 1, np.int64) for _ in range(2))
    for lattice, each in zip(train, kind, strict=False):
        for total, seen in zip((alike, apart), tallies(each, lattice.alike), strict=True):
            total[: len(seen)] += seen
    says = alike > apart
    known = (alike + apart) > 0
    return LookUp(
        learnt=_share([says[each] == lattice.alike for lattice, each in zip(train, kind, strict=False)]),
        found=_share([says[each] == lattice.alike for lattice, each in zip(test, kind[len(train) :], strict=True)]),
        known=_share([known[each] for each in kind[len(train) :]]),
    )


def _keys(lattice: Lattice, powers: int) -> Residues:
    *_, (keys, _) = residues(lattice, powers - 1)
    return keys


def _share(right: Sequence[np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]) -> float:
    return sum(int(each.sum()) for each in right) / sum(each.size for each in right)


@dataclass(frozen=True)
class Close:
    """Two walk vectors that differ by little, one of pairs of one class and one of pairs of two."""

    alike: tuple[float, ...]
    apart: tuple[float, ...]
    squared: float
    """The square of their Euclidean distance."""


def nearest(lattice: Lattice, powers: int, most: int) -> list[Close]:
    """The different walk vectors of opposite relation that lie closest, the closest first.

    A vector that both kinds of pairs have stands on both sides; with itself it is no pair.
    """
    kind = kinds(_keys(lattice, powers))[0]
    vectors = _one_of_each(lattice, powers, kind)
    alike, apart = (np.flatnonzero(seen) for seen in tallies(kind, lattice.alike))
    square = ((vectors[alike, None] - vectors[None, apart]) ** 2).sum(axis=-1)
    square[alike[:, None] == apart] = np.inf
    order = np.argsort(square, axis=None, kind="stable")[:most]
    told = (np.unravel_index(int(at), square.shape) for at in order)
    return [
        Close(tuple(vectors[alike[one]].tolist()), tuple(vectors[apart[other]].tolist()), float(square[one, other]))
        for one, other in told
        if np.isfinite(square[one, other])
    ]


def _one_of_each(lattice: Lattice, powers: int, kind: Integers) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """[kinds, powers]: every walk vector once, rounded only at the end."""
    _, first = np.unique(kind, return_index=True)
    whole = scale(lattice)
    told = enumerate(integers(lattice, powers - 1))
    columns = [[int(value) / whole**power for value in walks.ravel()[first]] for power, walks in told]
    return np.array(columns).T
