"""Measures of nodes are networkx's own, and scaling looks ahead only where it says so."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lab.data.links import measures
from lab.data.links.features import frame_features
from lab.data.links.scaling import scaled

pytestmark = pytest.mark.torch


def graphs(seed: int, *, frames: int = 6, nodes: int = 12) -> NDArray[np.uint8]:
    """[1, frames, nodes, nodes] from no edges to many."""
    random = np.random.default_rng(seed)
    chance = np.linspace(0, 0.6, frames)[:, None, None]
    half = np.triu(random.random((frames, nodes, nodes)) < chance, 1)
    return (half | half.swapaxes(1, 2)).astype(np.uint8)[None]


@given(st.integers(0, 10**6), st.integers(3, 14))
@settings(deadline=None, max_examples=20)
def test_measures_are_those_of_networkx_on_connected_graphs_and_others(seed: int, nodes: int) -> None:
    edges = graphs(seed, nodes=nodes)[0].astype(float)
    distance, ways = measures.paths(edges)
    for told, known in (
        (measures.degree_share(edges), nx.degree_centrality),
        (measures.clustering(edges), nx.clustering),
        (measures.closeness(distance), nx.closeness_centrality),
        (measures.betweenness(edges, distance, ways), nx.betweenness_centrality),
    ):
        wanted = [list(known(nx.from_numpy_array(each)).values()) for each in edges]
        assert told == pytest.approx(np.array(wanted))


def test_eigenvector_centrality_is_that_of_networkx_and_nothing_without_edges() -> None:
    frames = graphs(3)
    told = frame_features("node_level6", "canonical", frames)[0, ..., 2]
    dense = nx.from_numpy_array(frames[0, -1])
    assert nx.is_connected(dense)
    assert told[-1] == pytest.approx(list(nx.eigenvector_centrality_numpy(dense).values()), abs=1e-5)
    assert not told[0].any()


def test_signs_are_settled_or_left_as_they_come() -> None:
    frames = graphs(5)
    raw, canonical = (frame_features("node_level6", sign, frames) for sign in ("raw", "canonical"))
    assert np.array_equal(raw[..., :4], canonical[..., :4])
    assert not np.array_equal(raw[..., 4:], canonical[..., 4:])
    assert np.isfinite(raw).all()
    columns = measures.with_positive_peak(np.linalg.eigh(frames[0].astype(float))[1])
    peak = np.take_along_axis(columns, np.abs(columns).argmax(1, keepdims=True), 1)
    assert (peak > 0).all()


def test_rows_of_the_adjacency_matrix_stand_before_the_six() -> None:
    frames = graphs(1)
    both = frame_features("combined36", "canonical", frames)
    assert np.array_equal(both[..., :12], frames)
    assert np.array_equal(both[..., 12:], frame_features("node_level6", "canonical", frames))


def test_of_a_whole_frame_all_nodes_carry_the_matrix_and_the_means_of_the_six() -> None:
    frames = graphs(1)
    told = frame_features("global906", "canonical", frames)
    six = frame_features("node_level6", "canonical", frames)
    assert told.shape == (*frames.shape[:2], 1, 12 * 12 + 6)
    assert np.array_equal(told[..., :-6].reshape(frames.shape), frames)
    assert told[..., 0, -6:] == pytest.approx(six.mean(2), abs=1e-6)


@given(st.sampled_from(["train_minmax", "train_zscore", "causal_minmax", "none"]), st.integers(0, 8))
@settings(deadline=None, max_examples=20)
def test_what_comes_later_moves_no_feature_of_the_past(how: str, now: int) -> None:
    random = np.random.default_rng(now)
    x = random.normal(size=(3, 10, 4, 2)).astype(np.float32)
    training = np.zeros((3, 10), bool)
    training[0] = True
    later = x.copy()
    later[1:, now + 1 :] *= 50
    before, after = (scaled(how, each, training)[:, : now + 1] for each in (x, later))
    assert np.array_equal(before, after)


def test_the_range_of_the_whole_sequence_looks_ahead() -> None:
    x = np.random.default_rng(0).normal(size=(1, 10, 4, 2)).astype(np.float32)
    later = x.copy()
    later[:, 9] *= 50
    before, after = (scaled("sequence_minmax", each, np.ones((1, 10), bool))[:, :9] for each in (x, later))
    assert not np.allclose(before, after)
    assert (before.min(), before.max()) == pytest.approx((0, 1), abs=0.5)


def test_a_feature_that_stays_the_same_is_left_as_it_is() -> None:
    x = np.full((1, 4, 3, 1), 7.0, np.float32)
    for how in ("train_minmax", "train_zscore", "causal_minmax", "sequence_minmax"):
        assert np.array_equal(scaled(how, x, np.ones((1, 4), bool)), x)


def test_training_ranges_are_those_of_training_frames() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 1)).astype(np.float32)
    training = np.array([[True] * 5, [False] * 5])
    told = scaled("train_minmax", x, training)
    assert (told[0].min(), told[0].max()) == (0, 1)
    zscore = scaled("train_zscore", x, training)[0]
    assert (zscore.mean(), zscore.std()) == pytest.approx((0, 1), abs=1e-5)
