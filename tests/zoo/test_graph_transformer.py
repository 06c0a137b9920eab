"""The graph transformer against arrays of the original: one layer, and whole models in training."""

from __future__ import annotations

import math

import pytest
import torch

from lab.data.batch import Shape
from lab.spec.models import GraphTransformer as Options
from lab.zoo.attention import Pairs
from lab.zoo.graph_transformer import EncoderLayer, GraphTransformer

pytestmark = pytest.mark.torch

NAMES = {
    "attention.in_projection.": "attention_layer.in_proj_",
    "attention.out_projection.": "attention_layer.out_proj.",
    "attention.positional.": "attention_layer.positional_bias.weight.",
    "feed_forward.linear": "linear",
    "feed_forward.norm.": "batch_norm.operation.",
    "attention_norm.": "norm1.operation.",
    "ff_norm.": "norm2.operation.",
}


def original(name):
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name


LAYERS = [
    f"position.gate.nf{first}.att_{attention}.ff_{ff}.mlpbn{inner}.masked1"
    for first in (0, 1)
    for attention in ("layer", "batch")
    for ff in ("layer", "batch")
    for inner in (0, 1)
] + [
    "content.softmax.nf0.att_layer.ff_layer.mlpbn0.masked1",
    "content.softmax.nf1.att_layer.ff_layer.mlpbn0.masked1",
    "position.gate.nf1.att_layer.ff_layer.mlpbn0.masked0",
    "position.softmax.nf0.att_layer.ff_layer.mlpbn1.masked1",
    "position.softmax.nf1.att_layer.ff_layer.mlpbn1.masked1",
]


def layer_of(case):
    kind, mixing, first, attention, ff, inner, masked = case.split(".")
    return EncoderLayer(
        Options(
            width=8,
            feed_forward=16,
            heads=2,
            powers=(0, 1, 2),
            attention=kind,
            mixing=mixing,
            norm_first=first == "nf1",
            attention_norm=attention.removeprefix("att_"),
            ff_norm=ff.removeprefix("ff_"),
            mlp_norm="batch" if inner == "mlpbn1" else "none",
            masked_norm=masked == "masked1",
            bias_before_norm=True,
        )
    )


@pytest.mark.parametrize("case", LAYERS)
def test_an_encoder_layer_equals_the_original_in_training_and_evaluation(reference, case):
    known = reference("positional_encoder_layer")
    layer = layer_of(case)
    prefix = f"w.{case.split('.')[0]}."
    weights = {name: known[prefix + original(name)] for name, _ in layer.named_parameters()}
    layer.load_state_dict(weights, strict=False)
    real = known["real"]
    pairs = Pairs.of((~known["mask"])[:, None].float(), "infinite", known["stack"])
    x = known["x"].clone().requires_grad_()
    out = layer(x, pairs, real)
    (out * known["cotangent"])[real].sum().backward()
    torch.testing.assert_close(out[real], known[f"{case}.out_train"][real], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(x.grad, known[f"{case}.grad_x"], atol=1e-4, rtol=1e-4)
    for name, buffer in layer.named_buffers():
        torch.testing.assert_close(buffer, known[f"{case}.after.{original(name)}"], atol=1e-5, rtol=1e-5)
    out = layer.eval()(x, pairs, real)
    torch.testing.assert_close(out[real], known[f"{case}.out_eval"][real], atol=1e-5, rtol=1e-5)


def gating_model(known):
    spec = Options(
        width=8,
        layers=2,
        feed_forward=16,
        mixing="gate",
        powers=(0, 1),
        mlp_norm="batch",
        bias_before_norm=True,
    )
    model = GraphTransformer(spec, Shape(nodes=9, classes=2, tokens=3))
    model.load_state_dict({name: known[f"init.{whole(name)}"] for name in dict(model.named_parameters())}, strict=False)
    return model


def whole(name):
    outer = {
        "embedding.": "gnn_transformer.gnn_node.node_encoder.",
        "layers.": "gnn_transformer.transformer.layers.",
        "readout.": "graph_pred_linear.",
    }
    start = next(ours for ours in outer if name.startswith(ours))
    return outer[start] + original(name.removeprefix(start))


def weighted_loss(logits, y):
    counts = torch.bincount(y, minlength=2)
    weight = torch.where(counts > 0, (len(y) - counts) / len(y), 0.0)
    return torch.nn.functional.cross_entropy(logits, y, weight)


def test_three_training_steps_equal_the_original(reference, dense):
    known = reference("positional_train_gating")
    model = gating_model(known)
    batch = dense(known["x"], known["edge_index"], known["batch"])
    adam = torch.optim.Adam(model.parameters(), lr=0.01)
    exempt = model.zero_gradient()
    for step in range(3):
        adam.zero_grad()
        logits = model(batch)[batch.mask]
        loss = weighted_loss(logits, known["y"])
        loss.backward()
        torch.testing.assert_close(logits, known[f"step{step}.logits_train"], atol=1e-4, rtol=1e-4)
        assert math.isclose(loss.item(), known[f"step{step}.loss"].item(), abs_tol=1e-5)
        for name, weight in model.named_parameters():
            torch.testing.assert_close(
                weight.grad, known[f"step{step}.grad.{whole(name)}"], atol=1e-4, rtol=1e-3, msg=name
            )
        total = torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        torch.testing.assert_close(total, known[f"step{step}.total_norm_before_clip"], atol=1e-4, rtol=1e-4)
        adam.step()
    for name, weight in model.named_parameters():
        if name not in exempt:
            torch.testing.assert_close(weight.data, known[f"final.{whole(name)}"], atol=1e-4, rtol=0, msg=name)
    # Biases without a gradient wander with Adam's rounding noise, and the running means follow them: take theirs.
    theirs = {name: known[f"final.{whole(name)}"] for name in exempt}
    for name, buffer in model.named_buffers():
        theirs[name] = known[f"final_buffer.{whole(name)}"]
        if name.endswith("running_var"):
            torch.testing.assert_close(buffer, theirs[name], atol=1e-4, rtol=1e-3)
    model.load_state_dict(theirs, strict=False)
    logits = model.eval()(batch)[batch.mask]
    torch.testing.assert_close(logits, known["logits_eval"], atol=1e-4, rtol=1e-4)


def test_the_names_without_a_gradient_are_those_of_the_gating_model(reference):
    model = gating_model(reference("positional_train_gating"))
    found = {
        name
        for depth in range(2)
        for name in (f"layers.{depth}.feed_forward.linear1.bias", f"layers.{depth}.ff_norm.bias")
    }
    assert model.zero_gradient() == found


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"width": 60, "feed_forward": 240}, 146_966),
        ({"width": 60, "feed_forward": 240, "mlp_norm": "batch"}, 148_886),
        ({"width": 100, "feed_forward": 600, "mlp_norm": "batch", "powers": (0, 1)}, 570_514),
        ({"width": 100, "feed_forward": 600, "mlp_norm": "batch"}, 570_526),
        ({"width": 52, "feed_forward": 208, "heads": 4, "attention": "content"}, 132_758),
        ({"width": 52, "feed_forward": 208, "heads": 4, "attention": "content", "distance_bias": True}, 132_854),
    ],
)
def test_parameter_counts_are_the_published_ones(changes, count):
    model = GraphTransformer(Options(bias_before_norm=True, **changes), Shape(nodes=188, classes=2, tokens=3))
    assert sum(weight.numel() for weight in model.parameters()) == count


def test_prepared_stacks_give_the_same_logits_bit_for_bit(dense):
    from dataclasses import replace

    edges = torch.tensor([[0, 1, 1, 2, 3, 4], [1, 0, 2, 1, 4, 3]])
    batch = dense(torch.tensor([0, 1, 2, 0, 1]), edges, torch.tensor([0, 0, 0, 1, 1]))
    for changes in ({}, {"unreachable": "free"}, {"attention": "content"}, {"stack": "one_hot"}):
        model = GraphTransformer(Options(width=8, feed_forward=8, layers=1, **changes), Shape(3, classes=2, tokens=3))
        prepared = replace(batch, extra=model.prepare(batch))
        assert torch.equal(model(batch), model(prepared))


def test_what_no_layer_reads_is_not_prepared(dense):
    batch = dense(torch.zeros(2, dtype=torch.int64), torch.tensor([[0, 1], [1, 0]]), torch.zeros(2, dtype=torch.int64))

    def keys(**changes):
        return (
            GraphTransformer(Options(width=8, layers=1, **changes), Shape(2, classes=2, tokens=3)).prepare(batch).keys()
        )

    assert keys() == {"walks", "reach"}
    assert keys(unreachable="free") == {"walks"}
    assert keys(attention="content") == {"reach"}
    assert not keys(attention="content", unreachable="free")


def test_weights_start_as_in_the_original():
    torch.manual_seed(0)
    model = GraphTransformer(Options(width=64, attention="content", distance_bias=True, layers=1), Shape(9, 2, 3))
    attention = model.layers[0].attention
    assert attention.in_projection.weight.abs().max() <= (6 / (64 * 4)) ** 0.5
    assert attention.in_projection.weight.abs().max() > 0.95 * (6 / (64 * 4)) ** 0.5
    assert not attention.in_projection.bias.any()
    assert not attention.out_projection.bias.any()
    assert attention.out_projection.weight.abs().max() <= 1 / 8
    assert attention.positional.weight.abs().max() <= 5**-0.5
    assert attention.positional.bias.any()


def test_positional_weights_can_be_told_and_frozen():
    told = {"init_weight": (3.0, 1.0), "init_bias": -0.5, "freeze": True}
    model = GraphTransformer(Options(width=8, heads=2, powers=(0, 1), positional=told, layers=1), Shape(9, 2, 3))
    positional = model.layers[0].attention.positional
    assert positional.weight.tolist() == [[3, 1], [3, 1]]
    assert positional.bias.tolist() == [-0.5, -0.5]
    assert not any(weight.requires_grad for weight in positional.parameters())
