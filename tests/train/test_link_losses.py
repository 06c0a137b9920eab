"""Losses of links: the documented values and gradients, in probabilities and in logits, and batches of one class."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lab.spec.losses import Focal, LinkTerms, Loss
from lab.spec.models.model import Answer
from lab.train.tasks.entries import picked
from lab.train.tasks.link_losses import added, best_constant, cross_entropy, weighed

pytestmark = pytest.mark.torch

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")

CASES = ("mixed", "half", "one_positive", "no_positive", "all_positive", "saturated")
FILES: dict[Loss, str] = {"focal": "astgcn_focal_loss", "weighted_focal": "gman_weighted_focal_loss"}
WRITTEN, SAFE = Focal(pos_weight="batch_ratio"), Focal()
ENDS = st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=1, max_size=20)


def known(loss: Loss) -> Any:
    return np.load(REFERENCE / f"{FILES[loss]}.npz")


def case(loss: Loss, name: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    file = known(loss)
    said, links = (torch.from_numpy(file[f"{name}/{word}"]).to(dtype) for word in ("pred", "target"))
    return said.requires_grad_(), links


def loss_of(loss: Loss, focal: Focal, outputs: Tensor, links: Tensor, answer: Answer = "logits") -> Tensor:
    return weighed(loss, focal, cross_entropy(outputs, links, answer), links, 1.0)


@needs_reference
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("loss", FILES)
def test_losses_of_probabilities_and_their_gradients_are_the_documented_ones(loss: Loss, name: str) -> None:
    said, links = case(loss, name, torch.float32)
    total = loss_of(loss, WRITTEN, said, links, "probabilities")
    total.backward()  # type: ignore[no-untyped-call]
    expected, slope = known(loss)[f"{name}/loss"], torch.from_numpy(known(loss)[f"{name}/grad"])
    assert total.item() == pytest.approx(float(expected), rel=1e-5, nan_ok=True)
    torch.testing.assert_close(said.grad, slope, rtol=1e-5, atol=1e-6, equal_nan=True)
    exact = loss_of(loss, WRITTEN, *case(loss, name, torch.float64), "probabilities")
    assert exact.item() == pytest.approx(float(known(loss)[f"{name}/loss64"]), rel=1e-10, nan_ok=True)


@needs_reference
@pytest.mark.parametrize("gamma", [0, 1, 5])
@pytest.mark.parametrize("loss", FILES)
def test_gamma_fades_as_documented(loss: Loss, gamma: int) -> None:
    focal = Focal(pos_weight="batch_ratio", gamma=float(gamma))
    total = loss_of(loss, focal, *case(loss, "mixed", torch.float64), "probabilities")
    assert total.item() == pytest.approx(float(known(loss)[f"mixed/loss64_gamma{gamma}"]), rel=1e-8)


@needs_reference
@pytest.mark.parametrize("name", CASES[:-1])
@pytest.mark.parametrize("loss", FILES)
def test_the_loss_of_logits_is_that_of_their_probabilities(loss: Loss, name: str) -> None:
    said, links = case(loss, name, torch.float64)
    logits = said.detach().logit()
    told = loss_of(loss, WRITTEN, logits, links)
    assert told.item() == pytest.approx(float(known(loss)[f"{name}/loss64"]), rel=1e-9, nan_ok=True)


@needs_reference
@pytest.mark.parametrize("name", CASES)
def test_the_safe_ratio_is_finite_and_the_documented_one_where_both_kinds_occur(name: str) -> None:
    said, links = case("weighted_focal", name, torch.float64)
    safe, written = (loss_of("weighted_focal", each, said, links, "probabilities") for each in (SAFE, WRITTEN))
    assert safe.isfinite()
    assert safe.item() == written.item() or name in ("no_positive", "all_positive")


def test_the_written_ratio_is_no_number_without_links_and_teaches_nothing_with_nothing_else() -> None:
    logits = torch.randn(4, 4, requires_grad=True)
    assert loss_of("weighted_focal", WRITTEN, logits, torch.zeros(4, 4)).isnan()
    total = loss_of("weighted_focal", WRITTEN, logits, torch.ones(4, 4))
    total.backward()  # type: ignore[no-untyped-call]
    assert total == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_class_balance_weighs_links_by_alpha_and_the_rest_by_what_is_left() -> None:
    logits, links = torch.tensor([1.0, -2.0], dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
    entropy = torch.nn.functional.softplus(torch.tensor([-1.0, -2.0], dtype=torch.float64))
    focal = Focal(alpha="class_balanced", alpha_value=0.2, gamma=0)
    assert loss_of("focal", focal, logits, links).item() == pytest.approx(
        (0.2 * entropy[0] + 0.8 * entropy[1]).item() / 2
    )
    plain = loss_of("focal", Focal(alpha="none", gamma=0), logits, links)
    assert plain.item() == pytest.approx(loss_of("bce", focal, logits, links).item())


@pytest.mark.parametrize(("kind", "weight"), [("train_constant", 9.0), ("sqrt_train", 3.0), ("none", 1.0)])
def test_links_may_weigh_what_the_training_data_say(kind: Any, weight: float) -> None:
    links = torch.tensor([1.0, 0.0, 0.0])
    entropy = torch.tensor([0.1, 0.2, 0.3])
    told = weighed("weighted_focal", Focal(pos_weight=kind, gamma=0), entropy, links, train=9.0)
    assert told.item() == pytest.approx((weight * 0.1 + 0.2 + 0.3) / 3)


@settings(max_examples=60, deadline=None)
@given(ENDS, st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from(["bce", "focal", "weighted_focal"]))
def test_losses_of_logits_have_finite_gradients_however_sure_the_model_is(
    rows: list[tuple[float, bool]], gamma: float, loss: Loss
) -> None:
    logits = torch.tensor([10 * logit for logit, _ in rows], requires_grad=True)
    total = loss_of(loss, Focal(gamma=gamma), logits, torch.tensor([float(link) for _, link in rows]))
    total.backward()  # type: ignore[no-untyped-call]
    assert total.isfinite()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_what_is_said_of_entries_that_do_not_count_reaches_no_gradient() -> None:
    said = torch.randn(2, 4, 4)
    said.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    said.requires_grad_()
    links = torch.randint(0, 2, (2, 4, 4)).float()
    for entries in ("offdiag", "upper"):
        total = loss_of("bce", SAFE, picked(said, entries), picked(links, entries))
        (slope,) = torch.autograd.grad(total, said)
        assert slope.isfinite().all()
        assert not slope.diagonal(dim1=1, dim2=2).any()
        assert bool(slope.tril(-1).any()) == (entries == "offdiag")


def test_terms_of_whole_graphs_are_those_of_the_later_revisions() -> None:
    chances = torch.full((1, 3, 3), 0.1)
    links = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    apart = torch.nn.functional.smooth_l1_loss(torch.full((3,), 0.3), torch.tensor([2.0, 1.0, 1.0]))
    for match, told in (("degrees", 5 * apart), ("density", 2.5), ("both", 5 * apart + 2.5)):
        found = added(LinkTerms.model_validate({"match": match}), chances, links, "full")
        assert found.item() == pytest.approx(float(told), rel=1e-5)
    assert added(LinkTerms(sparsity=0.01), chances, links, "full").item() == pytest.approx(0.001)
    off = added(LinkTerms(match="degrees"), chances, links, "offdiag")
    nearer = torch.nn.functional.smooth_l1_loss(torch.full((3,), 0.2), torch.tensor([2.0, 1.0, 1.0]))
    assert off.item() == pytest.approx(5 * nearer.item())


@pytest.mark.parametrize("loss", ["bce", "focal", "weighted_focal"])
def test_no_constant_answer_has_a_smaller_loss_than_the_best_one(loss: Loss) -> None:
    links = torch.tensor([1.0] * 3 + [0.0] * 17, dtype=torch.float64)
    best = best_constant(loss, SAFE, torch.tensor([17.0, 3.0], dtype=torch.float64), 17 / 3)
    every = [
        loss_of(loss, SAFE, torch.full_like(links, chance / 200), links, "probabilities") for chance in range(1, 200)
    ]
    assert best == pytest.approx(float(min(every)), rel=1e-3)
    assert best <= float(min(every)) + 1e-6
