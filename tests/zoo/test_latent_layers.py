"""Latent layers: sparse and pruned weights, their gradients, temperatures, norms and heads."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latent_small import SHAPE, batch, made

from lab.data.batch import Batch
from lab.spec.models.latent_seq2seq import Latent
from lab.testing import small_batch
from lab.zoo.latent_seq2seq.latent_layer import LatentLayer, Weights
from lab.zoo.latent_seq2seq.sparsity import FEW, PRUNED, entmax, first_few, highest, sparsemax

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("sparsity", ["top_k", "straight_through"])
def test_pruned_rows_keep_exactly_as_many_as_asked_and_of_equals_the_first(sparsity):
    weights = Weights(Latent(sparsity=sparsity, neighbours=2))
    found = weights(torch.randn(4, 1, 6, 6))
    assert (found > 0).sum(-1).unique().tolist() == [2]
    torch.testing.assert_close(found.sum(-1), torch.ones(4, 1, 6))
    assert highest(torch.tensor([[1.0, 3.0, 1.0, 1.0]]), 2).tolist() == [[True, True, False, False]]


@pytest.mark.parametrize("kept", [1, 4, FEW])
def test_few_are_found_one_by_one_as_all_at_once_also_among_equals(kept):
    scores = torch.randint(0, 5, (50, 12)).float()
    places = first_few(scores, kept)
    assert torch.equal(torch.zeros_like(scores).scatter(-1, places, 1.0) > 0, highest(scores, kept))
    assert (scores.gather(-1, places).diff(dim=-1) <= 0).all()


@pytest.mark.parametrize("neighbours", [FEW, FEW + 1])
@pytest.mark.parametrize("rule", ["optional", "always_kept", "excluded"])
def test_weights_of_few_and_their_gradient_are_those_of_masked_ones(neighbours, rule):
    scores = torch.randn(3, 1, 12, 12, dtype=torch.float64, requires_grad=True)
    own, direction = torch.eye(12, dtype=torch.bool), torch.randn(3, 1, 12, 12, dtype=torch.float64)
    ranked = {"always_kept": scores.masked_fill(own, torch.inf), "excluded": scores.masked_fill(own, PRUNED)}
    kept = highest(ranked.get(rule, scores), neighbours)
    masked = torch.where(kept, scores / 0.5, PRUNED).softmax(-1)
    found = Weights(Latent(sparsity="top_k", neighbours=neighbours, self_edge=rule, temperature=0.5))(scores)
    torch.testing.assert_close(found, masked)
    grads = [torch.autograd.grad((told * direction).sum(), scores)[0] for told in (found, masked)]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(("rule", "own"), [("always_kept", 6), ("excluded", 0)])
def test_a_node_may_be_made_to_hear_itself_or_kept_from_it(rule, own):
    scores = torch.randn(1, 1, 6, 6) - 5 * torch.eye(6) * (1 if rule == "always_kept" else -1)
    found = Weights(Latent(sparsity="top_k", neighbours=2, self_edge=rule))(scores)
    assert int((found[0, 0].diagonal() > 0).sum()) == own
    assert (found > 0).sum(-1).unique().tolist() == [2]


def test_pruning_goes_from_all_nodes_to_as_many_as_asked():
    weights = Weights(Latent(sparsity="dense_then_prune", neighbours=2))
    kept = []
    for share in (0.0, 0.5, 1.0):
        weights.progress.share.fill_(share)
        kept.append((weights(torch.randn(1, 1, 6, 6)) > 0).sum(-1).unique().tolist())
    assert kept == [[6], [4], [2]]


def test_an_annealed_temperature_goes_from_its_start_to_its_end():
    weights = Weights(Latent(temperature=2.0, temperature_course="annealed", final_temperature=0.5))
    found = []
    for share in (0.0, 0.5, 1.0):
        weights.temperature.progress.share.fill_(share)
        found.append(float(weights.temperature()))
    assert found == pytest.approx([2.0, 1.0, 0.5])


def by_bisection(scores, power):
    """Weights (scores - t)^power, cut at 0, whose sum is 1, by halving the interval of t."""
    low, high = scores.min(-1, keepdim=True).values - 1, scores.max(-1, keepdim=True).values
    for _ in range(100):
        middle = (low + high) / 2
        is_heavy = (scores - middle).clamp(min=0).pow(power).sum(-1, keepdim=True) > 1
        low, high = torch.where(is_heavy, middle, low), torch.where(is_heavy, high, middle)
    return (scores - low).clamp(min=0).pow(power)


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=7))
@settings(deadline=None, max_examples=60)
def test_sparse_maps_are_the_points_of_the_simplex_they_are_defined_by(row):
    scores = torch.tensor([row], dtype=torch.float64)
    torch.testing.assert_close(sparsemax(scores), by_bisection(scores, 1), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(entmax(scores), by_bisection(scores / 2, 2), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("map_", [sparsemax, entmax])
def test_sparse_maps_have_the_gradient_of_what_they_are(map_):
    torch.manual_seed(1)
    scores = torch.randn(5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(map_, (scores,))


def test_a_constant_in_a_row_of_static_scores_changes_nothing():
    model, data = made().double(), small_batch(SHAPE, dtype=torch.float64)
    known = model(data)
    with torch.no_grad():
        model.second.static.weight[:, 2] += 3.0
    torch.testing.assert_close(model(data), known, rtol=1e-10, atol=1e-10)


def test_a_given_graph_is_heard_along_its_edges_and_alone_each_hears_itself():
    adjacency = torch.zeros(1, 6, 6)
    adjacency[0, 1, 0], adjacency[0, 2, 0] = 1.0, -3.0
    data = Batch(
        torch.randn(1, 12, 6, 3), adjacency, torch.ones(1, 6, dtype=torch.bool), torch.zeros(1, 5, 6), torch.arange(1)
    )
    graph = made(latent={"attention": "given"}).learned_graph(data)
    torch.testing.assert_close(graph[0, 0], torch.tensor([0.2, 0.2, 0.6, 0, 0, 0]))
    assert torch.equal(made(latent={"attention": "identity"}).learned_graph(data)[0], torch.eye(6))


def test_norms_between_layers_normalise_over_what_they_say():
    for norm, axes in (("graph", (2,)), ("layer", (3,)), ("batch", (0, 1, 2))):
        told, _ = made(latent={"norm": norm}).latent(batch())
        assert told.mean(axes).abs().max() < 1e-5
    told, _ = made(latent={"norm": "pair"}).latent(batch())
    assert told.mean(2).abs().max() < 1e-5
    torch.testing.assert_close(told.square().sum(-1).mean(-1), torch.full((3, 12), 8.0), rtol=1e-2, atol=0)
    assert torch.equal(made(latent={"norm": "none"}).latent(batch())[0], made().latent(batch())[0])


def test_one_head_is_the_plain_layer_and_several_are_joined():
    assert not isinstance(LatentLayer(Latent(heads=2), 3, 8, 6).join, torch.nn.Identity)
    one = LatentLayer(Latent(), 3, 8, 6)
    told, attention = one(torch.randn(2, 4, 6, 3), None)
    assert told.shape == (2, 4, 6, 8)
    assert attention.shape == (2, 4, 1, 6, 6)
    assert sum(weight.numel() for weight in one.parameters()) == 36 + 3 * (8 * 3 + 8) + 2 * (64 + 8) + 16
