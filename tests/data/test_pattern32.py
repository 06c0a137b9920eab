"""The 32 graphs of the notes, as far as their printed numbers tell of them, and the draws that stand for them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lab.data.baselines import token_bound
from lab.data.batch import IGNORED, Batch, Split
from lab.spec.datasets import Pattern
from lab.train.course import course_of
from lab.train.tasks import ClassifyNodes

pytestmark = pytest.mark.torch

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")
O32 = Pattern(train=32, patterns=1, pattern_size=18, scored="training", draw="per_seed")


@pytest.fixture(scope="module")
def known() -> Any:
    return np.load(REFERENCE / "positional_pattern32.npz")


@pytest.fixture(scope="module")
def draws() -> list[Split]:
    return [O32.build(seed).splits["train"] for seed in range(6)]


def degrees(split: Split) -> torch.Tensor:
    return split.adjacency.sum(2)[split.y != IGNORED]


@needs_reference
def test_the_decoded_histogram_adds_up_to_what_is_told_of_the_graphs(known: Any) -> None:
    degree, count = known["degree"], known["node_count"]
    assert count.sum() == known["num_nodes"] == known["num_class0"] + known["num_class1"] == 3631
    assert (degree * count).sum() == 173_764
    assert known["num_class1"] == known["num_graphs"] * known["pattern_size"] == 576
    assert degree.tolist() == [*range(24, 80), 81, 82]


@needs_reference
def test_draws_have_degrees_like_the_decoded_ones(known: Any, draws: list[Split]) -> None:
    mean = np.average(known["degree"], weights=known["node_count"])
    spread = np.average((known["degree"] - mean) ** 2, weights=known["node_count"]) ** 0.5
    means, spreads = zip(
        *((float(d.double().mean()), float(d.double().std())) for d in map(degrees, draws)), strict=True
    )
    assert min(means) - 3 < mean < max(means) + 3
    assert min(spreads) - 2 < spread < max(spreads) + 2


@needs_reference
def test_the_flips_of_the_notes_are_what_our_scores_tell_of_their_counts(known: Any) -> None:
    counts = zip(known["correct_class0_epochs_79_80_81"], known["correct_class1_epochs_79_80_81"], strict=True)
    sizes = (int(known["num_class0"]), int(known["num_class1"]))
    told = [_scored([int(found) for found in both], sizes) for both in counts]
    assert [round(each["acc_0"], 3) for each in told] == [0.993, 0.708, 0.366]
    assert [round(each["acc_1"], 3) for each in told] == [0.201, 0.891, 0.986]
    history = {f"valid.{name}": [each[name] for each in told] for name in ("acc", "acc_0", "acc_1")}
    assert course_of(history, [], main="acc", goal="max")["course.flips"] == 2


def _scored(found: list[int], sizes: tuple[int, int]) -> dict[str, float]:
    """Our scores where so many nodes of each class are found."""
    labels = torch.repeat_interleave(torch.arange(2), torch.tensor(sizes))
    place = torch.cat([torch.arange(size) for size in sizes])
    said = torch.where(place < torch.tensor(found)[labels], labels, 1 - labels)
    none = torch.zeros(1, 1, 1, dtype=torch.uint8)
    batch = Batch(labels[None], none, torch.ones(1, len(labels), dtype=torch.bool), labels[None], torch.zeros(1))
    task = ClassifyNodes(2)
    return task.scores(task.sums(torch.nn.functional.one_hot(said, 2)[None].float(), batch).tolist())


def test_neighbours_by_label_are_shared_out_as_noted(draws: list[Split]) -> None:
    """Noted of one graph, of 90 nodes and a pattern of 18 as far as can be told; rows are the reader's label."""
    told = [_shares(split, graph) for split in draws for graph in range(32) if 103 <= split.sizes[graph] <= 113]
    mean = np.mean(told, axis=0)
    assert mean == pytest.approx(np.array([[0.797, 0.203], [0.842, 0.158]]), abs=0.02)
    assert np.allclose(mean.sum(axis=1), 1)
    assert (mean[1, 0] > mean[0, 0]).all()


def _shares(split: Split, graph: int) -> np.ndarray[Any, Any]:
    """Mean share of neighbours of each label, by a node's own label."""
    size = int(split.sizes[graph])
    edges, labels = split.adjacency[graph, :size, :size].double(), split.y[graph, :size]
    walk = edges / edges.sum(1, keepdim=True)
    return np.array([[float(walk[labels == a][:, labels == b].sum(1).mean()) for b in (0, 1)] for a in (0, 1)])


def test_densities_by_label_are_those_of_the_blocks(draws: list[Split]) -> None:
    split = draws[0]
    inside = (split.y == 1)[:, :, None] & (split.y == 1)[:, None, :] & ~torch.eye(split.y.shape[1]).bool()
    across = (split.y == 1)[:, :, None] & (split.y == 0)[:, None, :]
    rest = (split.y == 0)[:, :, None] & (split.y == 0)[:, None, :] & ~torch.eye(split.y.shape[1]).bool()
    told = [float(split.adjacency[pairs].float().mean()) for pairs in (rest, across, inside)]
    assert told == pytest.approx([0.38, 0.5, 0.5], abs=0.09)


def test_tokens_of_graphs_that_can_be_told_apart_tell_a_little_more_than_tokens_alone() -> None:
    """Attention over a whole graph without distances knows a node's token and which graph it is in, and no more."""
    spec = Pattern(
        train=32, patterns=1, pattern_size=9, pattern_tokens=(1, 3, 5), sizes=(4, 10), scored="training"
    )  # the small graphs of the quick profiles
    split = spec.build(0).splits["train"]
    assert isinstance(split, Split)
    graphs = torch.arange(32)[:, None].expand_as(split.x) * 3
    alone = token_bound(split, tokens=3, classes=2)
    apart = token_bound(replace(split, x=split.x + graphs), tokens=96, classes=2)
    assert (alone, apart) == (pytest.approx(0.6104, abs=5e-5), pytest.approx(0.6243, abs=5e-5))
