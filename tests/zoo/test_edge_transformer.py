"""The edge transformer: its contracts at every setting, its cost formula, what its parts see and leave behind."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode

from lab.data.batch import Shape
from lab.errors import LabError
from lab.spec.datasets import Pattern, Pyramid
from lab.spec.experiment import Experiment
from lab.spec.models import EdgeTransformer
from lab.testing import CLASSIFY, PAIRS, check_model, check_off_levels, one_changed, settings_of, small_batch

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
]

SMALL = {
    "layers": st.sampled_from([0, 1, 2, 2]),
    "width": 8,
    "heads": st.sampled_from([1, 2]),
    "feed_forward": 12,
    "edge_layers": st.integers(1, 2),
    "powers": st.sampled_from([(0, 1), (0, 1, 2), (1, 2)]),
    "edge_width": 3,
    "edge_mlp_factor": st.sampled_from([2, 4]),
    "products": st.integers(1, 2),
    "product_size": st.integers(1, 2),
    "dropout": st.sampled_from([0.0, 0.0, 0.2]),
}
BASE = EdgeTransformer(layers=1, width=8, feed_forward=8, edge_layers=2, powers=(0, 1, 2), products=2)
some = settings(deadline=None, suppress_health_check=list(HealthCheck))
every = settings_of(EdgeTransformer, SMALL)
of_nodes = every.filter(lambda spec: spec.layers > 0)
asked = st.one_of(st.tuples(of_nodes, st.just(CLASSIFY)), st.tuples(every, st.just(PAIRS)))


@pytest.mark.parametrize("shape", [CLASSIFY, PAIRS])
def test_every_level_changed_alone_keeps_the_contracts(shape):
    check_off_levels(BASE, shape=shape)
    for spec in (BASE, *one_changed(BASE)):
        check_model(spec, shape=shape)


@given(asked)
@settings(some, max_examples=40)
def test_any_setting_keeps_the_contracts_to_the_last_digits(both):
    spec, shape = both
    check_model(spec, shape=shape, dtype=torch.float64)


@given(asked)
@settings(some, max_examples=8)
def test_what_is_off_leaves_nothing_behind(both):
    check_off_levels(both[0], shape=both[1])


@given(every)
@settings(some, max_examples=10)
def test_a_pack_of_two_is_what_its_members_are_alone(spec):
    members = [spec.build(PAIRS).double() for _ in range(2)]
    for at, member in enumerate(members):
        for name, buffer in member.named_buffers():
            if name.endswith("key"):
                buffer.fill_(at + 1)
    batch = small_batch(PAIRS)
    weights, buffers = stack_module_state(members)
    packed = vmap(lambda w, b: functional_call(members[0], (w, b), (batch,)))(weights, buffers)
    for at, member in enumerate(members):
        torch.testing.assert_close(packed[at], member(batch))
        for name, buffer in member.named_buffers():
            torch.testing.assert_close(buffers[name][at], buffer)


@given(every)
@settings(some, max_examples=10)
def test_no_value_on_the_way_is_ever_infinite_or_nan(spec):
    model, batch = spec.build(PAIRS), small_batch(PAIRS)

    def check(module, _inputs, outputs):
        for value in outputs if isinstance(outputs, tuple) else (outputs,):
            assert value is None or value.isfinite().all(), type(module).__name__

    for part in model.modules():
        if part is not model.edges:
            part.register_forward_hook(check)
            part.register_full_backward_hook(check)
    model(batch).square().mean().backward()


def weights_of(model):
    """Numbers in matrices; norms and biases have none."""
    return sum(weight.numel() for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name)


@pytest.mark.parametrize("edge_layers", [1, 3])
@pytest.mark.parametrize("order", ["first", "alongside"])
@pytest.mark.parametrize("product", ["none", "path"])
def test_weights_and_multiply_adds_are_those_of_the_formula(edge_layers, order, product):
    """With e the width of each edge layer: appended products widen the next."""
    layers, d, heads, c, p, n = 3, 12, 2, 2, 3, 8
    spec = EdgeTransformer(
        layers=layers,
        width=d,
        heads=heads,
        feed_forward=4 * d,
        edge_layers=edge_layers,
        order=order,
        product=product,
        products=p,
        product_size=c,
    )
    told = spec.edge_widths()
    mixed = [2 * e * p * c for e in told[:-1]] if product == "path" else []
    biases = [heads * e for e in (told[1:] if order == "alongside" else told[-1:])]
    fed = [8 * e * e for e in told[:-1]]
    model = spec.build(Shape(nodes=n, classes=2, tokens=4))
    assert weights_of(model) == sum(fed + mixed + biases) + 12 * d * d * layers + 2 * d
    batch = small_batch(CLASSIFY)
    batch = replace(batch, extra=model.prepare(batch))
    with FlopCounterMode(display=False) as counted:
        model(batch)
    graphs, n = batch.mask.shape
    products = p * c * n**3 * len(mixed)
    of_pairs = n * n * sum(fed + mixed + biases) + products
    of_nodes = (12 * n * d * d + 2 * n * n * d) * layers + 2 * n * d
    assert counted.get_total_flops() == 2 * graphs * (of_pairs + of_nodes)


NODES = 4 * 60 + 2 * (4 * 60 * 61 + 2 * 60 * 240 + 240 + 60 + 4 * 60) + 3 * 61
"""Embedding, two encoder layers, read-out of three classes."""
TABLE = [
    ({"product": "none", "edge_layers": 1}, CLASSIFY, NODES + 225 + 10),
    ({"product": "none", "edge_layers": 2, "order": "alongside"}, CLASSIFY, NODES + 2 * (225 + 10)),
    ({}, CLASSIFY, NODES + (225 + 10) + (318 + 12) + 14),
    ({"layers": 0}, PAIRS, 225 + 10 + 318 + 12 + 8),
    ({"layers": 0, "separate": False}, PAIRS, 225 + 5 + 318 + 6 + 8),
    ({"layers": 0, "product": "none"}, PAIRS, 2 * 225 + 6),
]


@pytest.mark.parametrize(("options", "shape", "count"), TABLE)
def test_parameter_counts_are_those_worked_out_by_hand(options, shape, count):
    model = EdgeTransformer(**options).build(shape)
    assert sum(weight.numel() for weight in model.parameters()) == count


def answers(spec, changed):
    """Logits of a pair at the two ends of a line of seven, with and without a change to the line's middle."""
    torch.manual_seed(0)
    model = spec.build(PAIRS).double()
    batch = small_batch(PAIRS, dtype=torch.float64)
    line = torch.ones(3, 9, 9).tril(1).triu(-1) - torch.eye(9)
    other = line.clone()
    for row, column in changed:
        other[:, row, column] = other[:, column, row] = 1 - other[:, row, column]
    made = (model(replace(batch, adjacency=each.to(torch.uint8))) for each in (line, other))
    return [logits[0, 0, 3, 0].item() for logits in made]


@pytest.mark.parametrize("product", ["path", "cluster"])
def test_products_let_a_pair_see_what_lies_between_and_without_them_it_does_not(product):
    spec = EdgeTransformer(layers=0, powers=(0, 1), product=product, products=2)
    one, other = answers(spec, [(1, 5)])
    assert one != other
    one, other = answers(spec.model_copy(update={"product": "none"}), [(1, 5)])
    assert one == other


def test_alongside_each_edge_layer_speaks_to_the_node_layer_of_its_depth():
    spec = EdgeTransformer(layers=3, edge_layers=2, order="alongside", width=8, feed_forward=8, product="none")
    model, batch = spec.build(CLASSIFY), small_batch(CLASSIFY)
    seen = []
    for layer in model.nodes.layers:
        layer.attention.positional.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    model(batch)
    assert [one is other for one, other in pairwise(seen)] == [False, True]
    seen.clear()
    first = spec.model_copy(update={"order": "first"}).build(CLASSIFY)
    for layer in first.nodes.layers:
        layer.attention.positional.register_forward_hook(lambda _module, inputs, _out: seen.append(inputs[0]))
    first(batch)
    assert seen[0] is seen[1] is seen[2]


def test_shifts_that_batch_norm_or_a_softmax_takes_out_are_told():
    options = {"product": "none", "edge_norm": "batch", "width": 8, "feed_forward": 8}
    known = {f"edges.layers.{depth}.feed_forward.linear2.bias" for depth in range(2)}
    assert EdgeTransformer(**options).build(CLASSIFY).zero_gradient() == known
    gated = EdgeTransformer(**options, mixing="gate").build(CLASSIFY).zero_gradient()
    assert gated == {"edges.layers.0.feed_forward.linear2.bias"}
    assert EdgeTransformer(**options, mixing="gate", edge_residual=True).build(CLASSIFY).zero_gradient() == set()
    assert EdgeTransformer(width=8, feed_forward=8).build(CLASSIFY).zero_gradient() == set()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"powers": (0,)}, "must hold one above 0"),
        ({"powers": (2, 1)}, "must rise without repeats"),
        ({"stack": "one_hot", "powers": (1, 2)}, "without gaps"),
        ({"width": 7}, "multiple of heads"),
        ({"order": "alongside", "edge_layers": 3}, "3 edge_layers are more than 2 layers"),
        ({"edge_norm": "layer", "feedback": "replace"}, "two channels or more"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, says):
    with pytest.raises(ValidationError, match=says):
        EdgeTransformer(**options)


def test_without_node_layers_nodes_cannot_be_told_apart():
    spec = EdgeTransformer(layers=0)
    with pytest.raises(LabError, match="without node layers"):
        spec.build(CLASSIFY)
    with pytest.raises(ValidationError, match="without node layers"):
        Experiment(dataset=Pattern(), model=spec)
    assert Experiment(dataset=Pyramid(), model=spec).model == spec


def test_taps_show_pairs_and_nodes_row_by_row_with_what_attention_may_read():
    spec = EdgeTransformer(width=8, feed_forward=8, edge_layers=1, layers=1, scores="softmax", edge_norm="layer")
    model, batch, seen = spec.build(PAIRS), small_batch(PAIRS), {}
    for name, module in model.named_modules():
        if kind := getattr(module, "tapped", ""):
            module.register_forward_hook(lambda _module, told, out, at=(kind, name): seen.update({at: (told, out)}))
    logits = model(batch)
    assert {kind for kind, _ in seen} == {"block", "norm", "relu", "attention", "logits"}
    assert {name for kind, name in seen if kind == "block"} == {"edges.layers.0", "nodes.layers.0"}
    for (kind, _), (told, out) in seen.items():
        if kind == "attention":
            allowed = told[1].expand_as(out)
            assert not out[allowed == 0].any()
            torch.testing.assert_close(out.sum(-1), (allowed.sum(-1) > 0).float())
        else:
            assert out.shape[:2] == batch.mask.shape
    assert not logits[~batch.mask].any()
    assert not logits.transpose(1, 2)[~batch.mask].any()
