"""Every model of the menu keeps the contracts, at every setting."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from lab.data.batch import Shape
from lab.spec.models import DegreeLogreg, Gin, GraphTransformer
from lab.testing import CLASSIFY, check_model, check_off_levels, settings_of, small_batch

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Full backward hook is firing"),
]

dropouts = st.sampled_from([0.0, 0.0, 0.2])
SMALL = {
    Gin: {"layers": st.integers(1, 3), "width": 8, "mlp_factor": st.integers(1, 2), "dropout": dropouts},
    GraphTransformer: {
        "layers": st.integers(1, 2),
        "width": 8,
        "heads": st.sampled_from([1, 2]),
        "feed_forward": 12,
        "powers": st.sampled_from([(0, 1), (0, 1, 2), (1, 2), (0, 2), (0,)]),
        "unreachable_init": st.sampled_from([-2.0, -100.0]),
        "positional.hidden": 2,
        "positional.init_weight": None,
        "positional.init_bias": None,
        "dropout": dropouts,
        "attention_dropout": st.sampled_from([None, 0.0, 0.2]),
        "gin_layers": st.sampled_from([0, 0, 1]),
    },
    DegreeLogreg: {},
}


def is_sound(spec):
    """Not an MLP over walk vectors that are all the same: its norm leaves rounding errors only."""
    return not (isinstance(spec, GraphTransformer) and spec.powers == (0,) and spec.positional.map == "mlp")


anything = st.sampled_from(list(SMALL)).flatmap(lambda kind: settings_of(kind, SMALL[kind])).filter(is_sound)
transformers = settings_of(GraphTransformer, SMALL[GraphTransformer]).filter(is_sound)
some = settings(deadline=None, suppress_health_check=list(HealthCheck))


def ignores_padding(spec):
    """Norms over all rows see padding, and so does a row that the old fill lets average over everything."""
    if not isinstance(spec, GraphTransformer):
        return True
    starved = 0 not in spec.powers and spec.unreachable == "mask" and spec.mixing == "softmax"
    return spec.masked_norm and not (starved and spec.mask_fill == "million")


@pytest.mark.parametrize("kind", [Gin, DegreeLogreg])
def test_a_model_keeps_the_contracts_with_every_level_changed_alone(kind):
    check_model(kind)


def test_the_graph_transformer_keeps_the_contracts_with_every_level_changed_alone():
    check_model(GraphTransformer)


@given(anything)
@settings(some, max_examples=60)
def test_any_setting_keeps_the_contracts_to_the_last_digits(spec):
    check_model(spec, dtype=torch.float64, padding=ignores_padding(spec))


@given(transformers)
@settings(some, max_examples=25)
def test_numbers_on_the_nodes_serve_as_well_as_tokens(spec):
    shape = Shape(nodes=9, classes=3, features=5)
    check_model(spec, shape=shape, dtype=torch.float64, padding=ignores_padding(spec))


@given(anything.filter(lambda spec: not isinstance(spec, GraphTransformer) or spec.positional.map == "linear"))
@settings(some, max_examples=30)
def test_what_is_off_leaves_nothing_behind(spec):
    check_off_levels(spec)


@given(anything)
@settings(some, max_examples=40)
def test_a_pack_of_two_is_what_its_members_are_alone(spec):
    members = [spec.build(CLASSIFY).double() for _ in range(2)]
    for at, member in enumerate(members):
        for name, buffer in member.named_buffers():
            if name.endswith("key"):
                buffer.fill_(at + 1)
    batch = small_batch(CLASSIFY)
    weights, buffers = stack_module_state(members)
    cotangent = torch.randn(2, 3, 9, 3, dtype=torch.float64) * batch.mask[..., None]
    packed = vmap(lambda w, b: functional_call(members[0], (w, b), (batch,)))(weights, buffers)
    learning = [name for name, weight in weights.items() if weight.requires_grad]
    grads = torch.autograd.grad((packed * cotangent).sum(), [weights[name] for name in learning], allow_unused=True)
    for at, member in enumerate(members):
        alone = member(batch)
        torch.testing.assert_close(packed[at], alone)
        (alone * cotangent[at]).sum().backward()
        own = dict(member.named_parameters())
        for name, grad in zip(learning, grads, strict=True):
            if grad is not None:
                torch.testing.assert_close(grad[at], own[name].grad, atol=1e-8, rtol=1e-6)
        for name, buffer in member.named_buffers():
            torch.testing.assert_close(buffers[name][at], buffer)


@given(anything)
@settings(some, max_examples=20)
def test_no_value_on_the_way_is_ever_infinite_or_nan(spec):
    model = spec.build(CLASSIFY)

    def check(module, _inputs, outputs):
        for value in outputs if isinstance(outputs, (tuple, list)) else (outputs,):
            assert value is None or value.isfinite().all(), type(module).__name__

    for part in model.modules():
        part.register_forward_hook(check)
        part.register_full_backward_hook(check)
    batch = small_batch(CLASSIFY)
    model(batch)[batch.mask].square().sum().backward()
