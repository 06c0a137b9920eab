"""The parts of the forecaster by hand: its graphs, lags of autocorrelation, and weights on edges."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data.batch import Shape
from lab.spec.models import Pgat
from lab.zoo.pgat.graph import TripartiteGraph, distances, eigenvectors, places, returns
from lab.zoo.pgat.hop import GraphHop, OnlySource
from lab.zoo.pgat.mixers import AutocorrelationMixer, strongest_lags
from lab.zoo.pgat.prior import LearnedPrior

pytestmark = pytest.mark.torch

PATH = torch.tensor([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]).float()


def test_a_path_of_four_nodes_has_the_eigenvectors_and_returns_of_the_textbook():
    # The normalised Laplacian of a path of four has eigenvalues 0, 1/2, 3/2 and 2.
    vectors = eigenvectors(PATH)
    scale = PATH.sum(1).rsqrt()
    laplacian = torch.eye(4) - scale[:, None] * PATH * scale
    for column, value in enumerate((0.5, 1.5, 2.0)):
        torch.testing.assert_close(laplacian @ vectors[:, column], value * vectors[:, column], atol=1e-6, rtol=0)
    assert not vectors[:, 3:].any()
    # After two steps an end is back from its neighbour with 1/2, an inner node with 1/2 + 1/4.
    torch.testing.assert_close(returns(PATH, (2,))[:, 0], torch.tensor([0.5, 0.75, 0.75, 0.5]), atol=1e-6, rtol=0)
    assert not returns(PATH, (1, 3)).any()
    assert torch.equal(eigenvectors(PATH), vectors)


def test_places_of_a_path_are_those_counted_by_hand():
    assert torch.equal(distances(PATH)[0], torch.tensor([0.0, 1, 2, 3]))
    told = places(PATH)
    torch.testing.assert_close(told[:, 0], torch.tensor([0.5, 1, 1, 0.5]))
    torch.testing.assert_close(told[:, 1], torch.tensor([1, 2 / 3, 2 / 3, 1]))
    torch.testing.assert_close(told[:, 2], torch.tensor([1, 2 / 3, 2 / 3, 1]))


def test_places_where_no_path_leads_are_as_far_as_there_are_nodes():
    apart = torch.zeros(3, 3)
    apart[0, 1] = apart[1, 0] = 1
    assert distances(apart)[2].tolist() == [3, 3, 0]
    assert places(apart).isfinite().all()


def test_a_given_graph_reads_edges_from_row_to_column():
    known = torch.zeros(5, 5)
    known[1, 3] = known[2, 4] = 1  # waves 1 and 2 of three drive targets 3 and 4
    graph = TripartiteGraph.given(known, drivers=3)
    assert graph.reads.tolist() == [[False, True, False], [False, False, True]]
    assert graph.tells.tolist() == [[True, False], [False, True]]
    edges = graph.undirected
    assert torch.equal(edges, edges.t())
    assert edges[1, 3] == edges[2, 4] == edges[3, 5] == edges[4, 6] == 1
    assert edges.sum() == 8
    everywhere = TripartiteGraph.given(known, drivers=0)
    assert everywhere.reads.shape == (5, 5)


def test_a_graph_whose_parts_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="transitions"):
        TripartiteGraph(torch.ones(2, 3).bool(), torch.ones(4, 3).bool())
    with pytest.raises(ValueError, match="at least one source"):
        TripartiteGraph.complete(0, 2, 3)


@pytest.mark.parametrize(("tokens", "period"), [(24, 6), (24, 8), (12, 3), (15, 5)])
def test_the_strongest_lags_of_a_sine_are_its_periods(tokens, period):
    wave = torch.sin(2 * math.pi * torch.arange(tokens) / period)[None, :, None]
    lags, shares = strongest_lags(wave, wave, factor=tokens / period / math.log(tokens) + 1e-6, skip_zero=False)
    assert sorted(lags[0].tolist()) == list(range(0, tokens, period))
    torch.testing.assert_close(shares.sum(1), torch.ones(1))


@pytest.mark.parametrize("tokens", [1, 2, 3, 7])
def test_lags_of_any_number_of_tokens_work_alike_in_training_and_evaluation(tokens):
    mixer = AutocorrelationMixer(Pgat(width=8, heads=2))
    z = torch.randn(5, tokens, 8)
    assert torch.equal(mixer.train()(z), mixer.eval()(z))


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 20), st.integers(0, 1000))
def test_lag_zero_stays_away_where_it_is_not_wanted(tokens, seed):
    query = torch.randn(3, tokens, 4, generator=torch.Generator().manual_seed(seed))
    assert (strongest_lags(query, query, factor=1.0, skip_zero=False)[0][:, 0] == 0).all()
    lags, shares = strongest_lags(query, query, factor=1.0, skip_zero=True)
    assert (lags != 0).all()
    assert shares.isfinite().all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.booleans(), st.sampled_from(["learned", "adaptive", "fixed"]))
def test_weights_sum_to_one_over_sources_and_are_zero_where_there_is_no_edge(seed, noisy, graph):
    random = torch.Generator().manual_seed(seed)
    hop = GraphHop(Pgat(width=8, heads=2, graph=graph, gumbel=0.5 if noisy else 0.0), 4, 6)
    allowed = torch.rand(2, 1, 4, 6, generator=random) < 0.5
    seen = []
    hop.weights.register_forward_hook(lambda _, args, out: seen.append(out))
    heard = hop(torch.randn(2, 3, 4, 8, generator=random), torch.randn(2, 3, 6, 8, generator=random), allowed)
    assert heard.isfinite().all()
    weights = seen[0].unflatten(0, (2, 3))
    assert not weights.masked_select(~allowed[:, :, None].expand_as(weights)).any()
    has_source = allowed.any(-1)[:, :, None].expand(weights.shape[:-1])
    torch.testing.assert_close(weights.sum(-1), has_source.float(), atol=1e-6, rtol=0)


def test_a_prior_keeps_its_best_edges_and_is_noisy_in_training_only():
    prior = LearnedPrior(Pgat(width=8, top_edges=2, gumbel=1.0), 3, 5)
    with torch.no_grad():
        prior.scores.copy_(torch.randn(3, 5))
    states, allowed = (torch.zeros(1, 1, 3, 8), torch.zeros(1, 1, 5, 8)), torch.ones(1, 1, 3, 5).bool()
    quiet = prior.eval()(*states, allowed).exp()
    assert ((quiet > 0).sum(-1) == 2).all()
    best = prior.scores.topk(2).indices.sort(-1).values
    assert torch.equal(quiet[0, 0].nonzero()[:, 1].view(3, 2), best)
    assert torch.equal(prior(*states, allowed).exp(), quiet)
    assert not torch.equal(prior.train()(*states, allowed).exp(), quiet)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0, 2]), st.floats(0.1, 3))
def test_the_penalty_of_a_graph_is_the_entropy_of_its_rows_and_its_gradient_is_exact(seed, top, weight):
    prior = LearnedPrior(Pgat(width=8, edge_entropy=weight, top_edges=top), 3, 5)
    with torch.no_grad():
        prior.scores.copy_(torch.randn(3, 5, generator=torch.Generator().manual_seed(seed)))
    told = prior.double().penalty()
    told.backward()
    kept = prior.scores.detach().topk(top or 5, dim=-1)
    rows = torch.distributions.Categorical(logits=kept.values)
    torch.testing.assert_close(told.detach(), weight * rows.entropy().mean())
    # The derivative of an entropy by a score is -p (log p + entropy).
    slope = -rows.probs * (rows.logits + rows.entropy()[:, None]) * weight / 3
    torch.testing.assert_close(prior.scores.grad, torch.zeros(3, 5).double().scatter(1, kept.indices, slope))


def test_a_graph_without_penalty_adds_nothing():
    assert LearnedPrior(Pgat(width=8), 3, 5).penalty() is None


def test_a_single_source_leaves_nothing_to_choose():
    shape = Shape(nodes=4, features=1, window=4, horizon=2, drivers=2)
    model = Pgat(width=8, heads=2, transitions=1).build(shape)
    assert isinstance(model.blocks[0].graph.tells, OnlySource)
