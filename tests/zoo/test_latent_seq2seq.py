"""The forecaster with a learned graph: what each part sees, what its gradients are, and what its options do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.latent_speed import OneByOne, documented
from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.probes.sites import Listening, sites
from lab.spec.models.latent_seq2seq import Fourier, Latent, LatentSeq2Seq
from lab.testing import check_model, small_batch
from lab.zoo.latent_seq2seq.decoder import LEAST
from lab.zoo.latent_seq2seq.fourier import FourierBranch
from lab.zoo.latent_seq2seq.latent_layer import LatentLayer, Weights
from lab.zoo.latent_seq2seq.sparsity import FEW, PRUNED, entmax, first_few, highest, sparsemax

pytestmark = pytest.mark.torch

SHAPE = Shape(nodes=6, features=3, targets=1, window=12, horizon=5)
SMALL = {"width": 8, "lstm_dropout": 0.0}


def made(shape=SHAPE, seed=0, **options):
    """A small model."""
    torch.manual_seed(seed)
    return LatentSeq2Seq.model_validate(SMALL | options).build(shape)


def written(**options):
    """The documented form, small."""
    torch.manual_seed(0)
    return documented(**(SMALL | options)).build(SHAPE)


def batch(shape=SHAPE):
    """Three windows."""
    return small_batch(shape)


def gradients(model, data):
    """Gradients of a mean absolute error."""
    (model(data)[..., 0] - data.y).abs().mean().backward()
    return {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"head": "gaussian", "feedback": "sample", "trajectories": 3},
        {"latent": {"heads": 2, "static": "first_head_only", "norm": "graph", "temperature_course": "learned"}},
        {"latent": {"norm": "pair", "value_skip": "input"}, "memory": "both", "lstm_layers": 1},
        {"horizon_smoother": "learned", "conv_smoother": "identity_start", "conv_from": "third_step"},
        {"fourier": {"mixing": "two_sided", "modes": 2}, "node_embedding": True},
    ],
)
def test_settings_keep_the_contracts_to_the_last_digits(options):
    check_model(LatentSeq2Seq.model_validate(SMALL | options), dtype=torch.float64)


def test_the_documented_form_names_what_cannot_learn():
    check_model(documented(**SMALL), dtype=torch.float64)
    short = replace(SHAPE, horizon=2)
    names = documented(**SMALL).build(short).zero_gradient()
    assert {name for name in names if "conv" in name} == {
        f"decoder.conv.{side}.{part}" for side in ("first", "second") for part in ("weight", "bias")
    }


def test_all_at_once_is_frame_by_frame_and_node_by_node():
    model = written(forcing="none").double()
    data = small_batch(SHAPE, dtype=torch.float64)
    torch.testing.assert_close(model(data), OneByOne(model)(data), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("mixing", "sees"), [("as_written", 1), ("corrected", 12), ("time_only", 12)])
def test_a_short_window_is_seen_by_its_oldest_frame_only_as_written(mixing, sees):
    branch = FourierBranch(Fourier(mixing=mixing), SHAPE).double()
    x = torch.randn(2, 12, 6, 3, dtype=torch.float64, requires_grad=True)
    branch(x).square().sum().backward()
    sizes = x.grad.abs().amax((0, 2, 3))
    assert int((sizes > 1e-12 * sizes.max()).sum()) == sees
    assert sizes[0] > 0


def test_as_written_weights_get_one_gradient_along_the_summed_axis_and_none_beyond_the_kept_modes():
    branch = FourierBranch(Fourier(mixing="as_written"), SHAPE)
    branch(torch.randn(2, 12, 6, 3)).square().sum().backward()
    grad = torch.view_as_complex(branch.weight.grad)
    assert torch.equal(grad[0], grad[1])
    assert float((grad == 0).float().mean()) == pytest.approx(1 - 12 * 4 / 256)


def test_a_sinusoid_of_any_kept_frequency_passes_the_time_branch_as_weighed():
    branch = FourierBranch(Fourier(mixing="time_only"), replace(SHAPE, features=1)).double()
    with torch.no_grad():
        branch.weight.zero_()
        branch.weight[0, 0, 3, 0] = 2.0
    time = torch.arange(12, dtype=torch.float64)
    waves = {k: torch.cos(2 * torch.pi * k * time / 12)[None, :, None, None].expand(1, 12, 6, 1) for k in (2, 3)}
    torch.testing.assert_close(branch(waves[3]), 2 * waves[3])
    assert branch(waves[2]).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("mixing", "follows"), [("none", True), ("time_only", True), ("as_written", False), ("corrected", False)]
)
def test_renaming_the_nodes_renames_the_forecasts_unless_their_index_is_taken_for_a_ring(mixing, follows):
    model = made(fourier={"mixing": mixing, "start": "inverse_square"}).double().eval()
    data = small_batch(SHAPE, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        for layer in (model.first, model.second):
            layer.static.weight.add_(torch.randn(1, 6, 6, dtype=torch.float64))
        expected = model(data)[:, :, order]
        for layer in (model.first, model.second):
            layer.static.weight.copy_(layer.static.weight[:, order][:, :, order])
    gap = (model(replace(data, x=data.x[:, :, order])) - expected).abs().max()
    assert gap < 1e-12 if follows else gap > 1e-4


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


@pytest.mark.parametrize("head", ["value", "gaussian"])
def test_a_linear_read_out_folded_into_one_layer_says_what_its_two_layers_say(head):
    folded, memory = made(head=head, head_nonlinearity="none").double().decoder.read_out, torch.randn(4, 7, 8).double()
    layered = made(head=head, head_nonlinearity="none").double().decoder.read_out
    layered.is_linear = False
    told, found = torch.randn(4, 3, 8).double(), []
    for read_out in (folded, layered):
        numbers = torch.stack([n for n in read_out(told, read_out.look_back(memory)) if n is not None])
        numbers.square().sum().backward()
        found.append([numbers, *(weight.grad for weight in read_out.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


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


def test_gradients_are_zero_where_the_equations_say_so():
    model = documented(**SMALL, forcing="none", latent={"sparsity": "top_k", "neighbours": 1}).build(SHAPE).double()
    found = gradients(model, small_batch(SHAPE, dtype=torch.float64))
    largest = max(float(grad.abs().max()) for grad in found.values())
    assert model.zero_gradient() == {"first.key.bias", "second.key.bias"}
    assert all(float(found[name].abs().max()) < 1e-12 * largest for name in model.zero_gradient())
    assert not found["decoder.conv.second.weight"][:, :, 3:].any()
    assert found["decoder.conv.second.weight"][:, :, :3].any()
    static = found["second.static.weight"]
    torch.testing.assert_close(static.sum(-1), torch.zeros(1, 6, dtype=torch.float64), atol=1e-12, rtol=0)
    _, (_, second) = model.latent(small_batch(SHAPE, dtype=torch.float64))
    never = (second == 0).all(0).all(0)
    assert never.any()
    assert not static[never].any()


@pytest.mark.parametrize(("memory", "reaches"), [("latent", False), ("lstm", True), ("both", True)])
def test_gradient_reaches_the_encoder_s_outputs_only_where_the_decoder_looks_back_at_them(memory, reaches):
    model, kept = made(memory=memory, forcing="none"), []
    model.encoder.register_forward_hook(lambda *passed: kept.append(passed[-1][0]))
    told = model(batch())
    (found,) = torch.autograd.grad(told.sum(), kept, allow_unused=True)
    assert (found is not None and bool(found[:, :-1].any())) is reaches


def test_a_gaussian_head_has_the_mean_of_the_plain_one_and_a_positive_deviation():
    plain, gaussian = made(), made(head="gaussian")
    gaussian.load_state_dict(plain.state_dict(), strict=False)
    told = gaussian.eval()(batch())
    assert torch.equal(told[..., :1], plain.eval()(batch()))
    assert (told[..., 1] >= LEAST).all()
    assert LatentSeq2Seq(head="gaussian").answers("forecast") == "gaussian"


def test_variances_propagate_through_the_kernel_and_its_repeated_ends():
    model = made(head="gaussian", horizon_smoother="in_model", smooth_deviation="variance_propagation").double()
    matrix = model.smoother.matrix(torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(matrix.sum(1), torch.ones(5, dtype=torch.float64))
    noise = torch.randn(200_000, 5, 1, dtype=torch.float64)
    sizes = torch.tensor([1.0, 2.0, 0.5, 1.0, 3.0], dtype=torch.float64)[None, :, None]
    _, propagated = model.smoother(torch.zeros(1, 5, 1, dtype=torch.float64), sizes)
    seen = model.smoother(noise * sizes, None)[0].std(0)
    torch.testing.assert_close(propagated[0], seen, rtol=0.01, atol=0.0)


def test_draws_are_fed_back_in_courses_that_an_evaluation_repeats():
    model = made(head="gaussian", feedback="sample", trajectories=50).eval()
    data = batch()
    assert torch.equal(model(data), model(data))
    mean = made(head="gaussian")
    mean.load_state_dict(model.state_dict())
    told, plain = model(data), mean.eval()(data)
    assert torch.allclose(told[:, 0], plain[:, 0], atol=1e-6)
    assert (told[:, -1, :, 1] > plain[:, -1, :, 1]).float().mean() > 0.5


def test_a_single_course_of_draws_is_a_course_too():
    model, data = made(head="gaussian", feedback="sample", trajectories=1).eval(), batch()
    assert torch.equal(model(data), model(data))


def test_a_decoder_that_is_not_forced_draws_no_number_and_reads_no_truth():
    for options in ({"forcing": "none"}, {"forcing": "always"}):
        model, data = made(**options), batch()
        before = torch.random.get_rng_state()
        told = model(data)
        assert torch.equal(torch.random.get_rng_state(), before)
        changed = model(replace(data, y=data.y + 1))
        assert torch.equal(told, changed) is (options["forcing"] == "none")
    evaluated = made(forcing="always").eval()
    assert torch.equal(evaluated(data), evaluated(replace(data, y=data.y + 1)))


def test_coins_are_tossed_for_the_batch_or_for_each_sample_and_never_show_a_missing_truth():
    truth = torch.zeros(40, 60, 2)
    truth[:, :, 1] = torch.nan
    for way, alike in (("batch_coin", True), ("sample_coin", False)):
        forced = made(forcing=way).decoder.forcing(truth)
        assert not forced[..., 1].any()
        assert 0.35 < forced[..., 0].float().mean() < 0.65
        assert bool((forced[..., 0] == forced[:1, :, 0]).all()) is alike


def test_a_scheduled_share_of_truth_falls_from_nearly_all_to_nearly_none():
    forcing = made(forcing="scheduled").decoder.forcing
    shares = []
    for share in (0.0, 0.5, 1.0):
        forcing.progress.share.fill_(share)
        shares.append(float(forcing(torch.zeros(400, 50, 1)).float().mean()))
    assert shares == pytest.approx([0.993, 0.5, 0.007], abs=0.02)


def test_an_identity_start_of_the_convolution_passes_forecasts_on():
    plain, smoothed = made(conv_smoother="none"), made(conv_smoother="identity_start")
    smoothed.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(smoothed.eval()(batch()), plain.eval()(batch()))


def test_forget_gates_and_orthogonal_gates_start_as_asked():
    layer = made().encoder.layers[0]
    assert (layer.bias_ih[8:16] == 1).all()
    assert not layer.bias_hh[8:16].any()
    for gate in layer.weight_hh.view(4, 8, 8):
        torch.testing.assert_close(gate @ gate.T, torch.eye(8), atol=1e-5, rtol=0)
    stacked = made(lstm_start="stacked_orthogonal", forget_bias="drawn").encoder.layers[0]
    torch.testing.assert_close(stacked.weight_hh.T @ stacked.weight_hh, torch.eye(8), atol=1e-5, rtol=0)


def test_a_given_graph_is_heard_along_its_edges_and_alone_each_hears_itself():
    adjacency = torch.zeros(1, 6, 6)
    adjacency[0, 1, 0], adjacency[0, 2, 0] = 1.0, -3.0
    data = Batch(
        torch.randn(1, 12, 6, 3), adjacency, torch.ones(1, 6, dtype=torch.bool), torch.zeros(1, 5, 6), torch.arange(1)
    )
    graph = made(latent={"attention": "given"}).learned_graph(data)
    torch.testing.assert_close(graph[0, 0], torch.tensor([0.2, 0.2, 0.6, 0, 0, 0]))
    assert torch.equal(made(latent={"attention": "identity"}).learned_graph(data)[0], torch.eye(6))


@pytest.mark.parametrize("readout", ["last_frame", "mean_over_frames", "first_layer", "static", "all"])
def test_the_learned_graph_is_a_score_for_every_pair(readout):
    model = made(graph_readout=readout, latent={"heads": 2, "sparsity": "entmax"})
    graph = model.learned_graph(batch())
    assert graph.shape == (3, 6, 6)
    assert not graph.requires_grad
    rows = 0.0 if readout == "static" else 1.0
    torch.testing.assert_close(graph.sum(-1), torch.full((3, 6), rows), atol=1e-5, rtol=0)


def test_probes_see_the_weights_of_every_head_and_both_blocks():
    model, seen = made(latent={"heads": 2}), {}
    listening = Listening(sites(model), lambda site, told, _: seen.update({site.name: tuple(told.shape)}))
    listening.start()
    model(batch())
    listening.stop()
    assert not listening.broken
    assert seen["first.attention"] == seen["second.attention"] == (36, 2, 6, 6)
    assert seen["first.block"][:2] == (3, 6)


def test_half_precision_keeps_the_branch_and_the_weights_in_full():
    model, data = made(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        told = model(data)
        assert model.fourier(data.x).dtype == torch.float32
        assert model.latent(data)[1][0].dtype == torch.float32
    torch.testing.assert_close(told.float(), model(data), atol=0.2, rtol=0.2)


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


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"width": 9, "latent": {"heads": 2}}, "no multiple"),
        ({"latent": {"dynamic": False, "static": "none"}}, "dynamic, static, or both"),
        ({"graph_readout": "static", "latent": {"static": "none"}}, "no static scores"),
        ({"feedback": "sample"}, "gaussian head"),
        ({"fourier": {"band": [4, 4]}}, "is empty"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options, told):
    with pytest.raises(ValidationError, match=told):
        LatentSeq2Seq.model_validate(options)


def test_a_band_beyond_the_window_is_refused_by_name():
    with pytest.raises(LabError, match=r"model\.fourier\.band"):
        made(fourier={"mixing": "band_pass", "band": [7, 9]})
