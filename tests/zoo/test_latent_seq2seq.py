"""The forecaster with a learned graph, whole: its contracts, its forms, what probes see and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from latent_small import SHAPE, SMALL, batch, gradients, made, written
from pydantic import ValidationError

from benchmarks.latent_speed import OneByOne, documented
from lab.errors import LabError
from lab.probes.sites import Listening, sites
from lab.spec.models.latent_seq2seq import LatentSeq2Seq
from lab.testing import check_model, small_batch

pytestmark = pytest.mark.torch


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
