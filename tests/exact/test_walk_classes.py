"""Kinds of pairs in pyramids, counted exactly, against the published table and against plain integers."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exact.lattices import Lattice, line, pyramid
from lab.exact.walk_classes import BASES, FIELDS, Row, kinds, rows
from lab.exact.walks import integers, reach, residues, rounded, scale

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")

TABLE = {  # base 10 and 20: kinds, ambiguous kinds, share of pairs in the field, by field
    10: {
        1: (5, 0, 0.1074380165289256),
        2: (25, 0, 0.25024793388429756),
        4: (118, 1, 0.5834710743801652),
        9: (417, 0, 1.0),
        19: (417, 0, 1.0),
    },
    20: {
        1: (5, 0, 0.030612244897959218),
        2: (25, 0, 0.07714285714285718),
        4: (118, 1, 0.21360544217687072),
        9: (1107, 1, 0.6333333333333333),
        19: (5255, 0, 1.0),
    },
}


@cache
def known() -> Any:
    return np.load(REFERENCE / "positional_pyramid.npz")


@cache
def table(base: int, fields: tuple[int, ...]) -> dict[int, Row]:
    return {row.field: row for row in rows(base, fields)}


@st.composite
def graphs(draw: st.DrawFn) -> Lattice:
    """Any simple graph on a few nodes, with two classes."""
    nodes = draw(st.integers(2, 7))
    pairs = [(i, j) for i in range(nodes) for j in range(i)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True, min_size=1))
    classes = draw(st.lists(st.integers(0, 1), min_size=nodes, max_size=nodes))
    return Lattice(np.zeros((nodes, 2), np.int64), np.array(edges), np.array(classes))


@pytest.mark.parametrize("base", TABLE)
def test_the_table_holds_to_the_last_digit(base: int) -> None:
    told = {row.field: (row.kinds, row.ambiguous, row.share) for row in rows(base)}
    assert told == TABLE[base]


@needs_reference
def test_every_exact_count_of_the_reference_is_found_again() -> None:
    columns = [str(name) for name in known()["exact_columns"]]
    wanted = [dict(zip(columns, map(int, line), strict=True)) for line in known()["exact"] if line[0] <= 20]
    assert len(wanted) > 130
    for row in wanted:
        fields = tuple(each["num_powers"] - 1 for each in wanted if each["base"] == row["base"])
        found = table(row["base"], fields)[row["num_powers"] - 1]
        assert found.nodes == row["num_nodes"]
        assert found.kinds == row["nonzero_classes"] + row["has_zero_class"]
        assert found.ambiguous == row["ambiguous_nonzero_classes"]
        assert found.ambiguous_pairs == row["ordered_pairs_in_ambiguous_classes"]
        assert found.share == 1 - row["ordered_pairs_out_of_field"] / found.nodes**2


@needs_reference
@pytest.mark.slow
def test_all_twenty_published_rows_and_the_exact_counts_of_the_largest_pyramids_are_found_again() -> None:
    exact = {(row[0], row[1] - 1): row for row in known()["exact"].tolist()}
    shares = {
        (base, field): share
        for (base, field, *_), share in zip(known()["notes"].tolist(), known()["notes_fraction"].tolist(), strict=True)
    }
    assert len(shares) == 20
    for base in BASES:
        for row in rows(base, FIELDS):
            assert row.share == shares[base, row.field]
            _, _, nodes, nonzero, zero, ambiguous, pairs, _ = exact[base, row.field]
            assert (row.nodes, row.kinds, row.ambiguous, row.ambiguous_pairs) == (
                nodes,
                nonzero + zero,
                ambiguous,
                pairs,
            )


@needs_reference
@pytest.mark.parametrize("base", [3, 5, 10])
def test_a_pyramid_is_the_reference_one_up_to_the_order_of_nodes(base: int) -> None:
    ours = pyramid(base)
    order = [ours.at(*place) for place in known()[f"base{base}.nodes_row_col"].tolist()]
    edges = {frozenset((order[a], order[b])) for a, b in known()[f"base{base}.edges"].tolist()}
    assert edges == {frozenset(edge) for edge in ours.edges.tolist()}
    assert np.array_equal(ours.classes[order], known()[f"base{base}.colour"])


@needs_reference
@pytest.mark.parametrize("base", [3, 5])
def test_walk_vectors_are_the_reference_ones(base: int) -> None:
    ours = pyramid(base)
    order = [ours.at(*place) for place in known()[f"base{base}.nodes_row_col"].tolist()]
    for power, walks in enumerate(integers(ours, 4)):
        exact = np.array(walks / scale(ours) ** power, np.float64)[np.ix_(order, order)]
        assert np.abs(exact - known()[f"base{base}.walk_p01234"][power]).max() < 1e-6


@pytest.mark.parametrize("base", range(1, 12))
def test_a_pyramid_has_the_nodes_edges_and_degrees_it_should_and_a_proper_colouring(base: int) -> None:
    ours = pyramid(base)
    assert ours.nodes == base * (base + 1) // 2
    assert len(ours.edges) == 3 * base * (base - 1) // 2
    degrees = ours.adjacency.sum(axis=1)
    assert set(degrees.tolist()) <= ({0} if base == 1 else {2, 4, 6})
    assert (degrees == 2).sum() == (3 if base > 1 else 0)
    assert not (ours.alike & (ours.adjacency > 0)).any()
    sizes = np.bincount(ours.classes, minlength=3)
    assert sizes.max() - sizes.min() == (1 if base % 3 == 1 else 0)


def test_a_pyramid_with_a_flat_top_is_the_lower_part_of_a_whole_one() -> None:
    flat, whole = pyramid(7, top=4), pyramid(7)
    lower = whole.places[:, 0] >= 3
    assert np.array_equal(flat.adjacency, whole.adjacency[np.ix_(lower, lower)])
    assert flat.nodes == 4 + 5 + 6 + 7


@given(graphs(), st.integers(0, 8))
@settings(deadline=None, max_examples=60)
def test_residues_part_pairs_as_integers_do(graph: Lattice, field: int) -> None:
    *_, (keys, reached) = residues(graph, field)
    stacked = np.stack(list(integers(graph, field)), axis=-1).reshape(-1, field + 1)
    vectors = [tuple(vector) for vector in stacked.tolist()]
    kind = kinds(keys)[0].ravel().tolist()
    assert len(set(vectors)) == len(set(kind)) == len(set(zip(vectors, kind, strict=True)))
    assert [any(vector) for vector in vectors] == reached.ravel().tolist()
    *_, again = reach(graph, field)
    assert np.array_equal(again, reached)


@pytest.mark.parametrize(("base", "field"), [(6, 19), (12, 11)])
def test_residues_part_pairs_of_pyramids_as_integers_do(base: int, field: int) -> None:
    *_, (keys, _) = residues(pyramid(base), field)
    stacked = np.stack(list(integers(pyramid(base), field)), axis=-1).reshape(-1, field + 1)
    assert len({tuple(vector) for vector in stacked.tolist()}) == kinds(keys)[0].max() + 1


def test_equal_walk_vectors_are_one_kind_across_graphs_and_others_are_not() -> None:
    *_, (small, _) = residues(pyramid(9), 2)
    *_, (large, _) = residues(pyramid(14), 2)
    one, other = kinds(small, large)
    assert set(one.ravel().tolist()) == set(other.ravel().tolist()) == set(range(25))


def test_in_float32_rounding_makes_kinds_where_there_are_none() -> None:
    exact, floats = ({row.field: row for row in rows(10, float32=trap)} for trap in (False, True))
    assert [floats[field].share for field in FIELDS] == [exact[field].share for field in FIELDS]
    assert floats[1].printed() == (5, 0)
    assert floats[4].kinds > 1.5 * exact[4].kinds
    assert floats[19].kinds > 0.9 * exact[19].nodes ** 2 > 5 * exact[19].kinds


def test_the_old_rule_counts_a_zero_that_is_not_there_and_loses_one_ambiguous_kind() -> None:
    told = {row.field: row for row in rows(20)}
    assert told[19].printed() == (5256, 0)
    assert told[9].printed() == (1107, 0)


def test_rounding_does_not_break_what_is_equal_by_the_very_same_sums() -> None:
    *_, (keys, _) = rounded(line(2), 9)
    assert kinds(keys)[0].tolist() == [[0, 1], [1, 0]] or kinds(keys)[0].tolist() == [[1, 0], [0, 1]]
