"""Pairs of nodes sorted by their walk vectors: how many kinds there are, and which kinds tell the classes apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.exact.lattices import Integers, Lattice, pyramid
from lab.exact.walks import Residues, residues, rounded

FIELDS = (1, 2, 4, 9, 19)
BASES = (10, 20, 30, 50)


@dataclass(frozen=True)
class Row:
    """What the walk vectors of one pyramid tell, for powers 0 .. field."""

    base: int
    field: int
    nodes: int
    kinds: int
    """Different walk vectors, the zero vector among them where it occurs."""
    ambiguous: int
    """Those, but for the zero vector, that pairs of one colour have and pairs of two colours as well."""
    ambiguous_pairs: int
    """Ordered pairs that have them."""
    share: float
    """Of the ordered pairs, those whose walk vector is not zero."""

    def printed(self) -> tuple[int, int]:
        """Kinds and ambiguous kinds by the old rule: one too many where nothing is zero, and one too few."""
        return self.kinds + (self.share == 1.0), max(self.ambiguous - 1, 0)


def kinds(*keys: Residues) -> list[Integers]:
    """The kind of every pair of some graphs, as numbers from 0 on: equal keys are one kind, in all of them."""
    first, second = (np.concatenate([key[part].ravel() for key in keys]) for part in range(2))
    order = np.lexsort((second, first))
    starts = np.r_[False, (np.diff(first[order]) != 0) | (np.diff(second[order]) != 0)]
    named = np.empty(len(order), np.int64)
    named[order] = np.cumsum(starts)
    ends = np.cumsum([key[0].size for key in keys])
    return [part.reshape(key[0].shape) for part, key in zip(np.split(named, ends[:-1]), keys, strict=True)]


def tallies(kind: Integers, alike: NDArray[np.bool_]) -> tuple[Integers, Integers]:
    """Of every kind, the pairs of one class and those of two."""
    most = int(kind.max()) + 1
    return np.bincount(kind[alike], minlength=most), np.bincount(kind[~alike], minlength=most)


def rows(base: int, fields: Sequence[int] = FIELDS, *, float32: bool = False) -> Iterator[Row]:
    """The table of one pyramid, a row a receptive field."""
    lattice = pyramid(base)
    told = (rounded if float32 else residues)(lattice, max(fields))
    for field, (keys, reached) in enumerate(told):
        if field in fields:
            yield _row(base, field, lattice, kinds(keys)[0], reached)


def _row(base: int, field: int, lattice: Lattice, kind: Integers, reached: NDArray[np.bool_]) -> Row:
    alike, apart = tallies(kind, lattice.alike)
    both = (alike > 0) & (apart > 0)
    both[kind[~reached]] = False
    return Row(
        base=base,
        field=field,
        nodes=lattice.nodes,
        kinds=int(kind.max()) + 1,
        ambiguous=int(both.sum()),
        ambiguous_pairs=int((alike + apart)[both].sum()),
        share=1 - int((~reached).sum()) / lattice.nodes**2,
    )
