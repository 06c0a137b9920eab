"""The published models at any setting: contracts, packs, one captured graph, and a place for those who look."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.func import functional_call, stack_module_state, vmap

from lab.spec.models import GatedGcn, Gps, Grit
from lab.spec.models.encoding import NodeEncoding, Readout
from lab.spec.models.gatedgcn import AddedEncoding, HalvingReadout
from lab.testing import CLASSIFY, check_model, check_off_levels, settings_of, small_batch
from lab.zoo import portions as zoo_portions
from lab.zoo.edges import DenseEdges, Edges, ListedEdges
from lab.zoo.portions import by_portions, portions, sum_of_portions
from lab.zoo.taps import Tap

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:Full backward hook is firing")]

dropouts = st.sampled_from([0.0, 0.0, 0.2])
ENCODED = {"encoding.frequencies": st.sampled_from([2, 9, 12]), "encoding.steps": 3, "encoding.width": 3}
SHARED = {"layers": st.integers(1, 2), "width": 8, "readout.layers": 1, "dropout": dropouts}
SMALL = {
    GatedGcn: SHARED | ENCODED,
    Gps: SHARED | ENCODED | {"heads": 2, "attention_dropout": dropouts},
    Grit: SHARED | {"heads": 2, "steps": 3, "clamp": st.sampled_from([5.0, None]), "attention_dropout": dropouts},
}
anything = st.sampled_from(list(SMALL)).flatmap(lambda kind: settings_of(kind, SMALL[kind]))
some = settings(deadline=None, suppress_health_check=list(HealthCheck))


@given(anything)
@settings(some, max_examples=30)
def test_any_setting_of_a_published_model_keeps_the_contracts_to_the_last_digits(spec):
    check_model(spec, dtype=torch.float64)


@given(anything)
@settings(some, max_examples=10)
def test_what_is_off_in_a_published_model_leaves_nothing_behind(spec):
    check_off_levels(spec)


@given(anything)
@settings(some, max_examples=10)
def test_a_pack_of_two_published_models_is_what_its_members_are_alone(spec):
    members = [spec.build(CLASSIFY).double() for _ in range(2)]
    for at, member in enumerate(members):
        for name, buffer in member.named_buffers():
            if name.endswith("key"):
                buffer.fill_(at + 1)
    batch = small_batch(CLASSIFY)
    weights, buffers = stack_module_state(members)
    cotangent = torch.randn(2, 3, 9, 3, dtype=torch.float64) * batch.mask[..., None]
    packed = vmap(lambda w, b: functional_call(members[0], (w, b), (batch,)))(weights, buffers)
    grads = torch.autograd.grad((packed * cotangent).sum(), list(weights.values()), allow_unused=True)
    for at, member in enumerate(members):
        alone = member(batch)
        torch.testing.assert_close(packed[at], alone)
        (alone * cotangent[at]).sum().backward()
        for (name, weight), grad in zip(member.named_parameters(), grads, strict=True):
            if grad is not None and weight.grad is not None:
                torch.testing.assert_close(grad[at], weight.grad, atol=1e-8, rtol=1e-6, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Gps, Grit])
def test_a_captured_published_model_is_one_graph_and_gives_the_same_numbers(kind):
    alone = kind(layers=1, width=24, heads=2).build(CLASSIFY).double()
    captured = copy.deepcopy(alone)
    batch = small_batch(CLASSIFY)
    batch = replace(batch, extra=alone.prepare(batch))
    known = alone(batch)
    found = torch.compile(captured, backend="aot_eager", fullgraph=True)(batch)
    torch.testing.assert_close(found, known)
    known.sum().backward()
    found.sum().backward()
    for one, other in zip(alone.parameters(), captured.parameters(), strict=True):
        assert (one.grad is None and other.grad is None) or torch.allclose(one.grad, other.grad)


@pytest.mark.parametrize(("kind", "kinds"), [(GatedGcn, "gate"), (Gps, "gate"), (Grit, "attention")])
def test_whoever_looks_finds_blocks_gates_or_attention_and_logits(kind, kinds):
    model = kind(layers=2, width=40, **({} if kind is GatedGcn else {"heads": 2})).build(CLASSIFY)
    seen = {}
    for name, module in model.named_modules():
        told = getattr(module, "tapped", "")
        if told:
            module.register_forward_hook(lambda _m, _i, out, name=name, told=told: seen.update({name: (told, out)}))
    batch = small_batch(CLASSIFY)
    model(batch)
    assert [told for told, _ in seen.values()].count("block") == 2
    assert {"block", "relu", "logits", kinds} <= {told for told, _ in seen.values()}
    assert all(out.shape[:2] == batch.mask.shape for told, out in seen.values() if told in ("block", "logits", "relu"))
    assert all(isinstance(module, Tap) or module.tapped for module in model.modules() if hasattr(module, "tapped"))


@pytest.mark.parametrize("form", [DenseEdges, ListedEdges])
@pytest.mark.parametrize("kind", [GatedGcn, Gps, Grit])
def test_half_precision_gives_nearly_the_same_logits_and_sound_gradients(monkeypatch, kind, form):
    monkeypatch.setattr(Edges, "of", form)
    model = kind(layers=2, width=24, **({} if kind is GatedGcn else {"heads": 2})).build(CLASSIFY).eval()
    batch = small_batch(CLASSIFY)
    known = model(batch)[batch.mask]
    with torch.autocast("cpu", torch.bfloat16):
        found = model(batch)[batch.mask].float()
    assert (found - known).abs().max() < 0.05 * known.abs().max()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model.train()(batch)
    logits.float().square().sum().backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in model.parameters())


def test_work_in_portions_is_the_same_as_work_on_the_whole(monkeypatch):
    x, y = torch.randn(7, 3, 5), torch.randn(7, 3, 5)
    whole, total = by_portions(torch.mul, x, y), sum_of_portions(lambda a, b: (a * b).sum(0), x, y)
    assert len(portions(x)) == 1
    monkeypatch.setattr(zoo_portions, "CACHED", 30)
    assert [len(x[part]) for part in portions(x)] == [2, 2, 2, 1]
    assert torch.equal(by_portions(torch.mul, x, y), whole)
    torch.testing.assert_close(sum_of_portions(lambda a, b: (a * b).sum(0), x, y), total)


@pytest.mark.parametrize("spec", [GatedGcn(layers=2, width=8), Grit(layers=2, width=8, heads=2, steps=3)])
def test_a_model_is_the_same_in_portions_as_in_one_piece(monkeypatch, spec):
    model, batch = spec.build(CLASSIFY).double(), small_batch(CLASSIFY)
    told = []
    for cached in (2**19, 700):
        monkeypatch.setattr(zoo_portions, "CACHED", cached)
        model.zero_grad()
        logits = model(batch)
        logits[batch.mask].square().sum().backward()
        told.append([logits, *(weight.grad for weight in model.parameters() if weight.grad is not None)])
    for one, other in zip(*told, strict=True):
        torch.testing.assert_close(one, other)


def test_defaults_of_a_part_are_those_of_the_model_that_has_it():
    assert AddedEncoding().source == "none"
    assert NodeEncoding().source == "laplacian"
    assert (HalvingReadout().hidden, Readout().hidden) == ("halving", "level")
