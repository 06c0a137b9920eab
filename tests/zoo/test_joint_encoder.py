"""The joint encoder: its size, and that its cheap forms compute what its costly forms do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lab.data.batch import Batch, Shape
from lab.spec.models import JointEncoder
from lab.testing import check_model
from lab.train.recompute import attention_kernel
from lab.zoo.footprint import memory_stats

pytestmark = pytest.mark.torch

SHAPE = Shape(nodes=12, features=2, window=20, horizon=4)


def windows(graphs=2, shape=SHAPE):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(graphs, shape.window, shape.nodes, shape.features, generator=random)
    known = (torch.rand(shape.nodes, shape.nodes, generator=random) < 0.3).float().expand(graphs, -1, -1)
    mask = torch.ones(graphs, shape.nodes, dtype=torch.bool)
    y = torch.randn(graphs, shape.horizon, shape.nodes, generator=random)
    return Batch(x, known, mask, y, torch.arange(graphs))


def test_the_encoder_keeps_the_contracts():
    check_model(JointEncoder)


def test_layers_have_as_many_parameters_as_their_algebra_says():
    width, heads = 16, 4
    model = JointEncoder(width=width, heads=heads).build(SHAPE)
    layer = 29 * width**2 + width**2 // heads + 20 * width + (SHAPE.nodes + SHAPE.window) * width
    assert sum(weight.numel() for weight in model.layers.parameters()) == 2 * layer
    assert sum(weight.numel() for weight in model.last.parameters()) == width**2 + width


def test_a_layer_that_is_built_when_called_is_missed_by_what_looks_before():
    model, batch = JointEncoder(width=16, built="when_called").build(SHAPE), windows()
    known = set(model.parameters())
    kept = model.state_dict()
    model(batch).square().mean().backward()
    late = [weight for weight in model.parameters() if weight not in known]
    assert sum(map(torch.numel, late)) > 0.4 * sum(map(torch.numel, model.parameters()))
    assert all(weight.grad.any() for weight in late), "it would learn if anything moved it"
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict(kept)
    assert len(model(batch)) == len(batch.x)
    assert len(model.layers) == 2, "it is built once"


def test_a_node_hears_those_that_have_an_edge_to_it():
    torch.manual_seed(0)
    model = JointEncoder(width=16, layers=1).build(SHAPE)
    known = torch.zeros(1, SHAPE.nodes, SHAPE.nodes)
    known[0, 2, 5] = 1
    hops = []
    model.layers[0].register_forward_pre_hook(lambda _, told: hops.append(told[1][0, 0]))
    model(replace(windows(1), adjacency=known))
    expected = torch.eye(SHAPE.nodes)
    expected[5, [2, 5]] = 0.5
    torch.testing.assert_close(hops[0], expected)


def form(batch, kernel="fused", **options):
    """Outputs and gradients of one form, and what it keeps and holds."""
    torch.manual_seed(0)
    model = JointEncoder(width=32, **options).build(SHAPE)
    with attention_kernel(kernel):
        out = model(batch)
        out.square().mean().backward()
        stats = memory_stats(model, batch)
    return [out.detach(), *(weight.grad for weight in model.parameters())], stats


def test_cheap_forms_find_the_same_and_hold_much_less():
    batch = windows()
    plain, costly = form(batch, "math", product="einsum", broadcast="copied")
    for kernel in ("fused", "math"):
        for product in ("einsum", "reordered"):
            found, _ = form(batch, kernel, product=product)
            for one, other in zip(found, plain, strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    _, cheap = form(batch, "fused", product="reordered")
    assert cheap.saved_bytes < 0.5 * costly.saved_bytes
    assert cheap.peak_bytes < 0.5 * costly.peak_bytes


def test_copying_chunk_by_chunk_costs_what_copying_costs():
    """A view costs nothing: what comes of it is as large as its other operand in any case."""
    peaks = {way: form(windows(), broadcast=way)[1].peak_bytes for way in ("view", "copied", "chunked")}
    assert peaks["view"] <= peaks["copied"]
    assert peaks["chunked"] >= peaks["copied"]
