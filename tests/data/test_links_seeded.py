"""Random graphs follow their families and change now and then; reused seeds give the next frame away."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lab.data.cache import content_hash
from lab.data.links.families import FIRST, Law, Named, another_law, drawn, numbers_needed
from lab.data.links.frames import Frames, to_dataset, window_starts
from lab.data.links.lines import link_lines
from lab.data.links.seeded import sequences
from lab.spec.datasets import SeededRandomGraphs
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

FAMILIES = tuple(FIRST)


def tables(family: Named, frames: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((frames, *numbers_needed(family, 30)))


@given(st.sampled_from(FAMILIES), st.integers(2, 8), st.floats(0.02, 0.9), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_every_frame_is_undirected_without_loops_and_a_function_of_its_table(
    family: Named, count: int, chance: float, seed: int
) -> None:
    frames = drawn(family, Law(count, chance), tables(family, 3, seed))
    assert (frames == frames.swapaxes(1, 2)).all()
    assert not frames[:, np.arange(30), np.arange(30)].any()
    alone = drawn(family, Law(count, chance), tables(family, 3, seed)[1:2])
    assert (alone[0] == frames[1]).all()


@pytest.mark.parametrize("count", [2, 3, 8])
def test_preferential_attachment_has_its_edges_and_its_hubs(count: int) -> None:
    frames = drawn("barabasi_albert", Law(count), tables("barabasi_albert", 400))
    assert (frames.sum((1, 2)) == 2 * count * (30 - count)).all()
    theirs = [nx.barabasi_albert_graph(30, count, seed=seed) for seed in range(400)]
    wanted = np.mean([[degree for _, degree in each.degree] for each in theirs], axis=0)
    assert frames.sum(2).mean(0) == pytest.approx(wanted, abs=0.6)


def test_independent_edges_have_their_chance() -> None:
    frames = drawn("erdos_renyi", Law(chance=0.1), tables("erdos_renyi", 300))
    assert frames.sum() / 300 / (30 * 29) == pytest.approx(0.1, abs=0.003)


def test_a_ring_has_its_neighbours_and_as_many_shortcuts_as_networkx_gives_it() -> None:
    frames = drawn("newman_watts", Law(count=4, chance=0.2), tables("newman_watts", 300))
    here = np.arange(30)
    for step in (1, 2):
        assert frames[:, here, (here + step) % 30].all()
    theirs = [nx.newman_watts_strogatz_graph(30, 4, 0.2, seed=seed).number_of_edges() for seed in range(300)]
    assert frames.sum() / 600 == pytest.approx(np.mean(theirs), abs=0.7)


@given(st.sampled_from(FAMILIES), st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_a_change_is_a_change_and_stays_in_bounds(family: Named, seed: int) -> None:
    law, random = FIRST[family], np.random.default_rng(seed)
    for _ in range(3):
        before, law = law, another_law(family, law, random)
        moved = [
            abs(now - then) / then for now, then in ((law.count, before.count), (law.chance, before.chance)) if then
        ]
        assert max(moved) >= 0.3
        assert law.count <= 8
        assert law.chance <= 0.2


def changes(graphs: NDArray[np.uint8]) -> list[NDArray[np.int64]]:
    """Frames at which the number of edges of each sequence moves."""
    edges = graphs.sum((2, 3), dtype=np.int64)
    return [np.flatnonzero(np.diff(each)) + 1 for each in edges]


def test_laws_change_once_or_twice_a_segment_apart_from_the_ends_and_each_other() -> None:
    spec = SeededRandomGraphs(train=40, valid=1, test=1)
    told = changes(sequences(spec, 0))
    assert {len(each) for each in told} <= {1, 2}
    assert np.mean([len(each) for each in told]) == pytest.approx(1.75, abs=0.2)
    for each in told:
        assert (np.diff([0, *each, 200]) >= 40).all()


def test_reused_seeds_show_all_sequences_the_same_frames_and_fresh_ones_do_not() -> None:
    counts = {"train": 3, "valid": 2, "test": 2}
    reused = sequences(SeededRandomGraphs(seed_mode="offset_reused", **counts), 0)
    assert (reused[:, :40] == reused[0, :40]).all()
    (first, *_), own = changes(reused), reused[0]
    assert not (own[first[0] : first[0] + 5] == own[:5]).all()
    fresh = sequences(SeededRandomGraphs(**counts), 0)
    assert (fresh[1, :40] != fresh[0, :40]).any()
    assert [each.tolist() for each in changes(fresh)] == [each.tolist() for each in changes(reused)]


def lines(seed_mode: str, *, split: str = "by_sequence") -> dict[str, float]:
    """Known lines without features, which they do not look at."""
    spec = SeededRandomGraphs(train=40, valid=1, test=6, seed_mode=seed_mode, split=split, stride=1)
    graphs = sequences(spec, 0)
    return link_lines(
        to_dataset(Frames(np.zeros((*graphs.shape[:3], 1), np.float32), graphs), spec, window_starts(spec, 0))
    )


@pytest.mark.slow
def test_what_follows_a_frame_can_be_looked_up_where_seeds_are_reused_and_not_where_they_are_fresh() -> None:
    reused, fresh = lines("offset_reused"), lines("fresh")
    assert reused["test.auc: successor lookup"] > 0.95
    assert fresh["test.auc: successor lookup"] <= 0.76
    assert max(value for name, value in fresh.items() if name.startswith("test.auc:")) <= 0.77
    for told in (reused, fresh):
        assert told["test.auc: copy last"] == pytest.approx(0.60, abs=0.03)
        assert told["test.auc: window mean"] == pytest.approx(0.70, abs=0.03)


@pytest.mark.parametrize("family", [*FAMILIES, "all"])
def test_a_dataset_of_frames_keeps_the_contract(family: str) -> None:
    spec = {"family": family, "train": 3, "valid": 1, "test": 1, "length": 44, "segment": 8, "nodes": 16}
    check_dataset(SeededRandomGraphs.model_validate(spec))


def test_scaled_features_lie_between_their_training_ends() -> None:
    built = SeededRandomGraphs(train=2, valid=1, test=1, length=44, segment=8).build(0)
    x = built.splits["train"].x
    assert (float(x.min()), float(x.max())) == (0.0, 1.0)
    assert built.shape.features == 6


@pytest.mark.parametrize("split", ["by_sequence", "random_windows"])
def test_what_all_nodes_carry_alike_is_kept_once_and_given_to_each(split: str) -> None:
    said = {"train": 2, "valid": 1, "test": 1, "length": 44, "segment": 8, "split": split}
    spec = SeededRandomGraphs.model_validate({**said, "features": "global906"})
    check_dataset(spec)
    built = spec.build(0)
    assert built.shape.features == 906
    train = built.splits["train"]
    assert train.x.shape[2] == 1
    batch = train.batch(torch.arange(3), 30)
    assert batch.x.shape == (3, spec.window, 30, 906)
    assert torch.equal(batch.x, batch.x[:, :, :1].expand_as(batch.x))
    edges = batch.x[:, :, 0, :-6].reshape(3, spec.window, 30, 30)
    known = batch.adjacency.float()
    assert torch.equal(edges > 0, known > 0), "of edges there or not, the range is kept"


def test_what_a_seed_draws_is_pinned() -> None:
    """When this must change, raise GENERATION in lab/data/load.py, or caches go on giving the old data."""
    spec = SeededRandomGraphs(train=2, valid=1, test=1, length=44, segment=8, family="all")
    graphs = sequences(spec, 0)
    built = to_dataset(Frames(np.zeros((4, 44, 30, 1), np.float32), graphs), spec, window_starts(spec, 0))
    assert content_hash(built)[:12] == "aafc86b3d4f7"


def test_changes_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="fewest are more"):
        SeededRandomGraphs(changes=(3, 1))
