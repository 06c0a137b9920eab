"""What walk vectors tell of mirror images on a line, in rational arithmetic."""

from __future__ import annotations

import os
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from lab.exact.lattices import line
from lab.exact.walks import walk_vector

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
LENGTHS = range(3, 13)
Vector = tuple[Fraction, ...]


def vectors(nodes: int, powers: int) -> dict[tuple[int, int], Vector]:
    lattice = line(nodes)
    return {pair: walk_vector(lattice, *pair, powers - 1) for pair in product(range(nodes), repeat=2)}


def rows(nodes: int, powers: int) -> list[Vector]:
    """The walk vectors of each node to all nodes, one after another."""
    known = vectors(nodes, powers)
    return [tuple(value for other in range(nodes) for value in known[node, other]) for node in range(nodes)]


def inner(one: Vector, other: Vector) -> Fraction:
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))


@pytest.mark.parametrize("nodes", LENGTHS)
def test_walk_vectors_of_mirror_pairs_are_symmetric(nodes: int) -> None:
    known = vectors(nodes, nodes + 1)
    assert all(known[i, nodes - 1 - i] == known[nodes - 1 - i, i] for i in range(nodes))


@pytest.mark.parametrize("nodes", LENGTHS)
def test_mirror_pairs_have_walk_vectors_of_their_own_once_the_field_covers_the_line(nodes: int) -> None:
    for powers in range(1, nodes + 3):
        known = vectors(nodes, powers)
        mirrored = {known[i, nodes - 1 - i] for i in range(nodes)}
        others = {vector for (i, j), vector in known.items() if j != nodes - 1 - i}
        assert (not mirrored & others) == (powers >= nodes)


def test_the_worked_example_has_its_numbers() -> None:
    assert vectors(4, 5)[1, 2] == (0, Fraction(1, 2), 0, Fraction(5, 8), 0)
    summed = [[sum(vectors(4, 4)[i, j]) for j in range(4)] for i in range(4)]
    assert summed[0] == [1.5, 1.75, 0.5, 0.25]
    assert summed[1] == [0.875, 1.75, 1.125, 0.25]
    assert summed[2:] == [row[::-1] for row in summed[1::-1]]


def test_summed_features_with_one_head_negated_do_not_peak_at_the_mirror() -> None:
    summed = np.array([[float(sum(vectors(4, 4)[i, j])) for j in range(4)] for i in range(4)])
    product_ = summed @ -summed.T
    assert product_[1, 2] == -4.375
    assert product_[1, 3] == -3.4375


def test_unsummed_features_tie_at_the_mirror_and_do_no_more() -> None:
    first, *_ = features = rows(4, 4)
    assert [-inner(first, other) for other in features] == [-3.125, 0, -1.5625, 0]


@pytest.mark.parametrize("nodes", [5, 7, 9])
def test_on_an_odd_line_the_mirror_never_wins(nodes: int) -> None:
    features = rows(nodes, nodes)
    for node in range(nodes // 2):
        told = [-inner(features[node], other) for other in features]
        assert told[nodes - 1 - node] < max(told[other] for other in range(nodes) if other != node)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")
def test_the_reference_line_has_the_same_numbers() -> None:
    known = np.load(REFERENCE / "positional_adjstack.npz")
    exact = vectors(4, 5)
    for (i, j), vector in exact.items():
        assert known["line4.p01234.walk"][:, i, j] == pytest.approx([float(value) for value in vector], abs=1e-6)
