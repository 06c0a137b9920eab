"""Simple forecasts of links are scored as scikit-learn scores them, and see nothing of the answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from lab.data.batch import Dataset, Shape
from lab.data.links.lines import Windows, asked_pairs, auc_by_graph, gathered, link_lines, of_order, successor_lookup
from lab.data.windows import WindowSplit

pytestmark = pytest.mark.torch


def split(seed: int, *, sequences: int = 3, directed: bool = False) -> WindowSplit:
    random = torch.Generator().manual_seed(seed)
    graphs = (torch.rand(sequences, 12, 7, 7, generator=random) < 0.3).to(torch.uint8).triu(1)
    graphs = graphs if directed else graphs | graphs.transpose(2, 3)
    starts = torch.tensor([[s, f] for s in range(sequences) for f in range(8)])
    return WindowSplit(torch.zeros(sequences, 12, 7, 1), graphs, graphs, starts, 4)


def test_scores_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    scores, links = random.normal(size=(40, 21)), random.random((40, 21)) < 0.2
    auc, ap = of_order(scores, links)
    assert auc == pytest.approx(roc_auc_score(links.ravel(), scores.ravel()))
    assert ap == pytest.approx(average_precision_score(links.ravel(), scores.ravel()), abs=0.01)
    links[3] = False
    wanted = np.mean([roc_auc_score(each, told) for each, told in zip(links, scores, strict=True) if each.any()])
    assert auc_by_graph(scores, links) == pytest.approx(wanted)


def test_ties_count_one_half() -> None:
    links = np.array([[True, False, False, True]])
    assert auc_by_graph(np.zeros((1, 4)), links) == 0.5
    assert of_order(np.zeros((1, 4)), links) == (0.5, pytest.approx(0.5))


def test_windows_are_gathered_as_batches_have_them() -> None:
    told = gathered(split(0), 24)
    batch = split(0).batch(torch.arange(24), 7)
    assert np.array_equal(told.last, batch.adjacency[:, -1].bool().numpy())
    assert told.mean == pytest.approx(batch.adjacency.double().mean(1).numpy())
    assert np.array_equal(told.next, batch.y.bool().numpy())
    assert len(gathered(split(0), 10).next) == 8


def test_a_frame_seen_before_tells_what_followed_it_on_average() -> None:
    random = np.random.default_rng(0)
    a, b, new = (random.random((5, 5)) < 0.5 for _ in range(3))
    train = Windows(np.stack([a, a, b]), np.zeros((3, 5, 5)), np.stack([a, b, new]))
    otherwise = np.full((5, 5), 0.25)
    told = successor_lookup(train, otherwise)(Windows(np.stack([a, b, new]), train.mean, train.next))
    assert told[0] == pytest.approx((a.astype(float) + b) / 2)
    assert told[1] == pytest.approx(new.astype(float))
    assert np.array_equal(told[2], otherwise)


def test_pairs_are_ordered_where_edges_have_a_direction() -> None:
    assert len(asked_pairs(split(0).y[0].bool().numpy())[0]) == 21
    assert len(asked_pairs(split(0, directed=True).y[0].bool().numpy())[0]) == 42


def test_answers_of_the_test_windows_move_no_forecast_but_its_score() -> None:
    train, test = split(0), split(1)
    still = WindowSplit(test.x, test.adjacency, test.y.flip(1).contiguous(), test.starts, 4)
    one, other = (
        link_lines(Dataset(Shape(7, features=1, window=4), {"train": train, "valid": train, "test": each}))
        for each in (test, still)
    )
    assert one.keys() == other.keys()
    assert all(0 <= value <= 1 for value in one.values())
    assert one["test.auc: copy last"] != other["test.auc: copy last"]
    assert one["valid.auc: copy last"] == other["valid.auc: copy last"]
    copied = [
        roc_auc_score(
            test.batch(torch.tensor([at]), 7).y[0][np.triu_indices(7, 1)],
            test.batch(torch.tensor([at]), 7).adjacency[0, -1][np.triu_indices(7, 1)],
        )
        for at in range(24)
    ]
    assert one["test.auc_macro: copy last"] == pytest.approx(np.mean(copied))


def test_data_without_any_link_have_no_line_but_that_of_chance() -> None:
    empty = split(0)
    empty = WindowSplit(empty.x, empty.adjacency * 0, empty.y * 0, empty.starts, 4)
    told = link_lines(Dataset(Shape(7, features=1, window=4), dict.fromkeys(("train", "valid", "test"), empty)))
    assert told == {"auc: chance": 0.5, "auc_macro: chance": 0.5, "valid.ap: chance": 0.0, "test.ap: chance": 0.0}
