"""The gated graph convolution against its equations, written out edge by edge, and against PyTorch Geometric."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published import PATTERN, affine, directed_batch, edges_of, randomised, size, standardised
from torch import Tensor
from torch_geometric.nn import ResGatedGraphConv

from lab.data.batch import Shape
from lab.spec.models import GatedGcn as Options
from lab.testing import CLASSIFY, check_model, check_off_levels, one_changed, small_batch
from lab.zoo.edges import DenseEdges, Edges, ListedEdges
from lab.zoo.gatedgcn import EPSILON, GatedGcnLayer

pytestmark = pytest.mark.torch
SMALL = Options(layers=2, width=12)
forms = pytest.mark.parametrize("form", [DenseEdges, ListedEdges])


def by_edges(layer: GatedGcnLayer, nodes: list[Tensor], edges: list[tuple[int, int]], states: list[Tensor]):
    """One round over all real nodes of a batch and its edge list, with loops only."""
    logits = [
        affine(layer.reader, nodes[target]) + affine(layer.read, nodes[source]) + affine(layer.edge, state)
        for (source, target), state in zip(edges, states, strict=True)
    ]
    hidden = []
    for node, x in enumerate(nodes):
        gates = [
            (logit.sigmoid(), source) for logit, (source, target) in zip(logits, edges, strict=True) if target == node
        ]
        total = sum((gate for gate, _ in gates), torch.zeros_like(x))
        heard = sum((gate * affine(layer.value, nodes[source]) for gate, source in gates), torch.zeros_like(x))
        hidden.append(affine(layer.own, x) + heard / (total + EPSILON))
    nodes = [x + y.relu() for x, y in zip(nodes, standardised(layer.norm, hidden), strict=True)]
    if layer.updates:
        states = [e + y.relu() for e, y in zip(states, standardised(layer.edge_norm, logits), strict=True)]
    return nodes, states


@forms
def test_it_is_the_published_equations_edge_by_edge(monkeypatch, form):
    monkeypatch.setattr(Edges, "of", form)
    model = randomised(Options(layers=3, width=8).build(PATTERN))
    batch = directed_batch()
    at = {(graph, node): number for number, (graph, node) in enumerate(batch.mask.nonzero().tolist())}
    edges = [(at[g, i], at[g, j]) for g in range(2) for i, j in edges_of(batch.adjacency[g])]
    nodes = [model.beginning.embedding.weight[token] for token in batch.x[batch.mask]]
    start = model.stage.edge_start.weight[:, 0] + model.stage.edge_start.bias
    states = [start for _ in edges]
    for layer in model.stage.layers:
        nodes, states = by_edges(layer, nodes, edges, states)
    for hidden in model.readout.hidden:
        nodes = [affine(hidden, x).relu() for x in nodes]
    known = torch.stack([affine(model.readout.last, x) for x in nodes])
    torch.testing.assert_close(model(batch)[batch.mask], known, atol=1e-9, rtol=1e-9)


@forms
def test_without_norms_edges_and_division_it_is_the_convolution_of_torch_geometric(form):
    spec = Options(width=6, layers=1, normalise=False, edge_states="none", norm="none", residual=False)
    layer = randomised(GatedGcnLayer(spec, is_last=True))
    other = ResGatedGraphConv(6, 6).double()
    names = {"lin_key": layer.reader, "lin_query": layer.read, "lin_value": layer.value, "lin_skip": layer.own}
    with torch.no_grad():
        for name, ours in names.items():
            theirs = getattr(other, name)
            theirs.weight.copy_(ours.weight)
            if theirs.bias is not None:
                theirs.bias.copy_(ours.bias)
        other.bias.copy_(layer.own.bias)
    batch = directed_batch()
    x = torch.randn(2, 7, 6, dtype=torch.float64)
    found, _ = layer(x, None, form(batch, x.dtype), batch.mask)
    known = other(x.flatten(0, 1), batch.edges).relu().view_as(x)
    torch.testing.assert_close(found[batch.mask], known[batch.mask], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize(
    ("said", "count"),
    [
        ({}, 104_003),
        ({"layers": 16, "width": 78}, 502_223),
        ({"layers": 16, "width": 78, "encoding": {"source": "laplacian"}}, 502_457),
    ],
)
def test_parameter_counts_on_pattern_are_the_published_ones(said, count):
    assert size(Options.model_validate(said).build(PATTERN)) == count


def test_it_keeps_the_contracts_with_every_level_changed_alone():
    check_off_levels(SMALL)
    for spec in (SMALL, *one_changed(SMALL)):
        check_model(spec, dtype=torch.float64)


def test_it_reads_numbers_as_well_as_tokens():
    check_model(SMALL, shape=Shape(nodes=9, classes=3, features=5))


def test_nodes_without_neighbours_and_graphs_without_edges_stay_finite_through_many_layers():
    model = Options(layers=16, width=8).build(CLASSIFY)
    batch = small_batch(CLASSIFY)
    alone = replace(batch, adjacency=torch.zeros_like(batch.adjacency))
    logits = model(alone)
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())


def test_the_state_of_a_pair_without_an_edge_never_changes():
    batch = directed_batch()
    layer = GatedGcnLayer(Options(width=4), is_last=False)
    e = torch.randn(2, 7, 7, 4)
    edges = DenseEdges(batch, e.dtype)
    _, found = layer(torch.randn(2, 7, 4), e, edges, batch.mask)
    no_edge = edges.matrix == 0
    assert torch.equal(found[no_edge], e[no_edge])
    assert not torch.equal(found[~no_edge], e[~no_edge])


def test_dense_and_listed_edges_are_the_same_model_with_the_same_gradients(monkeypatch):
    batch, told = directed_batch(), []
    model = randomised(Options(layers=3, width=8).build(PATTERN))
    for form in (DenseEdges, ListedEdges):
        monkeypatch.setattr(Edges, "of", form)
        model.zero_grad()
        logits = model(batch)[batch.mask]
        logits.square().sum().backward()
        told.append([logits, *(weight.grad for weight in model.parameters() if weight.grad is not None)])
    for one, other in zip(*told, strict=True):
        torch.testing.assert_close(one, other)


@forms
def test_gates_are_shown_to_whoever_looks_and_only_then(monkeypatch, form):
    monkeypatch.setattr(Edges, "of", form)
    model, batch = SMALL.build(CLASSIFY), small_batch(CLASSIFY)
    known, seen = model(batch), []
    model.stage.layers[0].gate.register_forward_hook(lambda _module, told, _out: seen.append(told))
    assert torch.equal(model.eval()(batch), model(batch))
    gates, allowed = seen[0]
    assert gates.shape == (3, 8, 9, 9)
    inside = allowed.expand_as(gates)
    assert ((gates > 0) & (gates < 1))[inside].all()
    assert torch.equal(allowed[:, 0], batch.adjacency.transpose(1, 2) > 0)
    assert known.isfinite().all()


@forms
def test_gradients_are_those_of_numerical_differences(form):
    batch = directed_batch()
    mask = batch.mask[:, :4]
    edges = form(replace(batch, adjacency=batch.adjacency[:, :4, :4], mask=mask), torch.float64)
    layer = randomised(GatedGcnLayer(Options(width=2), is_last=False))
    x = torch.randn(2, 4, 2, dtype=torch.float64, requires_grad=True)
    e = torch.randn(*edges.counts.shape[:-1], 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, e: layer(x, e, edges, mask), (x, e))
    assert torch.autograd.gradgradcheck(lambda x, e: layer(x, e, edges, mask)[0][:, :2], (x, e))
