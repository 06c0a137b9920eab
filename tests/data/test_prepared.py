"""What a model prepares once of each graph is what it would prepare of each batch."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lab.data.batch import IGNORED, Batch, Dataset, Split
from lab.data.batching import CPU_BUDGET, Prepared, default_budget, epoch_batches, fair_shares, prepare_splits
from lab.data.precision import matmul_precision
from lab.data.sbm import cluster
from lab.data.windows import WindowSplit
from lab.spec.datasets import Cluster

pytestmark = pytest.mark.torch


class Walker(nn.Module):
    """Prepares one tensor of each shape and type there may be, and counts the graphs it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shown = 0

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        self.shown += len(batch.ids)
        edges = batch.adjacency.float()
        step = edges / edges.sum(-1, keepdim=True).clamp(min=1)
        return {
            "walks": torch.stack([step, step @ step, step @ step @ step], dim=1),
            "reach": batch.adjacency > 0,
            "degree": edges.sum(-1),
            "edges": edges.sum((1, 2)),
            "nodes": batch.mask.sum(1),
        }


class Plain(nn.Module):
    """Prepares nothing."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    return cluster(Cluster(train=90, valid=20, test=10, communities=2), 0)


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert one[name].dtype == other[name].dtype, name
        torch.testing.assert_close(one[name], other[name], rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("order", ["grouped", "random"])
@pytest.mark.parametrize("budget", [0, 10**9])
def test_a_batch_carries_what_the_model_prepares_of_it(order: str, budget: int, data: Dataset) -> None:
    split, model = data.splits["train"], Walker()
    prepared = Prepared(split, model, budget)
    assert prepared.is_kept == (budget > 0)
    for index, nodes in epoch_batches(split.sizes, 16, order, 5):
        batch, direct = prepared.batch(index, nodes), split.batch(index, nodes)
        assert torch.equal(batch.adjacency, direct.adjacency)
        assert torch.equal(batch.ids, index)
        assert_same(batch.extra, model.prepare(direct))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=8), st.data())
def test_any_graphs_in_any_order_are_cut_out_rightly(sizes: list[int], draw: st.DataObject) -> None:
    split = rings(sizes)
    index = torch.tensor(draw.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=6)))
    nodes = draw.draw(st.integers(int(split.sizes[index].max()), max(sizes)))
    assert_same(Prepared(split, Walker(), 10**9).batch(index, nodes).extra, Walker().prepare(split.batch(index, nodes)))


def rings(sizes: list[int]) -> Split:
    widest = max(sizes)
    edges = torch.zeros(len(sizes), widest, widest, dtype=torch.uint8)
    y = torch.full((len(sizes), widest), IGNORED)
    for at, nodes in enumerate(sizes):
        here = torch.arange(nodes)
        edges[at, here, here.roll(1)] = 1
        edges[at, here.roll(1), here] = 1
        y[at, :nodes] = here % 2
    return Split(torch.zeros(len(sizes), widest, dtype=torch.int64), edges, y, torch.tensor(sizes))


def test_graphs_are_prepared_once_where_they_are_kept(data: Dataset) -> None:
    split, model = data.splits["train"], Walker()
    prepared = Prepared(split, model, 10**9)
    shown = model.shown
    for epoch in range(3):
        for index, nodes in epoch_batches(split.sizes, 16, "grouped", epoch):
            prepared.batch(index, nodes)
    assert shown == model.shown <= len(split) + 3


def test_the_budget_is_compared_with_what_the_tensors_really_take(data: Dataset) -> None:
    split = data.splits["train"]
    needed = Prepared(split, Walker(), 0).needed_bytes
    whole = Walker().prepare(split.batch(torch.arange(len(split)), int(split.sizes.max())))
    assert needed == sum(one.nbytes for one in whole.values())
    assert Prepared(split, Walker(), needed).is_kept
    assert not Prepared(split, Walker(), needed - 1).is_kept


def test_a_model_that_prepares_nothing_gets_plain_batches(data: Dataset) -> None:
    prepared = Prepared(data.splits["valid"], Plain())
    assert prepared.batch(torch.tensor([3, 1]), 68).extra == {}
    assert prepared.needed_bytes == 0


def test_preparing_is_out_of_the_reach_of_gradients_and_of_low_precision(data: Dataset) -> None:
    class Learnt(Walker):
        def prepare(self, batch: Batch) -> dict[str, Tensor]:
            edges = batch.adjacency.float() * self.weight
            return {"product": edges @ edges}

    split = data.splits["valid"]
    for budget in (0, 10**9):
        with torch.autocast("cpu", torch.bfloat16):
            made = Prepared(split, Learnt(), budget).batch(torch.arange(4), int(split.sizes.max())).extra["product"]
        assert made.dtype == torch.float32
        assert not made.requires_grad


def test_tf32_does_not_reach_what_is_prepared(data: Dataset) -> None:
    seen = []

    class Looking(Walker):
        def prepare(self, batch: Batch) -> dict[str, Tensor]:
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            return super().prepare(batch)

    with matmul_precision("tf32"):
        Prepared(data.splits["valid"], Looking(), 0).batch(torch.arange(4), 68)
        assert torch.backends.cuda.matmul.allow_tf32
    assert set(seen) == {False}


def test_splits_share_a_budget_and_the_large_one_goes_without_first(data: Dataset) -> None:
    needs = {name: Prepared(split, Walker(), 0).needed_bytes for name, split in data.splits.items()}

    def kept(budget: int | None) -> set[str]:
        return {name for name, one in prepare_splits(data, Walker(), budget).items() if one.is_kept}

    assert kept(None) == kept(sum(needs.values())) == {"train", "valid", "test"}
    assert kept(sum(needs.values()) - 1) == {"valid", "test"}
    assert kept(0) == set()
    assert list(prepare_splits(data, Walker(), 0)) == list(data.splits)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(0, 100), min_size=1, max_size=6), st.integers(0, 300))
def test_shares_never_exceed_the_budget_and_smaller_needs_come_first(needs: dict[str, int], budget: int) -> None:
    shares = fair_shares(needs, budget)
    met = {name for name, need in needs.items() if need <= shares[name]}
    assert shares.keys() == needs.keys()
    assert sum(needs[name] for name in met) <= budget
    if sum(needs.values()) <= budget:
        assert met == set(needs)


def test_the_budget_of_the_cpu_is_fixed_so_that_runs_repeat() -> None:
    assert default_budget(torch.device("cpu")) == CPU_BUDGET


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("budget", [0, None])
def test_everything_a_batch_holds_is_where_the_split_is(budget: int | None, data: Dataset) -> None:
    split = data.to(torch.device("cuda")).splits["train"]
    prepared = Prepared(split, Walker().cuda(), budget)
    index, nodes = epoch_batches(split.sizes, 8, "grouped", 0)[0]
    batch = prepared.batch(index, nodes)
    held = [batch.x, batch.adjacency, batch.mask, batch.y, batch.ids, *batch.extra.values()]
    assert {one.device.type for one in held} == {"cuda"}
    assert_same(
        {name: one.cpu() for name, one in batch.extra.items()},
        Walker().prepare(data.splits["train"].batch(index, nodes)),
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an accelerator")
@pytest.mark.parametrize("budget", [0, None])
def test_cutting_a_batch_does_not_wait_for_the_accelerator(budget: int | None, data: Dataset) -> None:
    prepared = Prepared(data.to(torch.device("cuda")).splits["train"], Walker().cuda(), budget)
    batches = epoch_batches(prepared.split.sizes, 8, "grouped", 0)
    prepared.batch(*batches[0])
    torch.cuda.set_sync_debug_mode("error")
    try:
        for planned in batches:
            prepared.batch(*planned)
    finally:
        torch.cuda.set_sync_debug_mode("default")


class Known(nn.Module):
    """Prepares something of the one graph that all windows share, and something of each window."""

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        reached = (batch.adjacency[:1] > 0).expand_as(batch.adjacency)
        return {"reached": reached, "mean": batch.x.mean((1, 2, 3))}


@pytest.mark.parametrize("windows", [1, 2, 70])
def test_what_all_windows_share_is_kept_once(windows: int) -> None:
    starts = torch.stack([torch.zeros(windows), torch.arange(windows)], 1).long()
    values, graph = torch.randn(1, windows + 4, 5, 2), torch.ones(5, 5).triu()
    split = WindowSplit(values, graph, values[..., 0], starts, window=3, horizon=2)
    prepared = Prepared(split, Known())
    assert prepared.is_kept
    assert prepared.needed_bytes == 5 * 5 + 4 * windows
    some = torch.arange(windows).flip(0)
    assert_same(prepared.batch(some, 5).extra, Known().prepare(split.batch(some, 5)))
    assert_same(Prepared(split, Known(), 0).batch(some, 5).extra, prepared.batch(some, 5).extra)
