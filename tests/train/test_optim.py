"""The stacked update rules equal those of torch, member by member, and leave a member that does not go untouched."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lab.spec.experiment import Training
from lab.train.optim import clip_share, column, optimiser

pytestmark = pytest.mark.torch

LENGTH, STEPS = 48, 25
RULES: dict[str, tuple[type[torch.optim.Optimizer], dict[str, Any]]] = {
    "adam": (torch.optim.Adam, {}),
    "adamw": (torch.optim.AdamW, {}),
    "sgd": (torch.optim.SGD, {"momentum": 0.9}),
}


def gradients(members: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(members, LENGTH, generator=generator, dtype=torch.float64) for _ in range(STEPS)]


def started(members: int) -> Tensor:
    return torch.randn(members, LENGTH, generator=torch.Generator().manual_seed(9), dtype=torch.float64)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_every_member_moves_as_torch_moves_it(name: str, decay: float) -> None:
    rates, clips = [1e-3, 1e-2, 0.1], [0.5, 5.0, 100.0]
    trainings = [
        Training(optimizer=name, lr=lr, weight_decay=decay * (k + 1), momentum=0.9)  # type: ignore[arg-type]
        for k, lr in enumerate(rates)
    ]
    weights = started(3)
    rule = optimiser(trainings, weights)
    lr, clip, go = column(weights, rates), column(weights, clips), torch.ones(3, 1, dtype=torch.bool)
    alone = [torch.nn.Parameter(row.clone()) for row in weights]
    make, extra = RULES[name]
    theirs = [
        make([p], lr=r, weight_decay=decay * (k + 1), **extra)
        for k, (p, r) in enumerate(zip(alone, rates, strict=True))
    ]  # type: ignore[call-arg]
    for gradient in gradients(3):
        norms = torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        rule.step(gradient * clip_share(norms, clip), lr, go)
        for parameter, row, most, own in zip(alone, gradient, clips, theirs, strict=True):
            parameter.grad = row.clone()
            torch.nn.utils.clip_grad_norm_([parameter], most)
            own.step()
    for row, parameter in zip(weights, alone, strict=True):
        torch.testing.assert_close(row, parameter.detach(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_what_is_no_matrix_may_be_spared_from_decay(name: str) -> None:
    said = {"optimizer": name, "lr": 1e-2, "weight_decay": 0.1, "momentum": 0.9}
    trainings = [Training.model_validate(said | {"decayed": which}) for which in ("matrices", "all")]
    weights, is_matrix = started(2), torch.arange(LENGTH) < 20
    rule = optimiser(trainings, weights, is_matrix)
    alone = [torch.nn.Parameter(weights[0, :20].clone()), torch.nn.Parameter(weights[0, 20:].clone())]
    both = torch.nn.Parameter(weights[1].clone())
    make, extra = RULES[name]
    groups = [{"params": alone[:1], "weight_decay": 0.1}, {"params": alone[1:], "weight_decay": 0.0}]
    theirs = make(groups, lr=1e-2, **extra), make([both], lr=1e-2, weight_decay=0.1, **extra)
    for gradient in gradients(2):
        rule.step(gradient, column(weights, [1e-2] * 2), torch.ones(2, 1, dtype=torch.bool))
        alone[0].grad, alone[1].grad, both.grad = (
            gradient[0, :20].clone(),
            gradient[0, 20:].clone(),
            gradient[1].clone(),
        )
        for each in theirs:
            each.step()
    expected = torch.stack([torch.cat([each.detach() for each in alone]), both.detach()])
    torch.testing.assert_close(weights, expected, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_momentum_may_change_from_step_to_step_as_in_torch(name: str) -> None:
    weights = started(1)
    rule = optimiser([Training.model_validate({"optimizer": name, "weight_decay": 0.0})], weights)
    alone = torch.nn.Parameter(weights[0].clone())
    make, extra = RULES[name]
    theirs = make([alone], lr=1e-2, weight_decay=0.0, **extra)
    for at, gradient in enumerate(gradients(1)):
        momentum = 0.95 - 0.1 * at / STEPS
        theirs.param_groups[0] |= {"momentum": momentum} if name == "sgd" else {"betas": (momentum, 0.999)}
        rule.momentum = column(weights, [momentum])
        rule.step(gradient, column(weights, [1e-2]), torch.tensor([[True]]))
        alone.grad = gradient[0].clone()
        theirs.step()
    torch.testing.assert_close(weights[0], alone.detach(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", RULES)
def test_a_member_that_stays_keeps_every_bit_and_the_others_do_not_notice(name: str) -> None:
    trainings = [Training(optimizer=name, lr=1e-2, weight_decay=0.1, momentum=0.9)] * 3  # type: ignore[arg-type]
    both, without = started(3), started(3)[[0, 2]]
    rules = optimiser(trainings, both), optimiser(trainings[:2], without)
    goes = torch.tensor([[True], [False], [True]])
    for at, gradient in enumerate(gradients(3)):
        go = goes if at >= 3 else torch.ones_like(goes)
        if at == 3:
            kept = [both[1].clone(), *[tensor[1].clone() for tensor in rules[0].state().values()]]
        poisoned = gradient.clone()
        poisoned[1] = torch.nan if at >= 3 else poisoned[1]
        lr = column(both, [1e-2] * 3)
        rules[0].step(torch.where(go, poisoned, 0.0), lr, go)
        rules[1].step(gradient[[0, 2]], lr[:2], torch.ones(2, 1, dtype=torch.bool))
    for now, then in zip([both[1], *[tensor[1] for tensor in rules[0].state().values()]], kept, strict=True):
        assert torch.equal(now, then)
    assert torch.equal(both[[0, 2]], without)


def test_a_member_that_never_went_has_finite_weights() -> None:
    weights = started(1)
    rule = optimiser([Training()], weights)
    rule.step(torch.zeros(1, LENGTH, dtype=torch.float64), column(weights, [1e-3]), torch.tensor([[False]]))
    assert torch.equal(weights, started(1))
