"""Simple forecasts of links are scored as scikit-learn scores them, and see nothing of the answer."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from lab.data.batch import Dataset, Shape
from lab.data.links import lines
from lab.data.links.lines import Followed, PairLogit, auc_by_graph, link_lines, of_order, windows_of
from lab.data.links.pairs import asked_pairs, is_symmetric
from lab.data.windows import WindowSplit
from lab.spec.models import LinkBaseline
from lab.zoo.link_readouts import IMPOSSIBLE

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


def test_windows_are_what_batches_have_however_few_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, batch = asked_pairs(split(0)), split(0).batch(torch.arange(24), 7)
    (whole,) = windows_of(split(0), pairs)
    assert np.array_equal(whole.last, batch.adjacency[:, -1].bool().numpy())
    assert whole.mean == pytest.approx(whole.at(batch.adjacency.double().mean(1)))
    assert np.array_equal(whole.next, whole.at(batch.y.bool()))
    assert [len(some.next) for some in windows_of(split(0), pairs, 10)] == [8]
    data = Dataset(Shape(7, features=1, window=4), dict.fromkeys(("train", "valid", "test"), split(0)))
    told = link_lines(data)
    monkeypatch.setattr(lines, "CHUNK", 5 * 4 * 7 * 7)
    assert [len(some.next) for some in windows_of(split(0), pairs)] == [5, 5, 5, 5, 4]
    assert link_lines(data) == pytest.approx(told)


def test_a_frame_seen_before_tells_what_followed_it_on_average() -> None:
    random = torch.Generator().manual_seed(0)
    a, b, new = (torch.rand(3, 1, 6, 6, generator=random) < 0.5).to(torch.uint8).unbind()
    # a, then a again, then b, then what is new
    graphs = torch.cat([a, a, b, new])[None]
    train = WindowSplit(torch.zeros(1, 4, 6, 1), graphs, graphs, torch.tensor([[0, 0], [0, 1], [0, 2]]), 1)
    pairs = asked_pairs(train)
    asked = WindowSplit(train.x, graphs, graphs.flip(1), torch.tensor([[0, 0], [0, 2]]), 1)
    followed = Followed.fitted(train, pairs)
    (windows,) = windows_of(asked, pairs)
    told = followed.looked_up(windows)
    assert told[0] == pytest.approx((windows.at(a.double())[0] + windows.at(b.double())[0]) / 2)
    assert told[1] == pytest.approx(windows.at(new.double())[0])
    unseen = WindowSplit(train.x, 1 - graphs, graphs, torch.tensor([[0, 0]]), 1)
    (windows,) = windows_of(unseen, pairs)
    assert followed.looked_up(windows)[0] == pytest.approx(followed.marginal)
    assert followed.marginal == pytest.approx(windows.at(graphs[:, 1:].double().mean(1))[0])


def test_pairs_are_ordered_where_edges_have_a_direction() -> None:
    assert len(asked_pairs(split(0))[0]) == 21
    assert is_symmetric(split(0))
    assert len(asked_pairs(split(0, directed=True))[0]) == 42
    assert not is_symmetric(split(0, directed=True))


@pytest.mark.parametrize("directed", [False, True])
def test_the_line_pair_logit_is_the_model_of_that_name_with_the_weights_that_fit_best(directed: bool) -> None:
    train, test = split(0, directed=directed), split(1, directed=directed)
    line = PairLogit.fitted(train, asked_pairs(train))
    model = LinkBaseline(rule="pair_logit").build(Shape(7, features=1, window=4)).double().eval()
    state = {
        "norm.running_mean": line.centre,
        "norm.running_var": line.width**2,
        "odds.weight": line.weight,
        "odds.bias": np.array(line.bias),
    }
    held = model.state_dict()
    model.load_state_dict(held | {name: torch.from_numpy(value).to(held[name]) for name, value in state.items()})
    batch = test.batch(torch.arange(len(test)), 7)
    said = model(type(batch)(batch.x.double(), batch.adjacency, batch.mask, batch.y, batch.ids)).detach()
    (windows,) = windows_of(test, asked_pairs(train))
    assert windows.at(said) == pytest.approx(line(windows), abs=1e-3)
    assert (said[:, torch.eye(7, dtype=torch.bool)] == IMPOSSIBLE).all()


def test_many_windows_of_large_graphs_are_never_held_at_once() -> None:
    graphs = (torch.rand(1, 1010, 64, 64, generator=torch.Generator().manual_seed(0)) < 0.05).to(torch.uint8).triu(1)
    graphs = graphs | graphs.mT
    every = torch.stack([torch.zeros(1000, dtype=torch.int64), torch.arange(1000)], dim=1)
    train = WindowSplit(torch.zeros(1, 1010, 64, 1), graphs, graphs, every, 10)
    tracemalloc.start()
    followed = Followed.fitted(train, asked_pairs(train))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1000 * 64 * 64 / 2  # a byte an entry of every answer would be twice that, its mean sixteen times
    assert len(followed.behind) == 1000


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
