"""Encodings of nodes' places: right numbers, the same whatever the padding, flipped by the step's key alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published import PATTERN, directed_batch
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from lab.data.batch import Batch, Split
from lab.data.batching import Prepared
from lab.data.sbm import pattern
from lab.spec.datasets import Pattern
from lab.spec.models.encoding import NodeEncoding
from lab.testing import CLASSIFY, small_batch
from lab.zoo.encodings import Beginning, DeepSet, SignFlip, laplacian_eigens, returns
from lab.zoo.parts import way_in

pytestmark = pytest.mark.torch


def some_of_pattern() -> Split:
    """Six graphs of PATTERN with small communities."""
    return pattern(Pattern(sizes=(5, 12), train=6, valid=1, test=1), 0).splits["train"]


def wider(batch: Batch, more: int) -> Batch:
    """The same graphs with more padding."""
    graphs, nodes = batch.mask.shape
    adjacency = torch.zeros(graphs, nodes + more, nodes + more, dtype=batch.adjacency.dtype)
    adjacency[:, :nodes, :nodes] = batch.adjacency
    grow = torch.zeros(graphs, more, dtype=torch.int64)
    mask = torch.cat([batch.mask, grow.bool()], 1)
    return Batch(torch.cat([batch.x, grow], 1), adjacency, mask, torch.cat([batch.y, grow], 1), batch.ids)


@pytest.mark.parametrize("laplacian", ["plain", "symmetric"])
def test_eigenvectors_solve_the_equation_of_the_laplacian(laplacian):
    batch = small_batch(CLASSIFY)
    spec = NodeEncoding(frequencies=9, laplacian=laplacian)
    entries, values = laplacian_eigens(batch, spec, torch.float64)
    for graph, size in enumerate(batch.mask.sum(1).tolist()):
        edges = batch.adjacency[graph, :size, :size].double()
        degree = edges.sum(0)
        root = degree.clamp(min=1).rsqrt()
        whole = torch.diag(degree) - edges if laplacian == "plain" else torch.eye(size) - root[:, None] * edges * root
        known, own = values[graph, 0, :size], entries[graph, :size, :size]
        torch.testing.assert_close(whole @ own, own * known, atol=1e-9, rtol=0)
        torch.testing.assert_close(own.T @ own, torch.eye(size, dtype=torch.float64), atol=1e-9, rtol=0)
        assert (known.diff() >= -1e-9).all()
        assert (entries[graph, size:] == 0).all()
        assert (entries[graph, :, size:] == 0).all()


def test_eigenvectors_without_the_constant_one_are_those_of_torch_geometric_up_to_their_sign():
    batch = some_of_pattern().batch(torch.tensor([0]), 96)
    size = int(batch.mask.sum())
    spec = NodeEncoding(frequencies=2, laplacian="symmetric", constant=False)
    found = laplacian_eigens(batch, spec, torch.float64)[0][0, :size]
    data = Data(edge_index=batch.adjacency[0, :size, :size].nonzero().T, num_nodes=size)
    known = AddLaplacianEigenvectorPE(2, attr_name="pe", is_undirected=True)(data).pe.double()
    torch.testing.assert_close(found.abs(), known.abs(), atol=1e-5, rtol=0)


def test_returns_are_those_of_torch_geometric():
    batch = small_batch(CLASSIFY)
    found = returns(batch, 6, torch.float32)
    for graph, size in enumerate(batch.mask.sum(1).tolist()):
        data = Data(edge_index=batch.adjacency[graph, :size, :size].nonzero().T, num_nodes=size)
        known = AddRandomWalkPE(6, attr_name="pe")(data).pe
        torch.testing.assert_close(found[graph, :size], known, atol=1e-6, rtol=0)


def test_encodings_are_the_same_to_the_bit_whatever_the_padding_and_the_company():
    split = some_of_pattern()
    beginning = Beginning(NodeEncoding(source="both"), PATTERN, 48, way_in=way_in)

    class Model(torch.nn.Module):
        def prepare(self, batch):
            return beginning.prepare(batch, torch.float32)

    kept, fresh = Prepared(split, Model()), Prepared(split, Model(), 0)
    index = torch.tensor([4, 1])
    nodes = int(split.sizes[index].max())
    one, other = kept.batch(index, nodes).extra, fresh.batch(index, nodes).extra
    assert kept.is_kept
    assert not fresh.is_kept
    assert torch.equal(one["eigenvectors"], other["eigenvectors"])
    assert torch.equal(one["eigenvalues"], other["eigenvalues"])
    torch.testing.assert_close(one["returns"], other["returns"])


def test_directed_and_parallel_edges_join_both_nodes_once():
    batch = directed_batch()
    spec = NodeEncoding(frequencies=5)
    joined = (batch.adjacency + batch.adjacency.transpose(1, 2)).clamp(max=1)
    both = replace(batch, adjacency=joined)
    told = [laplacian_eigens(each, spec, torch.float64) for each in (batch, both)]
    for one, other in zip(*told, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("by_graph", "signs"), [(False, 1), (True, 4)])
def test_signs_flip_by_the_key_in_training_only(by_graph, signs):
    flip = SignFlip(by_graph=by_graph)
    x = torch.ones(4, 3, 64)
    drawn = []
    for key in range(2):
        flip.key.fill_(key)
        told = flip(x)
        assert told.abs().eq(1).all()
        assert told[:, :1].eq(told).all()
        assert len({tuple(row) for row in told[:, 0].tolist()}) == signs
        assert 0.2 < told.gt(0).float().mean() < 0.8
        assert torch.equal(flip(x), told)
        drawn.append(told)
    assert not torch.equal(*drawn)
    assert torch.equal(flip.eval()(x), x)


def test_a_graph_smaller_than_the_frequencies_is_encoded_by_those_it_has():
    batch = small_batch(CLASSIFY)
    few, many = (NodeEncoding(frequencies=count) for count in (9, 12))
    deep = DeepSet(5).double()
    told = [deep(*laplacian_eigens(batch, spec, torch.float64), batch.mask, 0)[batch.mask] for spec in (few, many)]
    torch.testing.assert_close(*told)


def test_more_padding_changes_no_encoding_of_a_real_node():
    batch = small_batch(CLASSIFY)
    spec = NodeEncoding(frequencies=6)
    narrow, wide = laplacian_eigens(batch, spec, torch.float64), laplacian_eigens(wider(batch, 4), spec, torch.float64)
    assert torch.equal(narrow[0], wide[0][:, :9])
    assert torch.equal(narrow[1], wide[1])
