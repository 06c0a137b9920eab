"""The probabilistic forecaster: its size, what it reads, and that its exact options are exact."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from pgat_small import CHANNELS, FULL, SMALL, TARGETS, WAVES, assert_close, drawn, found_by, small, windows

from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.spec.memory import Memory
from lab.spec.models import Pgat
from lab.testing import check_model
from lab.train.build import trainable
from lab.train.recompute import recompute_blocks
from lab.train.tasks.mixtures import Mixture
from lab.zoo.footprint import memory_stats

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        (166_037, {}),
        (2_532_709, {"width": 256, "heads": 8}),
        (164_245, {"patch": 1}),
        (307_361, {"patch": 1, "layers": 4}),
        (132_501, {"time_mixer": "none"}),
        (143_637, {"time_mixer": "convolution"}),
        (166_037, {"time_mixer": "autocorrelation"}),
        (165_977, {"graph": "fixed"}),
        (174_229, {"graph": "adaptive"}),
        (157_509, {"edge_gate": "none"}),
        (165_525, {"structural_encoding": "none"}),
        (165_717, {"graph_encoding": False}),
        (170_201, {"time_encoding": "adaptive"}),
        (166_117, {"levels": 2}),
        (204_123, {"bidirectional": True}),
        (165_647, {"components": 1}),
    ],
)
def test_every_part_has_as_many_parameters_as_its_algebra_says(parameters, options):
    spec = Pgat(**{"structural_encoding": "laplacian", "graph_encoding": True} | options)
    assert trainable(spec.build(FULL)) == parameters


def test_the_contracts_hold_with_drivers_and_without():
    check_model(Pgat)
    check_model(Pgat, shape=Shape(nodes=6, features=3, window=8, horizon=3, drivers=3))


@pytest.mark.parametrize("head", list(CHANNELS))
def test_outputs_have_the_channels_of_their_head_whatever_the_batch_and_the_heads_of_attention(head):
    for graphs in (1, 2, 5):
        for training in (True, False):
            told = small(head=head).build(SMALL).train(training)(windows(graphs))
            assert told.shape == (graphs, 12, SMALL.nodes, CHANNELS[head])
            assert not told[:, :, :WAVES].any(), "drivers are not forecast"


def test_weights_of_a_mixture_sum_to_one_and_deviations_keep_their_floor():
    model = drawn(small(std_floor=1e-2))
    with torch.no_grad():
        model.head.linear.bias[3:6] = -50
        told = model(windows())[:, :, WAVES:]
    _, std, log_weight = told.chunk(3, dim=-1)
    torch.testing.assert_close(log_weight.exp().sum(-1), torch.ones(4, 12, TARGETS), atol=1e-6, rtol=0)
    assert (std >= 1e-2).all()


def test_quantiles_rise_and_start_as_those_of_a_standard_normal():
    model = small(head="quantile").build(SMALL)
    with torch.no_grad():
        model.head.linear.weight.zero_()
        told = model(windows())[0, 0, -1]
    normal = torch.distributions.Normal(0.0, 1.0)
    torch.testing.assert_close(told, normal.icdf((torch.arange(9) + 0.5) / 9), atol=1e-5, rtol=1e-5)
    assert (drawn(small(head="quantile"))(windows())[:, :, WAVES:].diff(dim=-1) > 0).all()


@pytest.mark.parametrize("levels", [1, 2])
def test_nodes_that_listen_in_chunks_hear_the_same(levels):
    batch = windows()
    whole = found_by(drawn(small(levels=levels, bidirectional=True)), batch)
    for chunk in (1, 2, 3, TARGETS + 5):
        assert_close(found_by(drawn(small(levels=levels, bidirectional=True, node_chunk=chunk)), batch), whole, 1e-5)


@pytest.mark.parametrize("structure", ["complete", "given"])
@pytest.mark.parametrize("top", [0, 2])
@pytest.mark.parametrize("graph", ["learned", "adaptive"])
def test_lists_of_edges_give_what_all_pairs_give(structure, top, graph):
    options = {"structure": structure, "top_edges": top, "graph": graph, "bidirectional": True}
    dense, listed = (found_by(drawn(small(layout=layout, **options)), windows()) for layout in ("dense", "edge"))
    assert_close(dense, listed, 1e-5)


def test_samples_do_not_see_each_other():
    model, batch = drawn(small()).eval(), windows()
    other = replace(batch, x=torch.cat([batch.x[:1], torch.randn_like(batch.x[1:])]))
    alone = Batch(batch.x[:1], batch.adjacency[:1], batch.mask[:1], batch.y[:1], batch.ids[:1])
    with torch.no_grad():
        told = model(batch)
        torch.testing.assert_close(model(alone), told[:1], atol=1e-6, rtol=1e-6)
        assert torch.equal(model(other)[0], told[0])


def test_every_series_is_heard_through_the_graph_and_waves_not_without_it():
    batch = windows()
    for graph_attention in (True, False):
        model = drawn(small(graph_attention=graph_attention)).eval()
        with torch.no_grad():
            told = model(batch)
            for node in range(SMALL.nodes):
                x = batch.x.clone()
                x[:, :, node, 0] += 1
                change = (model(replace(batch, x=x)) - told).abs().amax()
                assert (change > 1e-6) == (graph_attention or node >= WAVES), node
            x = batch.x.clone()
            x[..., 1] += torch.linspace(0, 1, SMALL.window)[:, None]
            assert (model(replace(batch, x=x)) - told).abs().amax() > 1e-6


def test_the_order_of_time_matters_only_where_something_tells_it():
    batch = windows()
    reversed_tokens = replace(batch, x=batch.x.unflatten(1, (-1, 4)).flip(1).flatten(1, 2))
    for mixer, encoding in (("convolution", "none"), ("none", "sinusoid"), ("attention", "sinusoid")):
        model = drawn(small(time_mixer=mixer, time_encoding=encoding)).eval()
        assert (model(batch) - model(reversed_tokens)).abs().amax() > 1e-6
    for mixer in ("none", "attention"):
        model = drawn(small(time_mixer=mixer, time_encoding="none")).eval()
        torch.testing.assert_close(model(batch), model(reversed_tokens), atol=1e-5, rtol=1e-5)


def test_waves_that_change_places_with_all_that_is_known_of_them_change_nothing():
    order = torch.randperm(WAVES, generator=torch.Generator().manual_seed(2))
    model, batch = drawn(small(levels=2, structural_encoding="walks")).eval(), windows()
    with torch.no_grad():
        told = model(batch)
        model.embedding.node.weight[:WAVES] = model.embedding.node.weight[order]
        for block in model.blocks:
            scores = block.graph.reads.prior.scores
            scores[:, :WAVES] = scores[:, order]
            block.graph.coarse.assign.copy_(block.graph.coarse.assign[order])
        x = batch.x.clone()
        x[:, :, :WAVES] = batch.x[:, :, order]
        torch.testing.assert_close(model(replace(batch, x=x)), told, atol=1e-5, rtol=1e-5)


def test_a_seed_settles_a_step_and_evaluation_draws_nothing():
    spec, batch = small(dropout=0.2, gumbel=0.5), windows()
    model = drawn(spec)
    one, same, other = (found_by(model, batch, seed=seed) for seed in (1, 1, 2))
    assert all(map(torch.equal, one, same))
    assert not torch.equal(one[0], other[0])
    before = torch.get_rng_state()
    model.eval()(batch)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("level", ["block", "keep_products"])
def test_gumbel_noise_is_the_same_when_blocks_recompute(level):
    model, batch = drawn(small(dropout=0.1, gumbel=0.5, node_chunk=2)), windows()
    plain = found_by(model, batch)
    recompute_blocks(model, Memory(recompute=level))
    assert all(map(torch.equal, found_by(model, batch), plain))


def test_a_batch_in_parts_has_the_gradients_of_the_whole():
    model, batch = drawn(small()), windows()

    def gradients(parts):
        model.zero_grad()
        for index in torch.arange(4).chunk(parts):
            own = (batch.x[index], batch.adjacency[index], batch.mask[index], batch.y[index], batch.ids[index])
            (model(Batch(*own)).square().mean() / parts).backward()
        return [weight.grad.clone() for weight in model.parameters()]

    whole = gradients(1)
    for parts in (2, 4):
        assert_close(gradients(parts), whole, 1e-5)


def test_a_model_leaves_its_options_as_they_are():
    spec = small()
    before = spec.options()
    model = drawn(spec)
    model(windows()).sum().backward()
    assert spec.options() == before
    with pytest.raises(ValueError, match="frozen"):
        spec.width = 8


def test_what_a_model_is_made_of_is_settled_before_it_runs():
    for spec in (small(), small(structure="given", graph_encoding=True)):
        model, batch = drawn(spec), windows()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        told = model.eval()(batch)
        assert before.keys() == model.state_dict().keys()
        fresh = spec.build(SMALL).eval()
        fresh.load_state_dict(before)
        torch.testing.assert_close(fresh(batch), told, atol=0, rtol=0)
        model.train()(batch).square().mean().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        assert before.keys() == model.state_dict().keys()
        fresh.load_state_dict(model.state_dict())
        assert not torch.equal(fresh(batch), told)
        assert torch.equal(fresh(batch), model.eval()(batch))


ENCODED = {"structural_encoding": "laplacian", "graph_encoding": True}


def test_moving_a_model_takes_its_graph_along():
    model = drawn(small(**ENCODED)).double()
    batch = replace(windows(), x=windows().x.double())
    told = model(batch)
    assert told.dtype == torch.float64
    kept = {"reads", "tells", "structural", "places", "time.table"}
    assert kept == {name for name, _ in model.named_buffers()}
    assert {model.get_buffer(name).dtype for name in ("structural", "places", "time.table")} == {torch.float64}
    assert model.get_buffer("reads").dtype == torch.bool, "masks stay masks"
    model.clear_cache()
    torch.testing.assert_close(model(batch), told, atol=1e-6, rtol=0)
    meta = small(**ENCODED).build(SMALL).to("meta")
    assert {buffer.device.type for buffer in meta.buffers()} == {"meta"}


def test_a_batch_on_another_device_than_the_model_is_told_so():
    batch = windows()
    with pytest.raises(ValueError, match="x is on cpu, but the model is on meta"):
        small().build(SMALL).to("meta")(batch)
    with pytest.raises(ValueError, match="x is on meta, but the model is on cpu"):
        small().build(SMALL)(replace(batch, x=batch.x.to("meta")))


@pytest.mark.parametrize(
    "options", [{}, {"time_mixer": "autocorrelation"}, {"graph": "adaptive", "levels": 2, **ENCODED}]
)
def test_bf16_stays_near_and_leaves_no_parameter_behind(options):
    torch.manual_seed(0)
    model, batch = small(**options).build(SMALL), windows()

    def in_bf16(batch):
        with torch.autocast("cpu", torch.bfloat16):
            return model(batch)

    def loss(told, batch):
        return -Mixture.of(told[:, :, WAVES:]).log_prob(batch.y[:, :, WAVES:]).mean()

    exact, near = loss(model(batch), batch), loss(in_bf16(batch), batch)
    assert near.dtype == torch.float32
    assert (near - exact).abs() < 0.02
    stats = memory_stats(model, batch, loss, forward=in_bf16)
    assert stats.dead_parameters == stats.zero_parameters == ()


def test_a_patch_is_a_divisor_of_the_window_and_chosen_where_none_is_told():
    with pytest.raises(LabError, match=r"patch: a window of 48 frames is not a multiple of 5"):
        small(patch=5).build(SMALL)
    chosen = {window: Pgat().build(replace(SMALL, window=window)).embedding.patch for window in (96, 48, 12, 7, 5)}
    assert chosen == {96: 8, 48: 8, 12: 3, 7: 1, 5: 1}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"width": 30}, "heads"),
        ({"components": 0}, "components"),
        ({"transitions": 0}, "transitions"),
        ({"patch": 0}, "patch"),
        ({"std_floor": 0.0}, "std_floor"),
        ({"edge_entropy": -1.0}, "edge_entropy"),
        ({"time_mixer": "fourier"}, "time_mixer"),
        ({"graph": "fourier"}, "graph"),
        ({"edge_gate": "fourier"}, "edge_gate"),
        ({"time_encoding": "fourier"}, "time_encoding"),
        ({"structural_encoding": "fourier"}, "structural_encoding"),
        ({"head": "fourier"}, "head"),
        ({"levels": 3}, "levels"),
        ({"layout": "sparse"}, "layout"),
        ({"node_chunk": 2, "layout": "edge"}, "node_chunk"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options, word):
    with pytest.raises(ValueError, match=word):
        Pgat(**options)


def test_what_goes_wrong_inside_is_not_swallowed():
    model = small().build(SMALL)
    model.blocks[0].feed_forward.forward = lambda z: 1 / 0
    with pytest.raises(ZeroDivisionError):
        model(windows())
    with pytest.raises(ValueError, match="the model reads"):
        small().build(SMALL)(windows(shape=replace(SMALL, window=44)))


@pytest.mark.parametrize(
    ("option", "level", "gone"),
    [
        ("graph_attention", False, {"graph", "wave", "event"}),
        ("time_mixer", "none", {"mixer", "mixer_norm"}),
        ("edge_gate", "none", {"gate"}),
        ("graph", "fixed", {"scores"}),
        ("time_encoding", "none", {"time"}),
    ],
)
def test_what_is_off_leaves_no_module(option, level, gone):
    model = small(**{option: level}).build(SMALL)
    names = [*dict(model.named_modules()), *dict(model.named_parameters())]
    assert not gone & {part for name in names for part in name.split(".")}


@pytest.mark.slow
def test_targets_learn_eight_windows_by_heart():
    torch.manual_seed(0)
    spec = small()
    model, batch = spec.build(SMALL).train(), windows(8)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    wanted = batch.y[:, :, WAVES:, None]
    for _ in range(300):
        optimiser.zero_grad()
        mean, std, log_weight = model(batch)[:, :, WAVES:].chunk(3, dim=-1)
        loss = -(torch.distributions.Normal(mean, std).log_prob(wanted) + log_weight).logsumexp(-1).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    assert loss < -0.3
