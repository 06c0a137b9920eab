"""Attention against arrays of the original, its masks, and its special cases."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from lab.spec.models import GraphTransformer
from lab.zoo.attention import Attention, Normaliser, Pairs

pytestmark = pytest.mark.torch

START = {"init_weight": (1.0, -1.0), "init_bias": 0.0}
NAMES = {
    "in_projection.weight": "in_proj_weight",
    "in_projection.bias": "in_proj_bias",
    "out_projection.weight": "out_proj.weight",
    "out_projection.bias": "out_proj.bias",
    "positional.weight": "positional_bias.weight.weight",
    "positional.bias": "positional_bias.weight.bias",
}
CASES = [
    f"{kind}.{mixing}.{rest}"
    for mixing in ("softmax", "gate")
    for kind, rests in {
        "position": ["h1.p012", "h2.p012", "h2.p12", "h2.p01.onehot", "h2.p012.padmask"],
        "content": ["h1.p012", "h2.p012"],
        "content_dist": ["h1.p012", "h2.p012", "h2.p12"],
    }.items()
    for rest in rests
] + ["content.softmax.h2.p012.padmask"]


def options(case):
    kind, mixing, heads, powers, *_ = case.split(".")
    return GraphTransformer(
        width=8,
        heads=int(heads[1:]),
        attention=kind.removesuffix("_dist"),
        distance_bias=kind.endswith("_dist"),
        mixing=mixing,
        powers=tuple(int(power) for power in powers[1:]),
    )


@pytest.mark.parametrize("case", CASES)
def test_attention_equals_the_original_in_output_weights_and_gradients(reference, case):
    known = {
        key.removeprefix(case + "."): value
        for key, value in reference("positional_attention").items()
        if key.startswith(case + ".") and ("padmask" in key) == ("padmask" in case)
    }
    attention = Attention(options(case))
    attention.load_state_dict({ours: known[f"w.{NAMES[ours]}"] for ours in attention.state_dict()})
    seen = []
    attention.normaliser.register_forward_hook(lambda _module, _inputs, weights: seen.append(weights))
    x = known["x"].clone().requires_grad_()
    out = attention(x, Pairs.of((~known["mask"])[:, None].float(), "infinite", known["stack"]))
    out.backward(known["cotangent"])
    torch.testing.assert_close(out, known["out"], atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[0].mean(1), known["attn_headmean"], atol=1e-5, rtol=0)
    torch.testing.assert_close(x.grad, known["grad.x"], atol=1e-4, rtol=0)
    for ours, weight in attention.named_parameters():
        torch.testing.assert_close(weight.grad, known[f"grad.{NAMES[ours]}"], atol=1e-4, rtol=0)


def everything_finite(module):
    """Hooks that fail on the first NaN or infinity, forward or backward."""

    def check(_module, _inputs, outputs):
        for value in outputs if isinstance(outputs, tuple) else (outputs,):
            assert value is None or value.isfinite().all()

    for part in module.modules():
        part.register_forward_hook(check)
        part.register_full_backward_hook(check)


@pytest.mark.parametrize("mixing", ["softmax", "gate"])
def test_a_fully_masked_row_weighs_nothing_and_never_shows_a_nan(mixing):
    normaliser = Normaliser(mixing, "infinite")
    everything_finite(normaliser)
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    allowed = torch.rand(2, 1, 4, 4) < 0.6
    allowed[:, :, 1] = False
    pairs = Pairs.of(allowed.float(), "infinite")
    weights = normaliser(logits, pairs.allowed, pairs.fill)
    weights.square().sum().backward()
    assert (weights[:, :, 1] == 0).all()
    assert (weights.masked_select(~allowed) == 0).all()
    assert (logits.grad.masked_select(~allowed) == 0).all()
    assert logits.grad.isfinite().all()


def test_the_old_fill_lets_a_fully_masked_row_average_over_everything():
    allowed = torch.tensor([[True, False], [False, False]])[None, None]
    pairs = Pairs.of(allowed.float(), "million")
    weights = Normaliser("softmax", "million")(torch.randn(1, 1, 2, 2), pairs.allowed, pairs.fill)
    assert weights[0, 0].tolist() == [[1, 0], [0.5, 0.5]]


def test_gates_ignore_the_other_columns():
    logits = torch.randn(1, 1, 3, 3)
    changed = logits.clone()
    changed[..., 2] += 5
    gate, pairs = Normaliser("gate", "infinite"), Pairs.of(torch.ones(1, 1, 3, 3), "infinite")
    before, after = (gate(given, pairs.allowed, pairs.fill) for given in (logits, changed))
    assert torch.equal(before[..., :2], after[..., :2])


def test_merging_by_log_gate_is_content_times_the_gate_before_the_softmax():
    spec = GraphTransformer(width=8, heads=2, attention="content", distance_bias=True, merge="log_gate")
    attention = Attention(spec)
    x, walks = torch.randn(1, 4, 8), torch.rand(1, 5, 4, 4)
    seen = []
    attention.normaliser.register_forward_hook(lambda _module, inputs, _weights: seen.append(inputs[0]))
    attention(x, Pairs.of(torch.ones(1, 1, 4, 4), "infinite", walks))
    query, key, _ = attention.in_projection(x).view(1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
    content = query @ key.transpose(-1, -2) / 2
    gate = attention.positional(walks, None).sigmoid()
    torch.testing.assert_close(seen[0], content.clamp(-10, 10) + gate.log())


def test_equal_gates_on_self_and_neighbours_are_half_of_what_gin_sums():
    """Position attention, one-hot [0, 1], gates at logit 0, values unchanged: 0.5 (x + sum of the neighbours)."""
    spec = GraphTransformer(
        width=6, mixing="gate", powers=(0, 1), positional={"init_weight": (0.0, 0.0), "init_bias": 0.0}
    )
    attention = Attention(spec)
    with torch.no_grad():
        for linear in (attention.in_projection, attention.out_projection):
            linear.weight.copy_(torch.eye(6))
    x = torch.randn(2, 5, 6)
    edges = (torch.rand(2, 5, 5) < 0.5).triu(1)
    edges = edges | edges.transpose(1, 2)
    walks = torch.stack([torch.eye(5).expand(2, 5, 5), edges.float()], dim=1)
    found = attention(x, Pairs.of((walks > 0).any(1, keepdim=True).float(), "infinite", walks))
    torch.testing.assert_close(found, 0.5 * (x + edges.float() @ x))


@pytest.mark.parametrize(("options", "at"), [({"replace": "sum"}, 0.9), ({"replace": "relu"} | START, 0.3)])
def test_the_positional_map_can_be_replaced(options, at):
    spec = GraphTransformer(width=8, heads=2, powers=(0, 1), positional=options)
    positional = Attention(spec).positional
    walks = torch.tensor([[0.6, 0.3], [0.3, 0.6]]).view(2, 2, 1, 1)
    logits = positional(walks, None)
    torch.testing.assert_close(logits[0], torch.full((2, 1, 1), at))
    torch.testing.assert_close(logits[1], torch.full((2, 1, 1), at if options["replace"] == "sum" else 0.0))


def test_a_start_of_a_map_that_is_not_there_is_refused():
    with pytest.raises(ValidationError, match="which is not there"):
        GraphTransformer(powers=(0, 1), positional={"map": "mlp"} | START)


def test_the_learned_logit_is_added_to_unreachable_pairs_only():
    spec = GraphTransformer(width=8, powers=(0, 1), unreachable="learned", unreachable_init=-2.0)
    attention = Attention(spec)
    walks = torch.eye(2).expand(1, 2, 2, 2)
    seen = []
    attention.normaliser.register_forward_hook(lambda _module, inputs, _weights: seen.append(inputs[0]))
    beyond = 1 - torch.eye(2)[None, None]
    attention(torch.randn(1, 2, 8), Pairs.of(torch.ones(1, 1, 2, 2), "infinite", walks, beyond))
    torch.testing.assert_close(seen[0][0, 0, 0, 1], attention.positional.bias[0] - 2)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_the_positional_mlp_normalises_over_the_permitted_pairs(masked, biased):
    torch.manual_seed(0)
    spec = GraphTransformer(width=8, heads=2, positional={"map": "mlp"}, masked_norm=masked, bias_before_norm=biased)
    made = Attention(spec).positional.double()
    norm = torch.nn.BatchNorm1d(20).double()
    walks, allowed = torch.rand(3, 5, 4, 4, dtype=torch.float64), torch.rand(3, 1, 4, 4) < 0.7
    seen = allowed[:, 0] if masked else torch.ones(3, 4, 4, dtype=torch.bool)
    for _ in range(2):
        found = made(walks, allowed.double())
        known = made.linear2(norm(made.linear1(walks.movedim(1, -1)[seen])).relu())
        torch.testing.assert_close(found.movedim(1, -1)[seen], known)
        norm.eval()
        made.eval()
    torch.testing.assert_close(made.norm.running_var, norm.running_var)
    torch.testing.assert_close(made.norm.running_mean, norm.running_mean)
