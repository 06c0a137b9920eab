"""The lines that every score is read against are the ones the specification computed."""

from __future__ import annotations

import itertools

import pytest
import torch

from lab.data.baselines import block_model_lines, degree_lines, pair_lines, token_bound, token_lines
from lab.data.batch import IGNORED, Split
from lab.data.sbm import cluster, pattern
from lab.spec.datasets import Cluster, Lines, Palindromes, Pattern, Pyramid, PyramidNodes

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def lines() -> dict[str, float]:
    return block_model_lines(pattern(Pattern(train=1000, valid=1, test=500), 0))


@pytest.mark.parametrize(
    ("line", "value"),
    [("degree", 0.707), ("degree, standardised", 0.828), ("degree / N", 0.852), ("degree and neighbours", 0.866)],
)
def test_logistic_regression_on_the_degree_reaches_the_known_accuracies(
    line: str, value: float, lines: dict[str, float]
) -> None:
    assert lines[line] == pytest.approx(value, abs=0.012)


def test_the_lines_of_pattern_stand_in_their_order(lines: dict[str, float]) -> None:
    assert lines["chance"] == 0.5
    assert 0.5 < lines["token leak"] < 0.53
    assert list(lines.values()) == sorted(lines.values())


def test_the_degree_tells_nothing_on_cluster_and_the_revealed_nodes_little() -> None:
    lines = block_model_lines(cluster(Cluster(train=300, valid=1, test=300), 0))
    assert lines["chance"] == pytest.approx(1 / 6)
    assert lines["degree / N"] == pytest.approx(1 / 6, abs=0.01)
    assert lines["token leak"] == pytest.approx(1 / 6 + 5 / 6 / 19.5, abs=0.005)


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


def test_on_graphs_that_share_a_pattern_and_are_scored_themselves_the_leak_is_the_known_one() -> None:
    """One pattern of 18 nodes of which k carry the commonest token: 1/2 + 1/2 (k/18 - 1/3), 0.611 for k = 10."""
    spec = Pattern(train=32, patterns=1, pattern_size=18, pattern_tokens=(2, 6, 10), scored="training")
    built = spec.build(0)
    test = built.splits["test"]
    assert torch.bincount(test.x[test.y == 1]).tolist() == [64, 192, 320]
    assert spec.lines(built)["token leak"] == pytest.approx(0.611, abs=0.015)
    drawn = spec.model_copy(update={"pattern_tokens": "drawn"}).build(0).splits["train"]
    assert torch.equal(drawn.adjacency, built.splits["train"].adjacency)
    with pytest.raises(ValueError, match="18 nodes, but pattern_size is 20"):
        Pattern(pattern_size=20, pattern_tokens=(2, 6, 10))


def test_published_scores_are_told_of_the_published_kind_of_graphs_only() -> None:
    assert Pattern(train=50, valid=5, test=5, source="pyg").published()["GRIT, published"] == 0.87196
    assert "best known (GRIT)" in Cluster(draw="per_seed").published()
    assert Pattern(pattern_size=20).published() == {}
    assert Pattern(scored="training").published() == {}


def test_looking_up_is_the_line_of_pyramids() -> None:
    lines = pair_lines(Pyramid(base=10, valid_base=14, test_base=11).build(0))
    assert lines["test.acc: always no"] == pytest.approx(2 / 3, abs=0.001)
    for split, told in (("train", 0.845), ("test", 0.825), ("valid", 0.780)):
        assert lines[f"{split}.acc: look-up, 5 powers"] == pytest.approx(told, abs=5e-4)
    assert lines["test.acc: look-up, 10 powers"] == pytest.approx(0.783, abs=5e-4)
    assert lines["test.false_positives: always yes"] == lines["test.acc: always no"]


def test_looking_up_knows_mirrors_of_lines_that_it_has_seen_only() -> None:
    lines = pair_lines(Lines(sizes=(2, 9), test_sizes=(10, 10)).build(0))
    assert lines["test.acc: always no"] == pytest.approx(0.9 - 0.1)
    assert all(0.7 < value < 0.95 for name, value in lines.items() if name.startswith("test.acc: look-up"))
    assert lines["train.acc: look-up, 10 powers"] == pytest.approx(0.958, abs=5e-4)


def test_revealed_nodes_are_all_that_tokens_tell_of_a_colouring() -> None:
    lines = token_lines(PyramidNodes(base=3, valid_base=4, test_base=5, examples=40).build(0))
    assert lines["chance"] == pytest.approx(1 / 3)
    assert lines["tokens alone"] == pytest.approx((1 + 1 / 5 + 1 / 5) / 3, abs=1e-6)
    assert lines["plain_acc: tokens alone"] == pytest.approx((3 + 12 / 3) / 15, abs=0.03)


def test_what_is_shown_of_a_palindrome_tells_nothing_by_itself() -> None:
    lines = token_lines(Palindromes().build(0))
    assert lines["tokens alone"] == 0.5
    assert lines["plain_acc: largest class"] == pytest.approx(0.5, abs=0.05)
