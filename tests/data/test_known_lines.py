"""The lines that every score is read against are the ones the specification computed."""

from __future__ import annotations

import itertools

import pytest
import torch

from lab.data.baselines import degree_lines, known_lines, token_bound
from lab.data.batch import IGNORED, Split
from lab.data.sbm import cluster, pattern
from lab.spec.datasets import Cluster, Pattern

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def lines() -> dict[str, float]:
    return known_lines(pattern(Pattern(train=1000, valid=1, test=500), 0))


@pytest.mark.parametrize(
    ("line", "value"), [("degree", 0.707), ("degree_standardised", 0.828), ("degree_share", 0.852)]
)
def test_logistic_regression_on_the_degree_reaches_the_known_accuracies(
    line: str, value: float, lines: dict[str, float]
) -> None:
    assert lines[line] == pytest.approx(value, abs=0.012)


def test_the_lines_of_pattern_stand_in_their_order(lines: dict[str, float]) -> None:
    assert lines["chance"] == 0.5
    assert 0.5 < lines["tokens"] < 0.53
    assert lines["tokens"] < lines["degree"] < lines["degree_standardised"] < lines["degree_share"]


def test_the_degree_tells_nothing_on_cluster_and_the_revealed_nodes_little() -> None:
    lines = known_lines(cluster(Cluster(train=300, valid=1, test=300), 0))
    assert lines["chance"] == pytest.approx(1 / 6)
    assert lines["degree_share"] == pytest.approx(1 / 6, abs=0.01)
    assert lines["tokens"] == pytest.approx(1 / 6 + 5 / 6 / 19.5, abs=0.005)


@pytest.mark.parametrize("seed", range(6))
def test_one_shared_pattern_leaks_through_its_tokens(seed: int) -> None:
    spec = Pattern(train=400, valid=1, test=1, patterns=1, pattern_size=18)
    split = pattern(spec, seed).splits["train"]
    counts = torch.bincount(split.x[0][split.y[0] == 1], minlength=3)
    above = counts[counts > 6]
    expected = 0.5 + 0.5 * float((above / 18 - 1 / 3).sum())
    assert token_bound(split, tokens=3, classes=2) == pytest.approx(expected, abs=0.006)


def test_the_token_bound_is_the_best_of_all_rules() -> None:
    spec = Pattern(train=8, valid=1, test=1, patterns=2)
    split = pattern(spec, 4).splits["train"]
    x, y = split.x[split.y != IGNORED], split.y[split.y != IGNORED]

    def accuracy(rule: tuple[int, ...]) -> float:
        said = torch.tensor(rule)[x]
        return sum(float((said[y == label] == label).float().mean()) for label in (0, 1)) / 2

    best = max(accuracy(rule) for rule in itertools.product((0, 1), repeat=3))
    assert token_bound(split, tokens=3, classes=2) == pytest.approx(best)


def test_a_class_without_nodes_is_left_out_of_the_token_bound() -> None:
    x = torch.tensor([[0, 1, 0]])
    split = Split(x, torch.zeros(1, 3, 3, dtype=torch.uint8), torch.tensor([[0, 2, IGNORED]]), torch.tensor([3]))
    assert token_bound(split, tokens=2, classes=3) == 1.0


def test_padding_does_not_move_the_lines() -> None:
    train, test = (pattern(Pattern(train=20, valid=1, test=10), 0).splits[name] for name in ("train", "test"))

    def wider(split: Split) -> Split:
        pad = torch.nn.functional.pad
        edges = pad(split.adjacency, (0, 9, 0, 9))
        return Split(pad(split.x, (0, 9)), edges, pad(split.y, (0, 9), value=IGNORED), split.sizes)

    assert degree_lines(wider(train), wider(test)) == pytest.approx(degree_lines(train, test))


def test_regular_graphs_do_not_divide_by_zero() -> None:
    edges = (1 - torch.eye(4, dtype=torch.uint8)).expand(2, 4, 4).contiguous()
    split = Split(torch.zeros(2, 4, dtype=torch.int64), edges, torch.tensor([[0, 1, 0, 1]] * 2), torch.tensor([4, 4]))
    assert set(degree_lines(split, split).values()) == {0.5}
