"""Which graphs a batch of windows gives to its model."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch

from lab.data.batch import Batch
from lab.spec.models import Astgcn, Stgcn
from lab.spec.models.graph_source import GraphSource, Source
from lab.testing import FORECAST, LINKS, small_batch
from lab.zoo.graph_source import graph_of, shuffled

pytestmark = pytest.mark.torch
BATCH = small_batch(LINKS)
models = pytest.mark.parametrize("kind", [Stgcn, Astgcn])


def chosen(source: str, batch: Batch = BATCH) -> torch.Tensor:
    return graph_of(GraphSource(source=source), batch)


def part(batch: Batch, index: list[int]) -> Batch:
    return Batch(*(getattr(batch, name)[index] for name in ("x", "adjacency", "mask", "y", "ids")))


def test_each_source_is_the_graph_that_it_names():
    graphs = BATCH.adjacency.float()
    assert torch.equal(chosen("own_last"), graphs[:, -1])
    assert torch.equal(chosen("own_first"), graphs[:, 0])
    assert torch.equal(chosen("own_per_frame"), graphs)
    assert torch.equal(chosen("window_mean_weighted"), graphs.mean(1))
    assert torch.equal(chosen("first_of_batch_first_frame"), graphs[:1, 0])
    assert chosen("none") is None


def test_a_shuffled_graph_is_as_dense_has_the_same_degrees_and_is_another_one():
    known, found = BATCH.adjacency[:, -1], chosen("random_same_density")
    assert torch.equal(found, found.mT)
    assert torch.equal(found.sum(1).sort().values, known.float().sum(1).sort().values)
    assert not torch.equal(found, known.float())


def test_a_window_is_shuffled_alike_in_whatever_batch_it_comes():
    whole, alone = chosen("random_same_density"), chosen("random_same_density", part(BATCH, [2]))
    assert torch.equal(whole[2:], alone)
    assert not torch.equal(shuffled(BATCH.adjacency[:1, -1], torch.tensor([1])), whole[:1])


def test_one_known_graph_is_the_same_to_all_sources_but_two():
    batch = small_batch(FORECAST)
    known = batch.adjacency[:1]
    for source in get_args(Source):
        if source not in ("random_same_density", "none"):
            assert torch.equal(chosen(source, batch), known), source
    assert chosen("none", batch) is None
    assert not torch.equal(chosen("random_same_density", batch)[:1], known)


def test_weights_that_are_not_read_make_every_edge_count_alike():
    weighted = replace(BATCH, adjacency=BATCH.adjacency * 0.3)
    found = graph_of(GraphSource(weights=False), weighted)
    assert torch.equal(found, BATCH.adjacency[:, -1].float())


@models
@pytest.mark.parametrize("source", get_args(Source))
def test_only_the_first_graph_of_a_batch_makes_an_answer_depend_on_its_company(kind, source):
    torch.manual_seed(0)
    model = kind(graph=GraphSource(source=source)).build(LINKS).eval()
    alone, other = model(part(BATCH, [2])), model(part(BATCH, [0, 2]))[1:]
    reads_company = source == "first_of_batch_first_frame"
    assert torch.allclose(alone, other, rtol=1e-4, atol=1e-5) is not reads_company
