"""GIN, baseline and modified, against arrays of the original and of its description."""

from __future__ import annotations

import itertools

import pytest
import torch

from lab.data.batch import Batch, Shape
from lab.spec.models import Gin as Options
from lab.zoo.gin import Gin, GinLayer, GinStage, jump

pytestmark = pytest.mark.torch

LAYER = {
    "self_weight.e": "eps",
    "linear1.": "mlp.0.",
    "mlp_norm.": "mlp.1.",
    "linear2.": "mlp.3.",
}


def original(name):
    for ours, theirs in LAYER.items():
        name = name.replace(ours, theirs)
    return name


def incoming(batch):
    return batch.adjacency.transpose(1, 2).float()


def test_one_layer_equals_the_original_in_output_gradients_and_statistics(reference, dense):
    known = reference("positional_gin")
    batch = dense(known["conv.h"], known["edge_index"], known["batch"])
    spec = Options(width=6, mlp_factor=2, between_norm="none", residual=False, bias_before_norm=True)
    layer = GinLayer(spec, relu=False)
    weights = {name: known[f"conv.w.{original(name)}"] for name, _ in layer.named_parameters()}
    layer.load_state_dict(weights, strict=False)
    x = batch.x.clone().requires_grad_()
    out = layer(x, incoming(batch), batch.mask)[batch.mask]
    out.backward(known["conv.cotangent"])
    torch.testing.assert_close(out, known["conv.out_train"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(x.grad[batch.mask], known["conv.grad.h"], atol=1e-4, rtol=1e-4)
    for name, weight in layer.named_parameters():
        torch.testing.assert_close(weight.grad, known[f"conv.grad.{original(name)}"], atol=1e-4, rtol=1e-4)
    for name, buffer in layer.named_buffers():
        torch.testing.assert_close(buffer, known[f"conv.after.{original(name)}"], atol=1e-5, rtol=1e-5)
    out = layer.eval()(x, incoming(batch), batch.mask)[batch.mask]
    torch.testing.assert_close(out, known["conv.out_eval"], atol=1e-5, rtol=1e-5)


def stage_name(name):
    if name.startswith("embedding."):
        return name.replace("embedding", "node_encoder")
    _, depth, rest = name.removeprefix("stage.").split(".", 2)
    if rest.startswith("between_norm."):
        return f"batch_norms.{depth}." + rest.removeprefix("between_norm.")
    return f"convs.{depth}." + original(rest)


@pytest.mark.parametrize("jumping", ["last", "sum"])
@pytest.mark.parametrize("residual", [True, False])
def test_the_stack_of_layers_equals_the_original(reference, dense, jumping, residual):
    known = reference("positional_gin")
    batch = dense(known["x_tokens"], known["edge_index"], known["batch"])
    spec = Options(width=6, layers=3, jumping=jumping, residual=residual, bias_before_norm=True)
    model = Gin(spec, Shape(nodes=9, classes=2, tokens=3))
    names = [name for name, _ in model.named_parameters() if not name.startswith("readout")]
    model.load_state_dict({name: known[f"node.w.{stage_name(name)}"] for name in names}, strict=False)
    model.readout = torch.nn.Identity()
    case = f"node.{jumping}.res{int(residual)}"
    out = model(batch)[batch.mask]
    torch.testing.assert_close(out, known[f"{case}.out_train"], atol=1e-5, rtol=1e-5)
    if jumping == "last" and residual:
        for name, buffer in model.named_buffers():
            torch.testing.assert_close(buffer, known[f"node.after.{stage_name(name)}"], atol=1e-5, rtol=1e-5)
    out = model.eval()(batch)[batch.mask]
    torch.testing.assert_close(out, known[f"{case}.out_eval"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("own", "neighbour", "relu", "inner", "between"),
    itertools.product(("sigmoid", "plain"), ("sigmoid", "one"), (0, 1), (0, 1), (0, 1)),
)
def test_modified_gin_equals_its_description(reference, own, neighbour, relu, inner, between):
    known = reference("positional_modified_gin")
    spec = Options(
        width=6,
        self_weight=own,
        neighbour_weight=neighbour,
        neighbour_relu="before" if relu else "none",
        mlp_norm="batch" if inner else "none",
        between_norm="batch" if between else "none",
        bias_before_norm=True,
    )
    layer = GinLayer(spec, relu=True)
    names = {
        "self_weight.e": "eps",
        "neighbour_weight.e": "eps2",
        "linear1.weight": "W1",
        "linear1.bias": "b1",
        "linear2.weight": "W2",
        "linear2.bias": "b2",
        "mlp_norm.weight": "mlp_bn_weight",
        "mlp_norm.bias": "mlp_bn_bias",
        "between_norm.weight": "between_bn_weight",
        "between_norm.bias": "between_bn_bias",
    }
    layer.load_state_dict({name: known[names[name]] for name, _ in layer.named_parameters()}, strict=False)
    out = layer(known["x"][None], known["adj"].T[None], torch.ones(1, 9, dtype=torch.bool))
    case = f"out.self_{own}.neigh_{neighbour}.relu{relu}.mlpbn{inner}.between{between}"
    torch.testing.assert_close(out[0], known[case], atol=1e-5, rtol=1e-5)


def test_messages_come_from_predecessors_and_parallel_edges_count_twice():
    spec = Options(width=1, layers=1, self_weight="one")
    layer = GinLayer(spec, relu=False)
    layer.linear1, layer.linear2 = torch.nn.Identity(), torch.nn.Identity()
    layer.mlp_norm = layer.between_norm = type(layer.mlp_norm)(1).eval()
    adjacency = torch.tensor([[[1, 2], [0, 0]]], dtype=torch.uint8)
    batch = Batch(torch.tensor([[[1.0], [10.0]]]), adjacency, torch.ones(1, 2, dtype=torch.bool), None, None)
    found = layer(batch.x, incoming(batch), batch.mask) - batch.x
    # node 0: itself and its self loop; node 1: itself and twice its predecessor
    torch.testing.assert_close(found.flatten(), torch.tensor([2.0, 12.0]), atol=1e-3, rtol=0)


def test_relu_after_the_sum_differs_from_relu_on_messages():
    x = torch.tensor([[[2.0], [-1.0], [0.5]]])
    edges = torch.ones(1, 3, 3) - torch.eye(3)

    def gathered(where):
        layer = GinLayer(Options(width=1, self_weight="one", neighbour_relu=where, residual=False), relu=False)
        seen = []
        layer.linear1.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
        layer(x, edges, torch.ones(1, 3, dtype=torch.bool))
        return (seen[0] - x).flatten().tolist()

    assert gathered("before") == [0.5, 2.5, 2.0]
    assert gathered("after") == [0.0, 2.5, 1.0]
    assert gathered("none") == [-0.5, 2.5, 1.0]


def test_the_last_layer_has_a_relu_only_when_asked():
    stage = GinStage(Options(layers=3, width=4))
    assert [type(layer.relu).__name__ for layer in stage.layers] == ["Relu", "Relu", "Identity"]
    assert isinstance(GinStage(Options(layers=3, width=4, last_relu=True)).layers[-1].relu, torch.nn.ReLU)


def test_jumping_takes_the_last_state_or_the_sum_of_all():
    states = (torch.ones(1), 2 * torch.ones(1))
    assert jump(states, "last") == 2
    assert jump(states, "sum") == 3


@pytest.mark.parametrize(("width", "count"), [(110, 99_996), (100, 82_906)])
def test_parameter_counts_are_the_published_ones(width, count):
    model = Gin(Options(width=width, bias_before_norm=True), Shape(nodes=188, classes=2, tokens=3))
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_a_readout_per_depth_reads_every_state():
    model = Gin(Options(width=4, layers=2, jumping="readouts"), Shape(nodes=3, classes=2, tokens=3))
    assert len(model.readout.depths) == 3
