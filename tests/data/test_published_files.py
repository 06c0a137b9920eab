"""The published files become the same tensors as generated data; without them, one says what to do."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Data

from lab.data.batch import IGNORED
from lab.data.load import load_dataset
from lab.data.pyg import to_graph
from lab.data.sbm import cluster, pattern
from lab.errors import LabError
from lab.spec.datasets import Cluster, Pattern

pytestmark = pytest.mark.torch

Item = dict[str, torch.Tensor]


def item(nodes: int, tokens: int, classes: int, seed: int) -> Item:
    """One graph as the published files hold it: one-hot nodes, every edge in both directions, labels."""
    random = torch.Generator().manual_seed(seed)
    joined = torch.triu(torch.rand(nodes, nodes, generator=random) < 0.4, 1)
    return {
        "x": torch.eye(tokens)[torch.randint(tokens, (nodes,), generator=random)],
        "edge_index": (joined | joined.T).nonzero().T.contiguous(),
        "y": torch.arange(nodes) % classes,
    }


def lay_out(root: Path, name: str, splits: list[list[Item]]) -> None:
    """Put a raw file where the download would leave it."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    torch.save(splits, raw / f"{name}_v2.pt")


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name no server: a proxy that nobody listens at."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def pattern_items(root: Path) -> list[list[Item]]:
    splits = [[item(6 + at, 3, 2, 10 * split + at) for at in range(4 - split)] for split in range(3)]
    lay_out(root, "PATTERN", splits)
    return splits


def test_published_graphs_become_tokens_matrices_and_labels(root: Path) -> None:
    splits = pattern_items(root)
    built = pattern(Pattern(source="pyg", train=4, valid=3, test=2), 0)
    assert (built.shape.nodes, built.shape.classes, built.shape.tokens) == (9, 2, 3)
    for name, items in zip(("train", "valid", "test"), splits, strict=True):
        split = built.splits[name]
        assert split.sizes.tolist() == [len(one["y"]) for one in items]
        for at, one in enumerate(items):
            nodes = len(one["y"])
            batch = split.batch(torch.tensor([at]), nodes)
            assert torch.equal(batch.edges, one["edge_index"])
            assert torch.equal(torch.eye(3)[batch.x[0]], one["x"])
            assert torch.equal(batch.y[0], one["y"])
            assert (split.y[at, nodes:] == IGNORED).all()
            assert not split.adjacency[at, nodes:].any()


def test_cluster_has_its_seven_tokens_and_six_classes(root: Path) -> None:
    lay_out(root, "CLUSTER", [[item(9, 7, 6, split)] for split in range(3)])
    built = cluster(Cluster(source="pyg", train=1, valid=1, test=1), 0)
    assert (built.shape.classes, built.shape.tokens) == (6, 7)


def test_a_smaller_count_takes_the_first_graphs(root: Path) -> None:
    splits = pattern_items(root)
    built = pattern(Pattern(source="pyg", train=2, valid=1, test=1), 0)
    assert built.splits["train"].sizes.tolist() == [len(one["y"]) for one in splits[0][:2]]


def test_more_graphs_than_were_published_are_refused(root: Path) -> None:
    pattern_items(root)
    with pytest.raises(LabError, match=r"dataset\.train: the published PATTERN has 4 graphs here, not 5"):
        pattern(Pattern(source="pyg", train=5, valid=1, test=1), 0)


def test_loading_keeps_published_data_with_their_lines_and_tells_folders_apart(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern_items(root)
    spec = Pattern(source="pyg", train=4, valid=3, test=2)
    first = load_dataset(spec, 0)
    assert {"chance", "token leak", "degree / N"} <= first.lines.keys()
    (root / "PATTERN" / "raw" / "PATTERN_v2.pt").unlink()
    assert load_dataset(spec, 0).sha256 == first.sha256

    other = root.with_name("other")
    lay_out(other, "PATTERN", [[item(8, 3, 2, 99 + split + at) for at in range(4)] for split in range(3)])
    monkeypatch.setenv("LAB_DATA", str(other))
    assert load_dataset(spec, 0).sha256 != first.sha256


@pytest.mark.usefixtures("no_network")
def test_without_network_and_files_one_is_told_where_to_put_them(root: Path) -> None:
    before = socket.getdefaulttimeout()
    with pytest.raises(LabError) as raised:
        load_dataset(Pattern(source="pyg"), 0)
    assert "the published PATTERN files cannot be had" in raised.value.what
    assert str(root / "PATTERN" / "raw") in raised.value.hint
    assert "source: generated" in raised.value.hint
    assert socket.getdefaulttimeout() == before


@pytest.mark.usefixtures("no_network")
def test_a_broken_archive_is_the_same_mistake(root: Path) -> None:
    raw = root / "PATTERN" / "raw"
    raw.mkdir(parents=True)
    (raw / "PATTERN_v2.zip").write_bytes(b"PK\x03\x04 and then the line went dead")
    with pytest.raises(LabError, match="cannot be had"):
        load_dataset(Pattern(source="pyg"), 0)


def test_a_broken_raw_file_is_the_same_mistake(root: Path) -> None:
    raw = root / "CLUSTER" / "raw"
    raw.mkdir(parents=True)
    (raw / "CLUSTER_v2.pt").write_bytes(b"not a tensor")
    with pytest.raises(LabError, match="cannot be had"):
        load_dataset(Cluster(source="pyg"), 0)


def test_edges_that_are_listed_twice_and_self_loops_are_counted_as_they_are() -> None:
    edges = torch.tensor([[0, 0, 1, 2], [1, 1, 0, 2]])
    graph = to_graph(Data(x=torch.eye(3), edge_index=edges, y=torch.zeros(3, dtype=torch.int64)))
    assert graph.adjacency.tolist() == [[0, 2, 0], [1, 0, 0], [0, 0, 1]]
    assert graph.tokens.tolist() == [0, 1, 2]


def test_more_parallel_edges_than_a_byte_can_count_are_refused_not_wrapped_around() -> None:
    edges = torch.tensor([[0] * 256, [1] * 256])
    most, more = (
        Data(x=torch.eye(2), edge_index=edges[:, :n], y=torch.zeros(2, dtype=torch.int64)) for n in (255, 256)
    )
    assert to_graph(most).adjacency[0, 1] == 255
    with pytest.raises(LabError, match="joined by 256 edges"):
        to_graph(more)
