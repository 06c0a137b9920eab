"""Walk stacks against arrays of the original, and their rules."""

from __future__ import annotations

import pytest
import torch

from lab.zoo.walks import one_hot, walk_stack

pytestmark = pytest.mark.torch

GRAPHS = ["line4", "tri_square", "isolated", "directed", "dup_self", "pyramid4", "sbm12"]
POWERS = {"p01234": range(5), "p01": (0, 1), "p12": (1, 2), "p024": (0, 2, 4), "p0_to_8": range(9)}


def stack(edges, nodes, powers, padding=0):
    adjacency = torch.zeros(1, nodes + padding, nodes + padding, dtype=torch.uint8)
    adjacency[0].index_put_(tuple(edges), torch.ones(edges.shape[1], dtype=torch.uint8), accumulate=True)
    return walk_stack(adjacency, torch.arange(nodes + padding)[None] < nodes, tuple(powers), torch.float32)


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("powers", POWERS)
def test_stacks_equal_those_of_the_original(reference, graph, powers):
    known = reference("positional_adjstack")
    found = stack(known[f"{graph}.edge_index"], int(known[f"{graph}.num_nodes"]), POWERS[powers])
    torch.testing.assert_close(found[0], known[f"{graph}.{powers}.walk"], atol=1e-6, rtol=0)
    assert torch.equal(one_hot(found)[0], known[f"{graph}.{powers}.onehot"])


def test_padding_holds_zeros_in_every_power():
    edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    bare, padded = stack(edges, 3, range(4)), stack(edges, 3, range(4), padding=2)
    assert torch.equal(padded[..., :3, :3], bare)
    assert padded.sum() == bare.sum()


def test_an_isolated_node_walks_nowhere_but_stays_at_power_zero():
    found = stack(torch.tensor([[0, 1], [1, 0]]), 3, range(3))
    assert found[0, :, 2].tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]


def test_self_loops_and_repeated_edges_do_not_count():
    plain = stack(torch.tensor([[0, 1], [1, 0]]), 2, range(3))
    noisy = stack(torch.tensor([[0, 0, 1, 1], [1, 1, 0, 1]]), 2, range(3))
    assert torch.equal(plain, noisy)


def test_rows_of_directed_graphs_read_their_successors():
    found = stack(torch.tensor([[0], [1]]), 2, (1,))
    assert found[0, 0].tolist() == [[0, 1], [0, 0]]
