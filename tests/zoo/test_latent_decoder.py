"""The decoder of the forecaster: memory, heads, draws fed back, truth handed on, and its starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from latent_small import batch, made

from lab.spec.models.latent_seq2seq import LatentSeq2Seq
from lab.zoo.latent_seq2seq.decoder import LEAST

pytestmark = pytest.mark.torch


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
