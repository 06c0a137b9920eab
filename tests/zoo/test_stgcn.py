"""STGCN against recorded runs of the documented model, its plain loop form, and what its options promise."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from temporal_parity import check_parity, fill, graph_of_edges
from torch import nn
from torch.nn.functional import binary_cross_entropy, mse_loss
from torch_geometric.nn import ChebConv
from torch_geometric.utils import dense_to_sparse

from lab.data.batch import Batch, Shape
from lab.spec.files import read_experiment
from lab.spec.models import Stgcn as Options
from lab.spec.models.graph_source import GraphSource
from lab.testing import FORECAST, LINKS, check_model, small_batch
from lab.train.build import build_model
from lab.zoo.chebyshev import messages
from lab.zoo.stgcn import Block, GatedConvolution

pytestmark = pytest.mark.torch
GATE = "product_plus_branch_relu"
TIME = {"conv_1": "value", "conv_2": "gate", "conv_3": "branch"}
BLOCK = {
    **{f"_temporal_conv{at}.{theirs}": f"time{at}.{ours}" for at in (1, 2) for theirs, ours in TIME.items()},
    "_batch_norm": "norm",
    "_graph_conv.bias": "graph.bias",
    "_graph_conv.weight": "graph.weight",
}
DOCUMENTED = read_experiment("experiments/links_stgcn_documented.yaml").model
SMALL = Options(widths=(6, 5), hidden=4)


def stacked(arrays, block=""):
    """The recorded maps of single Chebyshev terms as one tensor, gradient norms included."""
    terms = [name for name in arrays if f"param/{block}_graph_conv.lins." in name]
    told = {f"param/{block}_graph_conv.weight": torch.stack([arrays[name].mT for name in sorted(terms)])}
    for kind in ("gradnorm", "gradnorm64"):
        norms = [arrays[name] for name in arrays if name.startswith(f"{kind}/{block}_graph_conv.lins.")]
        if norms:
            told[f"{kind}/{block}_graph_conv.weight"] = torch.stack(norms).norm()
    return {name: array for name, array in arrays.items() if f"{block}_graph_conv.lins" not in name} | told


def of_nodes(x):
    return x.transpose(1, 2)


def test_the_documented_gate_is_the_recorded_one(reference):
    arrays = reference("stgcn_temporal_conv")
    layer = GatedConvolution(6, 8, kernel=3, gate=GATE)
    check_parity(layer, arrays, TIME, lambda dtype: of_nodes(layer(of_nodes(arrays["in/x"].to(dtype)))), mse_loss)


@pytest.mark.parametrize("name", ["stgcn_stconv", "stgcn_stconv_train_mode"])
def test_the_documented_block_is_the_recorded_one(reference, name):
    arrays = stacked(reference(name))
    is_training = "train" in name
    block = Block(DOCUMENTED.model_copy(update={"hidden": 8}), 7, 6, 8).train(is_training)

    def run(dtype):
        matrix = messages(graph_of_edges(arrays, 7, dtype))
        return of_nodes(block.convolved(of_nodes(arrays["in/x"].to(dtype)), matrix))

    if not is_training:
        check_parity(block, arrays, BLOCK, run, mse_loss)
        return
    fill(block, arrays, BLOCK)
    loss = mse_loss(run(torch.float32), arrays["in/target"])
    torch.testing.assert_close(loss, arrays["loss"], rtol=1e-5, atol=1e-6)
    for name in ("running_mean", "running_var"):
        known = arrays[f"buffer_after/_batch_norm.{name}"]
        torch.testing.assert_close(getattr(block.norm, name), known, rtol=1e-5, atol=1e-6)


def test_the_documented_model_is_the_recorded_one(reference):
    arrays = stacked(stacked(dict(reference("stgcn_small")), "st_conv1."), "st_conv2.")
    by_frame = arrays["param/fc1.weight"].view(256, 2, 8, 8)
    arrays["param/fc1.weight"] = by_frame.transpose(1, 2).reshape(256, -1)
    spec = DOCUMENTED.model_copy(update={"hidden": 8, "widths": (8, 8)})
    model = spec.build(Shape(nodes=8, features=6, window=10)).eval()
    names = {f"st_conv{at}.{theirs}": f"blocks.{at - 1}.{ours}" for at in (1, 2) for theirs, ours in BLOCK.items()}
    names |= {"fc1": "readout.pair.linear1", "fc2": "readout.pair.linear2"}

    def run(dtype):
        x = arrays["in/x"].to(dtype)
        graphs = graph_of_edges(arrays, 8, dtype).expand(2, 10, 8, 8)
        return model(Batch(x, graphs, torch.ones(2, 8, dtype=torch.bool), arrays["in/target"], torch.arange(2)))

    check_parity(model, arrays, names, run, binary_cross_entropy)


def test_the_documented_size_is_757116_and_nearly_all_of_it_the_dense_head():
    model = DOCUMENTED.build(Shape(nodes=30, features=6, window=10))
    assert sum(weight.numel() for weight in model.parameters()) == 757_116
    assert sum(weight.numel() for weight in model.blocks.parameters()) == 34_040


def test_most_of_the_first_gradient_sits_in_the_dense_head():
    experiment = read_experiment("experiments/links_stgcn_documented.yaml")
    shape = Shape(nodes=30, features=6, window=10)
    random = torch.Generator().manual_seed(0)
    graphs = torch.rand(16, 11, 30, 30, generator=random).lt(0.15).triu(1)
    graphs = (graphs | graphs.mT).to(torch.uint8)
    x = torch.rand(16, 10, 30, 6, generator=random)
    batch = Batch(x, graphs[:, :10], torch.ones(16, 30, dtype=torch.bool), graphs[:, 10], torch.arange(16))
    model = build_model(experiment, shape, seed=0)
    binary_cross_entropy(model(batch), batch.y.float()).backward()
    squares = {name: float(weight.grad.square().sum()) for name, weight in model.named_parameters()}
    dense = sum(square for name, square in squares.items() if name.startswith("readout"))
    assert dense > 0.85 * sum(squares.values())


def test_all_frames_at_once_are_what_a_loop_over_windows_and_frames_gives():
    torch.manual_seed(0)
    block = Block(Options(hidden=4, cheb_terms=3), 6, 3, 5).double()
    other = ChebConv(4, 4, 3).double()
    with torch.no_grad():
        for term, weight in zip(other.lins, block.graph.weight, strict=True):
            term.weight.copy_(weight.mT)
        other.bias.copy_(block.graph.bias.normal_())
    batch = small_batch(LINKS, dtype=torch.float64)
    graphs = batch.adjacency[:, -1].double()
    x = batch.x.transpose(1, 2)
    first = block.time1(x)
    by_one = torch.stack(
        [
            torch.stack([other(first[window, :, frame], *dense_to_sparse(graphs[window])) for frame in range(3)], 1)
            for window in range(3)
        ]
    )
    known = block.norm(block.time2(by_one.relu()))
    torch.testing.assert_close(block.convolved(x, messages(graphs)), known, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("width", [3, 4, 7])
def test_the_published_gate_adds_the_newest_frame_it_sees_whatever_its_width(width):
    torch.manual_seed(0)
    layer = GatedConvolution(4, width, kernel=2, gate="glu_residual").double()
    x = torch.randn(2, 5, 6, 4, dtype=torch.float64)
    for frame in range(5):
        older, newest = x[:, :, frame], x[:, :, frame + 1]
        value, gate = (
            older @ part.weight[:, :, 0, 0].mT + newest @ part.weight[:, :, 0, 1].mT + part.bias
            for part in (layer.value, layer.gate)
        )
        if layer.project is None:
            newest = torch.cat([newest, newest.new_zeros(2, 5, width - 4)], -1)
        else:
            newest = newest @ layer.project.weight[:, :, 0, 0].mT + layer.project.bias
        torch.testing.assert_close(layer(x)[:, :, frame], (value + newest) * gate.sigmoid())


def test_the_order_of_relu_and_dropout_makes_no_difference():
    first, second = (
        SMALL.model_copy(update={"activation_order": order, "dropout": 0.3})
        for order in ("relu_then_dropout", "dropout_then_relu")
    )
    models = [spec.build(LINKS) for spec in (first, second)]
    models[1].load_state_dict(models[0].state_dict())
    batch = small_batch(LINKS)
    torch.testing.assert_close(models[0](batch), models[1](batch))


def test_a_window_that_is_too_short_is_lengthened_by_its_oldest_frame():
    spec = SMALL.model_copy(update={"dropout": 0.0})
    batch = small_batch(LINKS)
    short, long = spec.build(LINKS), spec.build(replace(LINKS, window=9))
    long.load_state_dict(short.state_dict())
    longer = torch.cat([batch.x[:, :1].expand(-1, 4, -1, -1), batch.x], 1)
    torch.testing.assert_close(short(batch), long(replace(batch, x=longer)))


def test_frames_read_the_graph_of_the_newest_frame_they_have_seen():
    spec = SMALL.model_copy(update={"graph": GraphSource(source="own_per_frame")})
    model = spec.build(replace(LINKS, window=9)).eval()
    batch = small_batch(replace(LINKS, window=9))
    known = model(batch)
    unread = batch.adjacency.clone()
    unread[:, :2] = 1
    torch.testing.assert_close(model(replace(batch, adjacency=unread)), known)
    read = batch.adjacency.clone()
    read[:, 2] = 1 - read[:, 2]
    assert not torch.allclose(model(replace(batch, adjacency=read)), known)


@pytest.mark.parametrize("shape", [LINKS, FORECAST])
def test_it_keeps_the_contracts_at_the_documented_levels(shape):
    check_model(DOCUMENTED.model_copy(update={"widths": (6, 5), "hidden": 4}), shape=shape)


def test_without_a_graph_it_has_no_term_that_reads_one():
    model = Options.model_validate({"graph": {"source": "none"}}).build(LINKS)
    assert all(block.graph.terms == 1 for block in model.blocks)
    batch = small_batch(LINKS)
    model.eval()
    torch.testing.assert_close(model(replace(batch, adjacency=1 - batch.adjacency)), model(batch))


def test_it_answers_in_probabilities_where_its_read_out_does():
    assert DOCUMENTED.answers("predict_links") == "probabilities"
    assert DOCUMENTED.answers("forecast") == "values"
    assert Options().answers("predict_links") == "logits"
    assert isinstance(Options(norm="none").build(LINKS).blocks[0].norm, nn.Identity)
