"""Models can be captured whole, so that compiling them is an option and never a surprise."""

from __future__ import annotations

import copy

import pytest
import torch

from lab.spec.models import EdgeTransformer, Gin, GraphTransformer
from lab.testing import CLASSIFY, small_batch

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.mark.parametrize(
    "spec",
    [
        Gin(layers=1, width=8, dropout=0.1),
        GraphTransformer(layers=1, width=8, feed_forward=8, mlp_norm="batch", dropout=0.1),
        GraphTransformer(layers=1, width=8, feed_forward=8, attention="content", distance_bias=True),
        EdgeTransformer(layers=1, width=8, feed_forward=8, edge_layers=1, scores="softmax", edge_norm="batch"),
    ],
)
def test_a_captured_model_is_one_graph_and_gives_the_same_numbers(spec):
    alone = spec.build(CLASSIFY)
    captured = copy.deepcopy(alone)
    batch = small_batch(CLASSIFY)
    known = alone(batch)
    found = torch.compile(captured, backend="aot_eager", fullgraph=True)(batch)
    assert torch.equal(found, known)
    known.sum().backward()
    found.sum().backward()
    for one, other in zip(alone.parameters(), captured.parameters(), strict=True):
        assert (one.grad is None and other.grad is None) or torch.allclose(one.grad, other.grad)
    for one, other in zip(alone.buffers(), captured.buffers(), strict=True):
        assert torch.equal(one, other)
