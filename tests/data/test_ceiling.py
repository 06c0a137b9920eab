"""The ceiling is what colour refinement to a depth can tell of the training labels, and no more."""

import pytest
import torch

from lab.data import ceiling as module
from lab.data.batch import IGNORED, Dataset, Shape, Split
from lab.data.ceiling import ceiling

pytestmark = pytest.mark.torch


def path_of(nodes: int, labels: list[int], *, sha256: str = "") -> Dataset:
    """One path whose nodes all carry the same token, and one node of padding."""
    edges = torch.zeros(1, nodes + 1, nodes + 1, dtype=torch.uint8)
    for node in range(nodes - 1):
        edges[0, node, node + 1] = edges[0, node + 1, node] = 1
    y = torch.tensor([[*labels, IGNORED]])
    train = Split(torch.zeros(1, nodes + 1, dtype=torch.int64), edges, y, torch.tensor([nodes]))
    return Dataset(Shape(nodes=nodes + 1, classes=2, tokens=2), {"train": train}, "classify_nodes", sha256=sha256)


@pytest.mark.parametrize(("depth", "found"), [(0, 0.5), (1, 0.75), (2, 1.0), (9, 1.0)])
def test_what_lies_deeper_in_a_path_needs_more_rounds(depth: int, found: float) -> None:
    labels = [0, 1, 0, 0, 1, 0]  # ends and middles against what lies between
    assert ceiling(path_of(6, labels), depth) == pytest.approx(found)


def test_equal_nodes_with_different_labels_bound_every_model() -> None:
    assert ceiling(path_of(4, [0, 0, 0, 1]), 5) == pytest.approx((1 + 2 / 3) / 2)


def test_it_is_worked_out_once_for_the_same_data(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    data = path_of(6, [0, 1, 0, 0, 1, 0], sha256="a" * 64)
    first = ceiling(data, 2)
    monkeypatch.setattr(module, "_refined", None)
    assert ceiling(data, 2) == first


def test_data_that_are_too_large_or_have_no_classes_of_nodes_have_none(monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_ENTRIES", 10)
    assert ceiling(path_of(6, [0, 1, 0, 0, 1, 0]), 2) is None
