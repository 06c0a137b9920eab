"""The generators draw what the published ones draw, from a seed alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from lab.data.batch import IGNORED, Dataset, Split
from lab.data.cache import content_hash
from lab.data.sbm import cluster, pattern
from lab.errors import LabError
from lab.spec.datasets import BlockModel, Cluster, Pattern

pytestmark = pytest.mark.torch

SMALL = {
    "pattern": Pattern(train=12, valid=5, test=4, patterns=3),
    "cluster": Cluster(train=12, valid=5, test=4),
}


@pytest.fixture(scope="module")
def many_patterns() -> Split:
    return pattern(Pattern(train=1500, valid=1, test=1, patterns=1500), 0).splits["train"]


@pytest.fixture(scope="module")
def many_clusters() -> Split:
    return cluster(Cluster(train=1000, valid=1, test=1), 0).splits["train"]


def density(split: Split, of: torch.Tensor, to: torch.Tensor) -> float:
    """Share of joined pairs among the distinct pairs from `of` to `to` (masks over nodes)."""
    pairs = (of[:, :, None] & to[:, None, :]).float()
    pairs = pairs - torch.diag_embed((of & to).float())
    return float((split.adjacency * pairs).sum() / pairs.sum())


def as_bytes(split: Split) -> list[bytes]:
    return [graph.numpy().tobytes() for graph in split.adjacency]


def inner(split: Split, at: int) -> list[tuple[int, int, int]]:
    """What relabelling leaves of a pattern: each node's token, inner degree and its neighbours' inner degrees."""
    here = split.y[at] == 1
    edges = split.adjacency[at][here][:, here].long()
    degree = edges.sum(1)
    return sorted(zip(split.x[at][here].tolist(), degree.tolist(), (edges @ degree**2).tolist(), strict=True))


@pytest.mark.parametrize("kind", SMALL)
def test_graphs_are_simple_and_undirected_and_padding_is_empty(kind: str) -> None:
    for split in SMALL[kind].build(3).splits.values():
        edges = split.adjacency
        real = torch.arange(edges.shape[1]) < split.sizes[:, None]
        assert edges.dtype == torch.uint8
        assert edges.max() == 1
        assert torch.equal(edges, edges.transpose(1, 2))
        assert not edges.diagonal(dim1=1, dim2=2).any()
        assert not edges[~real].any()
        assert torch.equal(split.y != IGNORED, real)
        assert not split.x[~real].any()
        assert int(split.sizes.max()) == edges.shape[1]


@pytest.mark.parametrize("kind", SMALL)
def test_a_seed_fixes_the_data_and_another_seed_changes_it(kind: str) -> None:
    spec = SMALL[kind]
    assert content_hash(spec.build(1)) == content_hash(spec.build(1))
    assert content_hash(spec.build(1)) != content_hash(spec.build(2))


@pytest.mark.parametrize("kind", SMALL)
def test_a_split_does_not_depend_on_the_size_of_the_others(kind: str) -> None:
    few, more = (SMALL[kind].model_copy(update={"train": count}).build(0) for count in (2, 12))
    for split in ("valid", "test"):
        assert torch.equal(few.splits[split].adjacency, more.splits[split].adjacency)


def test_the_first_graphs_of_cluster_are_the_same_however_many_are_drawn() -> None:
    few, more = (SMALL["cluster"].model_copy(update={"train": count}).build(0) for count in (3, 12))
    wide = int(few.splits["train"].sizes.max())
    assert torch.equal(few.splits["train"].adjacency, more.splits["train"].adjacency[:3, :wide, :wide])
    assert torch.equal(few.splits["train"].x, more.splits["train"].x[:3, :wide])


@pytest.mark.parametrize("kind", SMALL)
def test_no_graph_is_in_two_splits_or_twice_in_one(kind: str) -> None:
    splits = SMALL[kind].build(0).splits.values()
    graphs = [graph for split in splits for graph in as_bytes(split)]
    assert len(set(graphs)) == 12 + 5 + 4


@pytest.mark.parametrize("kind", ["pattern", "cluster"])
def test_the_shape_tells_what_the_tensors_hold(kind: str) -> None:
    built: Dataset = SMALL[kind].build(0)
    labels = torch.cat([split.y[split.y != IGNORED] for split in built.splits.values()])
    tokens = torch.cat([split.x.flatten() for split in built.splits.values()])
    assert built.shape.classes == len(labels.unique())
    assert built.shape.tokens == len(tokens.unique())
    assert built.shape.nodes == max(int(split.sizes.max()) for split in built.splits.values())
    assert {name: len(split) for name, split in built.splits.items()} == {"train": 12, "valid": 5, "test": 4}


def test_pattern_has_the_expected_numbers_of_nodes_and_edges() -> None:
    size = 20
    split = pattern(Pattern(train=3000, valid=1, test=1, patterns=30, pattern_size=size), 0).splits["train"]
    communities, squares = 5, 455.1667
    edges = communities * (squares - 19.5) * 0.5 + 20 * 19.5**2 * 0.35 + 97.5 * size + 0.5 * size * (size - 1)
    assert float(split.sizes.float().mean()) == pytest.approx(97.5 + size, rel=0.01)
    assert split.adjacency.numpy().sum() / len(split) == pytest.approx(edges, rel=0.02)
    assert int((split.y == 1).sum()) == size * len(split)


def test_one_node_of_pattern_in_six_is_positive(many_patterns: Split) -> None:
    positive = (many_patterns.y == 1).sum() / (many_patterns.y != IGNORED).sum()
    assert float(positive) == pytest.approx(0.167, abs=0.006)
    assert Counter((many_patterns.y == 1).sum(1).tolist()).keys() == set(range(5, 35))


def test_degree_over_nodes_of_pattern_has_the_published_moments(many_patterns: Split) -> None:
    share = many_patterns.adjacency.sum(2) / many_patterns.sizes[:, None]
    for label, mean, deviation in ((0, 0.398, 0.047), (1, 0.495, 0.046)):
        seen = share[many_patterns.y == label]
        assert float(seen.mean()) == pytest.approx(mean, abs=0.003)
        assert float(seen.std()) == pytest.approx(deviation, abs=0.003)


def test_edges_of_pattern_have_the_right_chances_by_label(many_patterns: Split) -> None:
    some = Split(*(tensor[:300] for tensor in vars(many_patterns).values()))
    positive, negative = some.y == 1, some.y == 0
    assert density(some, positive, positive) == pytest.approx(0.5, abs=0.005)
    assert density(some, positive, negative) == pytest.approx(0.5, abs=0.005)
    assert density(some, negative, negative) == pytest.approx(0.38, abs=0.01)


def test_edges_of_cluster_have_the_right_chances_by_community(many_clusters: Split) -> None:
    some = Split(*(tensor[:200] for tensor in vars(many_clusters).values()))
    of = [some.y == community for community in range(6)]
    assert density(some, of[0], of[0]) == pytest.approx(0.55, abs=0.01)
    assert density(some, of[5], of[5]) == pytest.approx(0.55, abs=0.01)
    assert density(some, of[0], of[1] | of[2] | of[5]) == pytest.approx(0.25, abs=0.01)


def test_cluster_has_the_expected_numbers_of_nodes_and_edges(many_clusters: Split) -> None:
    assert float(many_clusters.sizes.float().mean()) == pytest.approx(117.0, rel=0.02)
    assert many_clusters.adjacency.numpy().sum() / 1000 == pytest.approx(4289.6, rel=0.04)
    sizes = torch.stack([(many_clusters.y == community).sum(1) for community in range(6)])
    assert Counter(sizes.flatten().tolist()).keys() == set(range(5, 35))
    assert float(sizes.float().var()) == pytest.approx((30**2 - 1) / 12, rel=0.05)


def test_cluster_reveals_exactly_one_node_of_each_community(many_clusters: Split) -> None:
    for community in range(6):
        shown = many_clusters.x == community + 1
        assert (shown.sum(1) == 1).all()
        assert (many_clusters.y[shown] == community).all()


def test_the_revealed_node_is_any_of_its_community(many_clusters: Split) -> None:
    """Neither its place in the graph nor its place among its like is special."""
    mine = many_clusters.y == 2
    rank = (mine.cumsum(1) - 1)[many_clusters.x == 3] / (mine.sum(1) - 1)
    assert float(rank.mean()) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("label", [0, 1])
def test_where_a_node_stands_says_nothing_of_its_label(label: int, many_patterns: Split) -> None:
    place = torch.arange(many_patterns.y.shape[1]) / (many_patterns.sizes[:, None] - 1)
    seen = place[many_patterns.y == label]
    assert float(seen.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(seen.var()) == pytest.approx(1 / 12, abs=0.003)


def test_neighbours_in_the_node_order_are_not_of_one_community(many_clusters: Split) -> None:
    left, right = many_clusters.y[:, :-1], many_clusters.y[:, 1:]
    both = right != IGNORED
    same = float((left == right)[both].float().mean())
    by_chance = float(
        sum(((many_clusters.y == community).sum(1) / many_clusters.sizes) ** 2 for community in range(6)).mean()
    )
    assert same == pytest.approx(by_chance, abs=0.02)


def test_all_splits_share_the_patterns_in_order_and_in_equal_parts() -> None:
    splits = pattern(Pattern(train=7, valid=3, test=6, patterns=3), 5).splits
    named = [inner(splits["valid"], at) for at in range(3)]
    assert len({str(name) for name in named}) == 3
    told = {split: [named.index(inner(splits[split], at)) for at in range(len(splits[split]))] for split in splits}
    assert told == {"train": [0, 0, 0, 1, 1, 2, 2], "valid": [0, 1, 2], "test": [0, 0, 1, 1, 2, 2]}


def test_fewer_graphs_than_patterns_take_the_first_patterns() -> None:
    splits = pattern(Pattern(train=10, valid=2, test=4, patterns=10), 0).splits
    for at in range(2):
        assert inner(splits["valid"], at) == inner(splits["train"], at) == inner(splits["test"], at)


def test_around_a_shared_pattern_everything_is_fresh() -> None:
    split = pattern(Pattern(train=40, valid=1, test=1, patterns=1, pattern_size=18), 0).splits["train"]
    outside = [sorted(split.x[at][split.y[at] == 0].tolist()) for at in range(40)]
    joins = [int(split.adjacency[at][split.y[at] == 1][:, split.y[at] == 0].sum()) for at in range(40)]
    places = [tuple((split.y[at] == 1).nonzero().flatten().tolist()) for at in range(40)]
    assert len({str(inner(split, at)) for at in range(40)}) == 1
    assert len({str(tokens) for tokens in outside}) == len(set(places)) == 40
    assert len(set(joins)) > 30


def test_tokens_outside_the_pattern_are_uniform(many_patterns: Split) -> None:
    for label in (0, 1):
        tokens = many_patterns.x[many_patterns.y == label]
        assert np.bincount(tokens) / len(tokens) == pytest.approx([1 / 3] * 3, abs=0.01)


@pytest.mark.parametrize(
    ("spec", "edges_inside", "edges_between"),
    [(Cluster(train=3, valid=1, test=1, p=1, q=0), 1.0, 0.0), (Cluster(train=3, valid=1, test=1, p=0, q=1), 0.0, 1.0)],
)
def test_certain_chances_are_certain(spec: Cluster, edges_inside: float, edges_between: float) -> None:
    split = cluster(spec, 0).splits["train"]
    assert density(split, split.y == 0, split.y == 0) == edges_inside
    assert density(split, split.y == 0, split.y == 1) == edges_between


@pytest.mark.parametrize("spec", [Pattern(sizes=(1, 1), pattern_size=1, train=2, communities=1), Cluster(sizes=(1, 1))])
def test_the_smallest_graphs_are_possible(spec: BlockModel) -> None:
    small = spec.model_copy(update={"train": 2, "valid": 1, "test": 1})
    assert set(small.build(0).splits["train"].sizes.tolist()) == {2 if isinstance(spec, Pattern) else 6}


def test_data_larger_than_the_memory_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(LabError, match="GB of memory"):
        cluster(Cluster(train=1, sizes=(1_000_000, 1_000_000)), 0)


@pytest.mark.parametrize(
    ("kind", "sha256"),
    [("pattern", "d4d38591660c2f8f"), ("cluster", "c80405fcb0aaab74")],
)
def test_what_a_seed_draws_is_pinned(kind: str, sha256: str) -> None:
    """When this must change, raise GENERATION in lab/data/load.py, or caches go on giving the old data."""
    assert content_hash(SMALL[kind].build(0))[:16] == sha256
