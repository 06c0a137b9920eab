"""ASTGCN against recorded runs of its parts and of the documented model, and what its options promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_trial import run
from temporal_parity import check_parity, graph_of_edges
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch_geometric.utils import dense_to_sparse

from lab.data.batch import Batch, Shape
from lab.spec.experiment import Experiment
from lab.spec.files import read_experiment
from lab.spec.models import Astgcn as Options
from lab.spec.models.graph_source import GraphSource
from lab.testing import FORECAST, LINKS, check_model, check_off_levels, one_changed, small_batch
from lab.train.build import build_model
from lab.zoo.astgcn.astgcn import Block
from lab.zoo.astgcn.bilinear import NodeAttention, TimeAttention
from lab.zoo.astgcn.convolution import AttentiveChebyshev
from lab.zoo.chebyshev import messages

pytestmark = pytest.mark.torch
EXPERIMENT = read_experiment("experiments/links_astgcn_documented.yaml")
DOCUMENTED = EXPERIMENT.model
SMALL = Options(graph_filters=6, time_filters=5)
FULL = Shape(nodes=30, features=6, window=10)

TIME = {
    "_U1": "nodes.weight",
    "_U2": "left.weight",
    "_U3": "right.weight",
    "_be": "scores.bias",
    "_Ve": "scores.weight",
}
NODE = {
    "_W1": "frames.weight",
    "_W2": "left.weight",
    "_W3": "right.weight",
    "_bs": "scores.bias",
    "_Vs": "scores.weight",
}
BLOCK = {
    **{f"_temporal_attention.{theirs}": f"attention.time.{ours}" for theirs, ours in TIME.items()},
    **{f"_spatial_attention.{theirs}": f"attention.node.{ours}" for theirs, ours in NODE.items()},
    "_chebconv_attention._": "graph.",
    "_time_convolution": "time",
    "_residual_convolution": "shortcut",
    "_layer_norm": "norm",
}


def documented(filters):
    return DOCUMENTED.model_copy(update={"graph_filters": filters, "time_filters": filters})


def by_frame(x):
    """Recorded windows [windows, nodes, features, frames] as ours, and back."""
    return x.transpose(2, 3)


def test_attention_over_frames_is_the_recorded_one(reference):
    arrays = reference("astgcn_temporal_attention")
    part = TimeAttention(DOCUMENTED, 7, 5, 6)
    check_parity(part, arrays, TIME, lambda dtype: part(by_frame(arrays["in/x"].to(dtype))), mse_loss)


def test_attention_over_nodes_is_the_recorded_one(reference):
    arrays = reference("astgcn_spatial_attention")
    part = NodeAttention(DOCUMENTED, 7, 5, 6)

    def run(dtype):
        return part(by_frame(arrays["in/x"].to(dtype)), torch.eye(5, dtype=dtype).expand(2, 5, 5))

    check_parity(part, arrays, NODE, run, mse_loss)


def test_the_chained_convolution_is_the_recorded_one(reference):
    arrays = reference("astgcn_cheb_undirected")
    part = AttentiveChebyshev(documented(8), 6)

    def run(dtype):
        x = arrays["in/x"].to(dtype)[:, :, None]
        return part(x, messages(graph_of_edges(arrays, 7, dtype)), arrays["in/attention"].to(dtype))[:, :, 0]

    check_parity(part, arrays, {"_": ""}, run, mse_loss)


def test_the_documented_block_is_the_recorded_one(reference):
    arrays = reference("astgcn_block")
    block = Block(documented(8), Shape(nodes=7, window=5), 6)

    def run(dtype):
        graph = graph_of_edges(arrays, 7, dtype)
        return by_frame(block(by_frame(arrays["in/x"].to(dtype)), graph, messages(graph)))

    check_parity(block, arrays, BLOCK, run, mse_loss)


def test_the_documented_model_is_the_recorded_one(reference):
    arrays = reference("astgcn_medium")
    readout = DOCUMENTED.readout.model_copy(update={"hidden": 8})
    spec = documented(8).model_copy(update={"readout": readout})
    model = spec.build(Shape(nodes=8, features=6, window=10)).eval()
    names = {
        f"astgcn._blocklist.{at}.{theirs}": f"blocks.{at}.{ours}" for at in (0, 1) for theirs, ours in BLOCK.items()
    }
    names |= {"astgcn._final_conv": "last", "layer_norm": "readout.row.norm"}
    names |= {"fc1": "readout.row.linear1", "fc2": "readout.row.linear2"}

    def run(dtype):
        x = arrays["in/x"].to(dtype)
        graphs = graph_of_edges(arrays, 8, dtype).expand(2, 10, 8, 8)
        return model(Batch(x, graphs, torch.ones(2, 8, dtype=torch.bool), arrays["in/target"], torch.arange(2)))

    check_parity(model, arrays, names, run, binary_cross_entropy)


def full_batch(windows=4):
    random = torch.Generator().manual_seed(0)
    graphs = torch.rand(windows, 11, 30, 30, generator=random).lt(0.15).triu(1)
    graphs = (graphs | graphs.mT).to(torch.uint8)
    x = torch.rand(windows, 10, 30, 6, generator=random)
    return Batch(x, graphs[:, :10], torch.ones(windows, 30, dtype=torch.bool), graphs[:, 10], torch.arange(windows))


def test_the_documented_size_is_53003_whatever_number_of_heads_is_said():
    models = [DOCUMENTED.model_copy(update={"heads": heads}).build(FULL).eval() for heads in (1, 8)]
    assert [sum(weight.numel() for weight in model.parameters()) for model in models] == [53_003, 53_003]
    models[1].load_state_dict(models[0].state_dict())
    assert torch.equal(models[0](full_batch()), models[1](full_batch()))


def largest_gradients(experiment, seed=0):
    """The largest entry of every parameter's gradient after the first forward pass."""
    model, batch = build_model(experiment, FULL, seed), full_batch()
    binary_cross_entropy(model.eval()(batch), batch.y.float()).backward()
    return {name: float(weight.grad.abs().max()) for name, weight in model.named_parameters()}


def test_attention_of_the_documented_second_block_is_dead_before_it_learns_anything():
    sizes = largest_gradients(EXPERIMENT)
    assert all(size == 0 for name, size in sizes.items() if name.startswith("blocks.1.attention.time"))
    assert all(size < 1e-4 for name, size in sizes.items() if name.startswith("blocks.1.attention.node"))
    assert max(size for name, size in sizes.items() if name.startswith("blocks.0.attention")) > 0
    assert 100 * max(size for name, size in sizes.items() if ".attention." in name) < sizes["blocks.0.time.weight"]


def zero_shares(model):
    """What the gradient probe tells of every parameter over a short run: the share of its gradient that is zero."""
    data = {"kind": "psbm_links", "train": 1, "valid": 1, "test": 1, "length": 20}
    training = {"epochs": 2, "batch": 8}
    said = {"dataset": data, "model": model.model_dump(), "training": training, "probes": "normal"}
    readings = run(Experiment.model_validate(said)).readings.to_pandas().query("probe == 'gradients'")
    return readings.groupby("name").zero_share.mean()


def test_the_gradient_probe_tells_dead_attention_from_attention_that_learns():
    shares = zero_shares(DOCUMENTED)
    assert (shares[shares.index.str.startswith("blocks.1.attention.time")] == 1).all()
    scaled = zero_shares(DOCUMENTED.model_copy(update={"vector_init": "scaled"}))
    assert (scaled[scaled.index.str.contains(".attention.")] < 0.1).all()


def test_with_scaled_vectors_all_attention_learns():
    scaled = EXPERIMENT.model_copy(update={"model": DOCUMENTED.model_copy(update={"vector_init": "scaled"})})
    sizes = largest_gradients(scaled)
    assert min(size for name, size in sizes.items() if ".attention." in name) > 1e-8


def test_another_graph_of_the_same_density_hardly_changes_what_the_documented_model_says_at_first():
    model, batch = build_model(EXPERIMENT, FULL, 0).eval(), full_batch()
    shuffled = replace(batch, adjacency=batch.adjacency[:, :, torch.randperm(30)][..., torch.randperm(30)])
    with torch.no_grad():
        known, found = model(batch), model(shuffled)
    assert (found - known).abs().mean() < 1e-3 * known.std()


def test_rescaled_attention_brings_the_graph_back():
    rescaled = DOCUMENTED.model_copy(update={"rescale_attention": True})
    batch = full_batch()
    other = replace(batch, adjacency=1 - batch.adjacency)
    moved = []
    for spec in (DOCUMENTED, rescaled):
        model = build_model(EXPERIMENT.model_copy(update={"model": spec}), FULL, 0).eval()
        x = batch.x.transpose(1, 2)
        graphs = [messages(each.adjacency[:, -1].float()) for each in (batch, other)]
        block = model.blocks[0]
        attention = block.attention(x, None)
        one, two = (block.graph(attention[0], graph, attention[1]) for graph in graphs)
        moved.append((one - two).abs().mean())
    assert moved[1] > 10 * moved[0]


def chained_by_edges(part, x, graph, weights):
    """The documented recursion over one window and frame, edge by edge."""
    edges, norm = dense_to_sparse(messages(graph))

    def over_edges(values, scale):
        out = torch.zeros_like(values)
        for row, column, entry in zip(*edges.tolist(), (norm * scale).tolist(), strict=True):
            out[row] += entry * values[column]
        return out

    before = weights.diagonal()[:, None] * x
    here = over_edges(before, weights[edges[0], edges[1]])
    last = 2 * over_edges(here, 1) - before
    return before @ part.weight[0] + here @ part.weight[1] + last @ part.weight[2] + part.bias


@pytest.mark.parametrize("rescales", [False, True])
def test_the_dense_chained_convolution_is_its_recursion_edge_by_edge(rescales):
    part = AttentiveChebyshev(documented(4).model_copy(update={"rescale_attention": rescales}), 3).double()
    batch = small_batch(LINKS, dtype=torch.float64)
    weights = torch.rand(3, 6, 6, dtype=torch.float64)
    x = batch.x.transpose(1, 2)
    found = part(x, messages(batch.adjacency[:, -1].double()), weights)
    for window in range(3):
        graph = batch.adjacency[window, -1].double()
        scaled = weights[window] * (6 if rescales else 1)
        for frame in (0, 4):
            known = chained_by_edges(part, x[window, :, frame], graph, scaled)
            torch.testing.assert_close(found[window, :, frame], known)


def test_the_published_convolution_scales_every_term_and_sums_over_what_sends():
    part = AttentiveChebyshev(SMALL.model_copy(update={"rescale_attention": False}), 3).double()
    batch = small_batch(LINKS, dtype=torch.float64)
    graph = batch.adjacency[0, -1].double()
    weights, x = torch.rand(6, 6, dtype=torch.float64), batch.x[0, 0]
    laplacian = messages(graph).mT
    terms = [torch.eye(6, dtype=torch.float64), laplacian, 2 * laplacian @ laplacian - torch.eye(6)]
    known = sum((term * weights).mT @ x @ part.weight[at] for at, term in enumerate(terms)) + part.bias
    found = part(x[None, :, None], messages(graph[None]), weights.mT[None])
    torch.testing.assert_close(found[0, :, 0], known)


@pytest.mark.parametrize(("axis", "form"), [("first", "each_term"), ("second", "chained")])
def test_what_a_node_reads_sums_to_one_along_the_axis_that_suits_the_convolution(axis, form):
    spec = SMALL.model_copy(update={"softmax_axis": axis, "cheb_attention": form})
    block = Block(spec, LINKS, 3)
    _, weights = block.attention(torch.randn(2, 6, 5, 3), None)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 6))


def test_a_frame_attended_to_is_the_sum_that_its_weights_tell():
    block = Block(SMALL, LINKS, 3)
    x = torch.randn(2, 6, 5, 3)
    seen, _ = block.attention(x, None)
    weights = block.attention.time(x)
    torch.testing.assert_close(weights.sum(1), torch.ones(2, 5))
    torch.testing.assert_close(seen[1, 2, 4], sum(weights[1, frame, 4] * x[1, 2, frame] for frame in range(5)))


def test_heads_of_edges_look_at_neighbours_and_themselves_only():
    spec = Options(attention="query_key", cheb_attention="chained", heads=2)
    block = Block(spec, LINKS, 3)
    graph = torch.zeros(1, 6, 6)
    graph[0, 0, 1] = 1
    _, weights = block.attention(torch.randn(2, 6, 5, 3), graph)
    assert torch.equal(weights[0] > 0, torch.eye(6, dtype=torch.bool) | (graph[0].mT > 0))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 6))


def test_attention_that_nothing_reads_is_not_made():
    unread = Options(graph_input="raw", cheb_attention="unmodulated").build(LINKS)
    assert all(block.attention is None for block in unread.blocks)
    only_frames = Options(cheb_attention="unmodulated").build(LINKS)
    assert all(block.attention.node is None for block in only_frames.blocks)


@pytest.mark.parametrize("spec", [documented(6), SMALL.model_copy(update={"attention": "query_key"})])
def test_it_keeps_the_contracts_at_other_levels_too(spec):
    check_off_levels(spec)
    for each in (spec, *one_changed(spec)):
        check_model(each, shape=LINKS)


def test_every_frame_may_read_its_own_graph_under_either_attention():
    for attention in ("bilinear_sigmoid", "query_key"):
        spec = SMALL.model_copy(update={"attention": attention, "graph": GraphSource(source="own_per_frame")})
        model, batch = spec.build(LINKS).eval(), small_batch(LINKS)
        other = batch.adjacency.clone()
        other[:, 0] = 1 - other[:, 0]
        assert not torch.allclose(model(batch), model(replace(batch, adjacency=other)))


def test_forecasts_are_the_last_convolution_over_all_frames():
    model = SMALL.build(FORECAST)
    assert model.readout is None
    assert model(small_batch(FORECAST)).shape == (3, 3, 6, 1)
