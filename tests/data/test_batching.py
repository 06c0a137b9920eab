"""An epoch's batches: every graph once, like sizes together, and still a fair shuffle."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data.batch import Split
from lab.data.batching import MULTIPLE, WINDOW, Planned, epoch_batches, evaluation_batches
from lab.spec.experiment import Order

pytestmark = pytest.mark.torch

SIZES = st.lists(st.integers(1, 200), min_size=1, max_size=150).map(torch.tensor)
BATCH = st.integers(1, 40)
ORDER = st.sampled_from(["grouped", "random"])
KEY = st.integers(0, 2**63 - 1)
some = settings(max_examples=60, deadline=None)


def flat(batches: list[Planned]) -> list[int]:
    return [graph for index, _ in batches for graph in index.tolist()]


@some
@given(SIZES, BATCH, ORDER, KEY)
def test_every_graph_comes_exactly_once_in_batches_of_the_asked_size(
    sizes: torch.Tensor, batch: int, order: Order, key: int
) -> None:
    batches = epoch_batches(sizes, batch, order, key)
    assert sorted(flat(batches)) == list(range(len(sizes)))
    lengths = sorted((len(index) for index, _ in batches), reverse=True)
    full, rest = divmod(len(sizes), batch)
    assert lengths == [batch] * full + [rest] * (rest > 0)


@some
@given(SIZES, BATCH, KEY)
def test_grouped_batches_are_padded_to_multiples_and_never_beyond_the_largest_graph(
    sizes: torch.Tensor, batch: int, key: int
) -> None:
    for index, nodes in epoch_batches(sizes, batch, "grouped", key):
        assert int(sizes[index].max()) <= nodes < int(sizes[index].max()) + MULTIPLE
        assert nodes % MULTIPLE == 0 or nodes == int(sizes.max())
        assert nodes <= int(sizes.max())


@some
@given(SIZES, BATCH, KEY)
def test_random_batches_are_padded_to_their_own_largest_graph(sizes: torch.Tensor, batch: int, key: int) -> None:
    for index, nodes in epoch_batches(sizes, batch, "random", key):
        assert nodes == int(sizes[index].max())


@some
@given(SIZES, BATCH, ORDER, KEY)
def test_the_key_alone_decides_whatever_else_draws_random_numbers(
    sizes: torch.Tensor, batch: int, order: Order, key: int
) -> None:
    first = epoch_batches(sizes, batch, order, key)
    torch.manual_seed(0)
    torch.rand(3)
    state = torch.get_rng_state()
    again = epoch_batches(sizes, batch, order, key)
    assert [(index.tolist(), nodes) for index, nodes in first] == [(index.tolist(), nodes) for index, nodes in again]
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("order", ["grouped", "random"])
def test_different_keys_give_different_epochs(order: Order) -> None:
    sizes = torch.arange(300) % 150 + 30
    assert len({tuple(flat(epoch_batches(sizes, 32, order, key))) for key in range(50)}) == 50


@some
@given(SIZES, BATCH)
def test_evaluation_takes_every_graph_once_from_small_to_large(sizes: torch.Tensor, batch: int) -> None:
    batches = evaluation_batches(sizes, batch)
    assert sorted(flat(batches)) == list(range(len(sizes)))
    assert sizes[flat(batches)].tolist() == sorted(sizes.tolist())
    assert all(int(sizes[index].max()) <= nodes <= int(sizes.max()) for index, nodes in batches)


def test_grouping_pads_less_than_a_random_order() -> None:
    sizes = torch.randint(44, 188, (2048,), generator=torch.Generator().manual_seed(0))

    def work(order: Order) -> int:
        return sum(len(index) * nodes**2 for index, nodes in epoch_batches(sizes, 32, order, 1))

    assert work("grouped") < 0.75 * work("random")
    assert len({nodes for _, nodes in epoch_batches(sizes, 32, "grouped", 1)}) <= 12


def test_within_a_window_no_batch_holds_a_graph_between_those_of_another() -> None:
    sizes = torch.randint(1, 200, (WINDOW * 10,), generator=torch.Generator().manual_seed(0))
    spans = sorted(
        (int(sizes[index].min()), int(sizes[index].max())) for index, _ in epoch_batches(sizes, 10, "grouped", 3)
    )
    assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))


@pytest.mark.parametrize("order", ["grouped", "random"])
@pytest.mark.parametrize("count", [40, 43])
def test_every_graph_is_as_likely_early_as_late_whatever_its_size(order: Order, count: int) -> None:
    """The mean place over many epochs is the middle for all; a bias of the size would show at the ends."""
    epochs, sizes = 2000, torch.arange(count) * 4 + 5
    places = torch.zeros(count, dtype=torch.float64)
    for key in range(epochs):
        batches = epoch_batches(sizes, 4, order, key)
        for place, (index, _) in enumerate(batches):
            places[index] += (place + 0.5) / len(batches)
    error = 4.5 * (1 / 12 / epochs) ** 0.5
    assert (places / epochs - 0.5).abs().max() < error


def test_every_graph_meets_every_other_sooner_or_later() -> None:
    sizes = torch.arange(64) + 20
    met = torch.eye(64, dtype=torch.bool)
    for key in range(600):
        for index, _ in epoch_batches(sizes, 4, "grouped", key):
            met[index[:, None], index] = True
    distance = (sizes[:, None] - sizes).abs()
    assert met[distance <= 6].all()


def test_any_graph_may_be_in_the_short_batch_whatever_its_size() -> None:
    epochs, sizes = 3000, torch.arange(10) + 1
    short = torch.zeros(10)
    for key in range(epochs):
        for index, _ in epoch_batches(sizes, 4, "grouped", key):
            short[index] += len(index) == 2
    assert (short / epochs - 0.2).abs().max() < 4 * (0.2 * 0.8 / epochs) ** 0.5


def test_the_edge_list_of_a_batch_counts_edges_as_its_matrix_does() -> None:
    adjacency = torch.tensor([[[0, 2], [1, 0]], [[1, 0], [0, 0]]], dtype=torch.uint8)
    nodes = torch.zeros(2, 2, dtype=torch.int64)
    batch = Split(nodes, adjacency, nodes, torch.tensor([2, 1])).batch(torch.tensor([1, 0]), 2)
    assert batch.edges.T.tolist() == [[0, 0], [2, 3], [2, 3], [3, 2]]
