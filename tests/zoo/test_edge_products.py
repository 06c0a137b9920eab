"""Products of pairs: against arrays worked out from the notes, against plain sums, and the worked example of a line."""

from __future__ import annotations

import pytest
import torch

from lab.spec.models import EdgeTransformer
from lab.zoo.edge_products import EdgeProduct, Scores
from lab.zoo.walks import walk_stack

pytestmark = pytest.mark.torch


def product(width, left, right=None, **options):
    """A product whose weights are given, [channels, width] each."""
    made = EdgeProduct(EdgeTransformer(separate=right is not None, **options), width).double()
    with torch.no_grad():
        made.left.weight.copy_(left)
        if made.right is not None:
            made.right.weight.copy_(right)
    return made


def line(nodes, powers):
    """Walk vectors [nodes, nodes, powers] of a line."""
    one = torch.ones(1, nodes, nodes)
    edges = one.tril(1).triu(-1) - torch.eye(nodes)
    return walk_stack(edges, torch.ones(1, nodes, dtype=torch.bool), powers, torch.float64)[0].movedim(0, -1)


@pytest.mark.parametrize("kind", ["path", "cluster"])
@pytest.mark.parametrize("separate", [True, False])
def test_products_equal_the_values_worked_out_from_the_notes(reference, kind, separate):
    known = {name: array.double() for name, array in reference("positional_edge_attention").items()}
    state, query, key = (known[name] for name in ("edge_features", "wq", "wk"))
    made = product(4, query if separate else key, key if separate else None, product=kind)
    found = made(state[None], torch.ones(1, *state.shape[:2], dtype=torch.float64))[0, ..., 0]
    torch.testing.assert_close(found, known[f"{kind}_{'qk' if separate else 'kk'}"], atol=1e-5, rtol=0)


def test_the_worked_example_of_a_line_equals_the_values_on_record(reference):
    known = reference("positional_edge_attention")
    torch.testing.assert_close(line(4, range(4)).float(), known["line4.features"])
    torch.testing.assert_close(summed()[0].float(), known["line4.h_sum"])
    torch.testing.assert_close(summed()[1].float(), known["line4.summed_similarity"])
    torch.testing.assert_close(unsummed().float(), known["line4.flat_similarity"])


def summed():
    """Powers 0..3 added up, and the product with a second head that is negated and transposed."""
    walks, ones = line(4, range(4)), torch.ones(1, 4)
    made = product(4, ones, -ones, product="cluster")
    return walks.sum(-1), made(walks[None], torch.ones(1, 4, 4))[0, ..., 0].detach()


def unsummed():
    """The same with a channel for every power, summed over inside the product only."""
    made = product(4, torch.eye(4), -torch.eye(4), product="cluster", product_size=4)
    return made(line(4, range(4))[None], torch.ones(1, 4, 4))[0, ..., 0].detach()


def test_on_a_line_of_four_the_mirror_does_not_win_when_summed_and_ties_when_not():
    sums, scores = summed()
    assert sums[:2].tolist() == [[1.5, 1.75, 0.5, 0.25], [0.875, 1.75, 1.125, 0.25]]
    assert scores[1, 2:].tolist() == [-4.375, -3.4375]
    assert unsummed()[0].tolist() == [-3.125, 0, -1.5625, 0]


@pytest.mark.parametrize("kind", ["path", "cluster"])
@pytest.mark.parametrize("size", [1, 3])
def test_a_product_is_the_plain_sum_over_real_nodes_and_channels(kind, size):
    torch.manual_seed(0)
    state = torch.randn(2, 6, 6, 5, dtype=torch.float64)
    left, right = torch.randn(2, 2 * size, 5, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    real = (mask[:, :, None] & mask[:, None, :]).double()
    made = product(5, left, right, product=kind, products=2, product_size=size)
    found = made(state, real)
    for graph, nodes in enumerate((6, 4)):
        one, other = (state[graph, :nodes, :nodes] @ weight.T for weight in (left, right))
        for row in range(nodes):
            for column in range(nodes):
                second = other[:, column] if kind == "path" else other[column]
                sums = (one[row] * second).sum(0).view(2, size).sum(-1)
                torch.testing.assert_close(found[graph, row, column], sums)


def test_shared_weights_make_cluster_scores_symmetric_and_never_negative_as_a_form():
    torch.manual_seed(1)
    made = product(3, torch.randn(1, 3), product="cluster")
    scores = made(torch.randn(1, 7, 7, 3, dtype=torch.float64), torch.ones(1, 7, 7))[0, ..., 0]
    torch.testing.assert_close(scores, scores.T)
    assert torch.linalg.eigvalsh(scores).min() > -1e-10


def test_scores_are_mapped_over_real_pairs_only():
    torch.manual_seed(2)
    scores = torch.randn(1, 5, 5, 2)
    real = torch.zeros(1, 5, 5)
    real[:, :3, :3] = 1
    inner = scores[:, :3, :3]
    assert torch.equal(Scores("identity")(scores, real), scores)
    torch.testing.assert_close(Scores("mean")(scores, real)[:, :3, :3], inner / 3)
    assert torch.equal(Scores("relu")(scores, real)[:, :3, :3], inner.relu())
    weights = Scores("softmax")(scores, real)
    torch.testing.assert_close(weights[:, :3, :3], inner.softmax(2))
    assert not weights[:, 3:].any()
    assert not weights[:, :, 3:].any()
    even = Scores("standardise")(scores, real)[:, :3, :3]
    torch.testing.assert_close(even.mean((1, 2)), torch.zeros(1, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(even.var((1, 2), correction=0), torch.ones(1, 2), atol=1e-4, rtol=0)


def test_a_product_needs_no_room_that_grows_with_the_third_power_of_the_nodes():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            self.numbers = max([self.numbers, *(one.numel() for one in _tensors(out))])
            return out

    made = EdgeProduct(EdgeTransformer(products=2, product_size=2), 5)
    with Largest() as seen:
        made(torch.randn(1, 40, 40, 5), torch.ones(1, 40, 40)).sum().backward()
    assert seen.numbers == 40 * 40 * 5


def _tensors(out):
    return [one for one in (out if isinstance(out, (tuple, list)) else [out]) if isinstance(one, torch.Tensor)]
