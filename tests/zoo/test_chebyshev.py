"""The dense Chebyshev convolution against PyTorch Geometric's, on graphs of every kind."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.nn import ChebConv
from torch_geometric.utils import dense_to_sparse

from lab.zoo.chebyshev import Chebyshev, collected, matrix_polynomials, messages, polynomials

pytestmark = pytest.mark.torch


def directed(seed, nodes=7):
    """A directed, weighted graph with self-loops and a node without edges."""
    random = torch.Generator().manual_seed(seed)
    graph = torch.rand(nodes, nodes, generator=random, dtype=torch.float64)
    graph = graph * (graph < 0.5)
    graph[-1] = graph[:, -1] = 0
    return graph


@given(seed=st.integers(0, 50), terms=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_it_is_the_convolution_of_torch_geometric_on_directed_weighted_graphs(seed, terms):
    graph = directed(seed)
    ours, theirs = Chebyshev(3, 5, terms).double(), ChebConv(3, 5, terms).double()
    with torch.no_grad():
        theirs.bias.copy_(ours.bias.normal_())
        for weight, linear in zip(ours.weight, theirs.lins, strict=True):
            linear.weight.copy_(weight.mT)
    x = torch.randn(1, 7, 2, 3, dtype=torch.float64)
    found = ours(x, messages(graph[None]))
    for frame in range(2):
        known = theirs(x[0, :, frame], *dense_to_sparse(graph))
        torch.testing.assert_close(found[0, :, frame], known, rtol=1e-10, atol=1e-10)


def test_a_node_without_edges_collects_nothing_and_self_loops_do_not_count():
    graph = directed(0)
    matrix = messages(graph)
    assert (matrix[-1] == 0).all()
    assert (matrix.diagonal() == 0).all()
    torch.testing.assert_close(messages(graph - graph.diagonal().diag()), matrix)


def test_polynomials_of_the_matrix_are_those_applied_to_x():
    matrix = messages(directed(1))[None]
    x = torch.randn(1, 7, 2, 3, dtype=torch.float64)
    applied = list(polynomials(matrix, x, 4))
    for polynomial, known in zip(matrix_polynomials(matrix, 4), applied[1:], strict=True):
        torch.testing.assert_close(collected(polynomial, x), known)


def test_a_matrix_for_every_frame_is_collected_along_frame_by_frame():
    matrices = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    x = torch.randn(2, 5, 4, 3, dtype=torch.float64)
    known = torch.stack([collected(matrices[:, frame], x[:, :, frame, None])[:, :, 0] for frame in range(4)], 2)
    torch.testing.assert_close(collected(matrices, x), known)


def test_more_terms_leave_the_start_of_the_first_ones_as_it_was():
    weights = []
    for terms in (2, 3):
        torch.manual_seed(5)
        weights.append(Chebyshev(4, 6, terms).weight)
    assert torch.equal(weights[0], weights[1][:2])
