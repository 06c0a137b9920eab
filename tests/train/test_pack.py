"""A pack's rows are its models' parameters and gradients, not copies of them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lab.errors import LabError
from lab.train.pack import Pack

pytestmark = pytest.mark.torch


def models(count: int) -> list[nn.Sequential]:
    torch.manual_seed(1)
    return [nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2, bias=False)) for _ in range(count)]


def test_adopting_a_model_changes_none_of_its_weights() -> None:
    before = [parameter.clone() for model in models(2) for parameter in model.parameters()]
    own = models(2)
    Pack(own)
    for parameter, known in zip((p for model in own for p in model.parameters()), before, strict=True):
        assert torch.equal(parameter, known)


def test_backward_adds_into_the_rows_and_clearing_is_one_write() -> None:
    own = models(2)
    pack = Pack(own)
    x = torch.randn(4, 3)
    for _ in range(2):
        own[1](x).sum().backward()
    expected = torch.autograd.grad(own[1](x).sum(), list(own[1].parameters()))
    for piece, gradient in zip(pack.layout.pieces(pack.gradients[1]), expected, strict=True):
        torch.testing.assert_close(piece, 2 * gradient.flatten())
    assert not pack.gradients[0].any()
    pack.clear(torch.ones(2, 1, dtype=torch.bool))
    assert all(not p.grad.any() for p in own[1].parameters() if p.grad is not None)


def test_writing_the_rows_moves_the_models() -> None:
    own = models(1)
    pack = Pack(own)
    pack.weights.zero_()
    assert not own[0](torch.ones(1, 3)).any()


def test_norms_are_those_of_each_member_alone() -> None:
    own = models(2)
    pack = Pack(own)
    (own[0](torch.ones(1, 3)).sum() + 3 * own[1](torch.ones(1, 3)).sum()).backward()
    alone = [torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None]) for model in own]
    torch.testing.assert_close(pack.norms()[:, 0], torch.stack(alone))


def test_the_gradient_of_a_frozen_member_stays_as_evidence() -> None:
    own = models(2)
    pack = Pack(own)
    pack.gradients[1, pack.layout.starts[2]] = torch.nan
    pack.clear(torch.tensor([[True], [False]]))
    assert pack.not_finite(1) == ["2.weight"]
    assert pack.not_finite(0) == []


def test_frozen_parameters_stay_out() -> None:
    own = models(1)
    own[0][0].weight.requires_grad_(False)
    pack = Pack(own)
    assert pack.layout.names == ("0.bias", "2.weight")


def test_a_model_without_anything_to_train_is_refused() -> None:
    own = models(1)
    own[0].requires_grad_(False)
    with pytest.raises(LabError, match="no parameter to train"):
        Pack(own)
