"""Whom targets hear in the forecaster: the graph that it learns, the one it is given, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pgat_small import SMALL, TARGETS, WAVES, drawn, small, windows

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("layout", ["dense", "edge"])
@pytest.mark.parametrize("options", [{}, {"levels": 2}, {"structure": "given"}, {"transitions": 1}])
def test_the_learned_graph_tells_what_each_target_hears_of_each_wave(options, layout):
    model, batch = drawn(small(layout=layout, **options)).eval(), windows()
    told = model.learned_graph(batch)
    assert told.shape == (4, SMALL.nodes, SMALL.nodes)
    assert not told[:, :WAVES].any()
    assert not told[:, :, WAVES:].any()
    heard = told[:, WAVES:, :WAVES]
    if "structure" in options:  # paths lead along edges of the data only, from row to column
        known = batch.adjacency[0, :WAVES, WAVES:].t() != 0
        assert not heard[:, ~known].any()
    else:
        torch.testing.assert_close(heard.sum(-1), torch.ones(4, TARGETS), atol=1e-5, rtol=0)
    assert not any(module._forward_hooks for module in model.modules()), "nobody keeps looking"


@pytest.mark.parametrize("targets", [1, 3])
def test_a_single_wave_is_heard_along_edges_of_the_data_only(targets):
    shape = replace(SMALL, nodes=1 + targets, drivers=1)
    model = drawn(small(structure="given", bidirectional=True), shape).eval()
    known = torch.zeros(4, shape.nodes, shape.nodes, dtype=torch.uint8)
    known[:2, 0, 1] = 1  # the wave drives the first target in the first two windows, and nothing else
    batch = replace(windows(shape=shape), adjacency=known)
    x = batch.x.clone()
    x[:, :, 0, 0] += torch.linspace(-1, 1, shape.window)
    with torch.no_grad():
        moved = (model(replace(batch, x=x)) - model(batch)).abs().amax((1, 3))[:, 1:] > 0
    expected = torch.zeros(4, targets, dtype=torch.bool)
    expected[:2, 0] = True
    assert torch.equal(moved, expected)
    assert torch.equal(model.learned_graph(batch)[:, 1:, 0], expected.float())


@pytest.mark.parametrize("encodings", [{}, {"structural_encoding": "walks", "graph_encoding": True}])
def test_one_graph_for_all_windows_is_worked_out_once(encodings):
    model, batch = drawn(small(structure="given", **encodings)).eval(), windows()
    shared, own = model.prepare(batch), model.prepare(replace(batch, adjacency=batch.adjacency.contiguous()))
    assert {tensor.untyped_storage().nbytes() // tensor[0].nbytes for tensor in shared.values()} == {1}
    assert all(len(tensor) == 4 and torch.equal(tensor, own[name]) for name, tensor in shared.items())
    assert torch.equal(model(replace(batch, extra=shared)), model(batch))


@pytest.mark.parametrize("chunk", [1, 2])
def test_the_learned_graph_is_the_same_where_nodes_listen_in_chunks(chunk):
    whole, cut = (drawn(small(node_chunk=size)).eval() for size in (0, chunk))
    torch.testing.assert_close(cut.learned_graph(windows()), whole.learned_graph(windows()))


def test_series_without_drivers_are_waves_and_targets_at_once():
    shape = replace(SMALL, drivers=0)
    model, batch = drawn(small(), shape).eval(), windows(shape=shape)
    assert model(batch).shape == (4, 12, SMALL.nodes, 9)
    assert (model.learned_graph(batch) > 0).all()
    assert not drawn(small(graph_attention=False), shape).learned_graph(batch).any()


def test_clearing_what_is_kept_changes_nothing_and_so_does_not_keeping_it():
    options = {"structural_encoding": "laplacian", "graph_encoding": True}
    model, batch = drawn(small(**options)).eval(), windows()
    told = model(batch)
    model.clear_cache()
    assert torch.equal(model(batch), told)
    again = drawn(small(graph_cache="none", **options)).eval()
    assert torch.equal(again(batch), told)
