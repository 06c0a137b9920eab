"""GRIT against its equations, written out pair by pair; its published size, its walks, and the contracts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from published import PATTERN, affine, directed_batch, randomised, size, standardised
from pydantic import ValidationError

from lab.data.batch import Shape
from lab.spec.models import Grit as Options
from lab.testing import CLASSIFY, check_model, check_off_levels, one_changed, small_batch
from lab.zoo.grit_attention import HeadLogits, PairState, PairValues

pytestmark = pytest.mark.torch
SMALL = Options(layers=2, width=8, heads=2, steps=4)
MUTED = SMALL.model_copy(update={"attention_dropout": 0.0})


def walks_of(adjacency, steps):
    """Powers of the random-walk matrix of one graph without its self loops, a list of rows of lists."""
    edges = (adjacency > 0).double().fill_diagonal_(0)
    step = torch.stack([row / row.sum() if row.sum() else row for row in edges])
    powers = [torch.eye(len(edges), dtype=torch.float64)]
    for _ in range(steps - 1):
        powers.append(powers[-1] @ step)
    return torch.stack(powers, -1), edges.sum(1)


def by_pairs(layer, nodes, states, log_degrees):
    """One round over the nodes of several graphs: `nodes` and `states` are keyed by (graph, node) and (graph, i, j)."""
    attention, size = layer.attention, layer.spec.width // layer.spec.heads
    width = layer.spec.width
    new = {}
    for (graph, i, j), e in states.items():
        both = affine(attention.query, nodes[graph, i]) + affine(attention.key, nodes[graph, j])
        told = affine(attention.pair, e)
        product = both * told[:width]
        new[graph, i, j] = (product.clamp(min=0).sqrt() - (-product).clamp(min=0).sqrt() + told[width:]).relu()
    hidden = {}
    for graph, i in nodes:
        columns = [j for other, j in nodes if other == graph]
        parts = []
        for head in range(layer.spec.heads):
            own = slice(head * size, (head + 1) * size)
            vector, matrix = attention.logits.weight[:, head, 0], attention.pair_values.weight[:, head]
            logits = torch.stack([new[graph, i, j][own] @ vector for j in columns]).clamp(-5, 5)
            weighed = list(zip(logits.softmax(0), columns, strict=True))
            read = sum(w * affine(attention.value, nodes[graph, j])[own] for w, j in weighed)
            parts.append(read + sum(w * new[graph, i, j][own] for w, j in weighed) @ matrix)
        plain, scaled = layer.degree_scaler.weight[0].unbind(-1)
        read = torch.cat(parts)
        read = read * plain + read * log_degrees[graph, i] * scaled
        hidden[graph, i] = nodes[graph, i] + affine(layer.out_projection, read)
    first = standardised(layer.norm, hidden.values())
    told = [x + affine(layer.feed_forward.linear2, affine(layer.feed_forward.linear1, x).relu()) for x in first]
    out = dict(zip(hidden, standardised(layer.ff_norm, told), strict=True))
    if not layer.updates:
        return out, states
    handed = [e + affine(layer.pair_part.output, new[pair]) for pair, e in states.items()]
    return out, dict(zip(states, standardised(layer.pair_part.norm, handed), strict=True))


def test_it_is_the_published_equations_pair_by_pair():
    model = randomised(MUTED.build(PATTERN)).train()
    batch = directed_batch()
    nodes, states, log_degrees = {}, {}, {}
    for graph, count in enumerate(batch.mask.sum(1).tolist()):
        walks, degrees = walks_of(batch.adjacency[graph, :count, :count], 4)
        for i in range(count):
            embedded = model.embedding.weight[:, batch.x[graph, i]] + model.embedding.bias
            nodes[graph, i] = embedded + affine(model.node_start, walks[i, i])
            log_degrees[graph, i] = (degrees[i] + 1).log()
            for j in range(count):
                joined = float(batch.adjacency[graph, j, i] > 0)
                states[graph, i, j] = affine(model.pair_start, walks[i, j]) + joined * model.edge_start.weight[0]
    for layer in model.layers:
        nodes, states = by_pairs(layer, nodes, states, log_degrees)
    for hidden in model.readout.hidden:
        nodes = {place: affine(hidden, x).relu() for place, x in nodes.items()}
    leads = torch.cat([affine(model.readout.last, x) for x in nodes.values()])
    logits = model(batch)[batch.mask]
    torch.testing.assert_close(logits[:, 1] - logits[:, 0], leads, atol=1e-8, rtol=1e-8)


def test_its_parameter_count_on_pattern_is_the_published_one():
    assert size(Options().build(PATTERN)) == 477_953


@pytest.mark.slow
def test_it_keeps_the_contracts_with_every_level_changed_alone():
    check_off_levels(SMALL)
    for spec in (SMALL, *one_changed(SMALL)):
        check_model(spec, dtype=torch.float64)


def test_it_keeps_the_contracts_where_nothing_reads_the_pairs():
    for said in ({}, {"pair_update": False}, {"dead_parameters": False}):
        spec = SMALL.model_copy(update={"attention": "mean", "pair_values": False, **said})
        check_model(spec, dtype=torch.float64)


def test_it_reads_numbers_as_well_as_tokens():
    check_model(SMALL, shape=Shape(nodes=9, classes=3, features=5))


def test_pairs_that_would_start_from_nothing_are_refused():
    with pytest.raises(ValidationError, match="start from nothing"):
        Options(pair_encoding=False, edge_embedding=False)


def test_attention_over_edges_reads_neighbours_and_the_node_itself_only():
    batch = directed_batch()
    model, seen = SMALL.model_copy(update={"reach": "edges"}).build(PATTERN).eval(), []
    model.layers[0].attention.tap.register_forward_hook(lambda _module, told, _out: seen.append(told[0]))
    model(batch)
    allowed = (batch.adjacency.transpose(1, 2) > 0) | torch.eye(7, dtype=torch.bool)
    allowed = allowed & batch.mask[:, :, None] & batch.mask[:, None, :]
    assert torch.equal((seen[0] > 0).all(1), allowed)
    torch.testing.assert_close(seen[0].sum(-1)[:, 0], batch.mask.float())


def test_the_signed_root_has_no_slope_where_the_product_is_zero():
    reader = torch.zeros(1, 2, 3, requires_grad=True)
    ones = torch.ones(1, 2, 2, 3)
    PairState.apply(reader, torch.zeros(1, 2, 3), ones, ones, True, True).sum().backward()
    assert torch.equal(reader.grad, torch.zeros_like(reader))


@pytest.mark.parametrize(("root", "relu"), [(True, True), (True, False), (False, True), (False, False)])
def test_gradients_of_pair_states_are_those_of_numerical_differences(root, relu):
    random = torch.Generator().manual_seed(0)
    shapes = (1, 3, 2), (1, 3, 2), (1, 3, 3, 2), (1, 3, 3, 2)
    inputs = [torch.randn(each, generator=random, dtype=torch.float64).requires_grad_() for each in shapes]
    assert torch.autograd.gradcheck(lambda *told: PairState.apply(*told, root, relu), inputs)
    assert torch.autograd.gradgradcheck(lambda *told: PairState.apply(*told, root, relu), inputs)


def test_matrix_products_give_what_each_head_reads_of_its_own_channels():
    logits, values = HeadLogits(3, 2, 1), PairValues(3, 2, 3)
    state, weights = torch.randn(2, 4, 4, 6), torch.rand(2, 2, 4, 4)
    own = state.unflatten(-1, (2, 3))
    torch.testing.assert_close(logits(state), torch.einsum("gijhd,dh->ghij", own, logits.weight.squeeze(-1)))
    read = torch.einsum("ghij,gijhd->gihd", weights, own)
    torch.testing.assert_close(values(weights, state), torch.einsum("gihd,dhc->gihc", read, values.weight))


def test_graphs_of_single_nodes_and_without_edges_stay_finite():
    batch = small_batch(CLASSIFY)
    lonely = replace(batch, adjacency=torch.zeros_like(batch.adjacency), mask=torch.arange(9)[None] < torch.ones(3, 1))
    model = Options(layers=10, width=16, heads=2).build(CLASSIFY)
    logits = model(lonely)
    logits[lonely.mask].square().sum().backward()
    assert logits.isfinite().all()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())
