"""Losses and scores against values computed with the original metric, and where that one is wrong."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.data.batch import IGNORED, Batch
from lab.train.tasks import ClassifyNodes, RegressNodes

pytestmark = pytest.mark.torch

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="no reference arrays here")


@pytest.fixture(scope="module")
def known() -> Any:
    return np.load(REFERENCE / "positional_metrics.npz")


def graph(labels: Tensor) -> Batch:
    """All labelled nodes as one graph."""
    nodes = len(labels)
    blank = torch.zeros(1, nodes, nodes, dtype=torch.uint8)
    mask = torch.ones(1, nodes, dtype=torch.bool)
    return Batch(torch.zeros(1, nodes, dtype=torch.int64), blank, mask, labels[None], torch.zeros(1, dtype=torch.int64))


def scored(task: ClassifyNodes | RegressNodes, outputs: Tensor, labels: Tensor) -> dict[str, float]:
    return task.scores(task.sums(outputs[None], graph(labels)).tolist())


def case(known: Any, name: str, classes: int) -> dict[str, float]:
    scores, labels = torch.from_numpy(known[f"{name}.scores"]), torch.from_numpy(known[f"{name}.y"])
    return scored(ClassifyNodes(classes), scores, labels)


@needs_reference
@pytest.mark.parametrize(("name", "classes"), [("binary", 2), ("six", 6)])
def test_balanced_accuracy_is_the_original_one_where_every_class_occurs(known: Any, name: str, classes: int) -> None:
    told = case(known, name, classes)
    assert told["acc"] == pytest.approx(float(known[f"{name}.acc"]), abs=1e-6)
    for index, share in enumerate(known[f"{name}.acc_per_class"]):
        assert told[f"acc_{index}"] == pytest.approx(float(share), abs=1e-6)


@needs_reference
@pytest.mark.parametrize("name", ["six_missing_class3", "six_class3_absent_everywhere", "six_class5_absent_everywhere"])
def test_a_class_without_nodes_is_left_out_and_shifts_nothing(known: Any, name: str) -> None:
    told = case(known, name, 6)
    absent = 5 if "class5" in name else 3
    labels, found = known[f"{name}.y"], known[f"{name}.scores"].argmax(1)
    shares = {r: (found[labels == r] == r).mean() for r in range(6) if (labels == r).any()}
    assert math.isnan(told[f"acc_{absent}"])
    assert sorted(shares) == [r for r in range(6) if r != absent]
    assert {r: told[f"acc_{r}"] for r in shares} == pytest.approx(shares)
    assert told["acc"] == pytest.approx(np.mean(list(shares.values())))


@needs_reference
def test_the_original_agrees_where_the_last_class_is_absent_and_errs_where_a_middle_one_is(known: Any) -> None:
    last = "six_class5_absent_everywhere"
    assert case(known, last, 6)["acc"] == pytest.approx(float(known[f"{last}.acc"]), abs=1e-6)
    middle = "six_class3_absent_everywhere"
    assert abs(case(known, middle, 6)["acc"] - float(known[f"{middle}.acc"])) > 0.01
    one = "only_class0_true"
    assert case(known, one, 2)["acc"] == pytest.approx(2 * float(known[f"{one}.acc"]), abs=1e-6)


@needs_reference
def test_loss_and_gradient_are_the_original_ones(known: Any) -> None:
    scores = torch.from_numpy(known["binary.scores"]).requires_grad_()
    loss, is_void = ClassifyNodes(2).loss(scores[None], graph(torch.from_numpy(known["binary.y"])))
    loss.backward()  # type: ignore[no-untyped-call]
    assert not is_void
    assert loss.item() == pytest.approx(float(known["binary.loss"]), abs=1e-6)
    torch.testing.assert_close(scores.grad, torch.from_numpy(known["binary.loss_grad"]), atol=1e-6, rtol=1e-5)


@needs_reference
def test_a_batch_of_one_class_gives_no_loss_and_no_gradient_where_the_original_gave_nan(known: Any) -> None:
    assert math.isnan(float(known["only_class0_true.loss"]))
    scores = torch.from_numpy(known["only_class0_true.scores"]).requires_grad_()
    loss, is_void = ClassifyNodes(2).loss(scores[None], graph(torch.from_numpy(known["only_class0_true.y"])))
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(is_void)
    assert loss.item() == 0
    assert scores.grad is not None
    assert not scores.grad.any()


def test_without_class_weights_the_loss_is_plain_cross_entropy() -> None:
    outputs, labels = torch.randn(9, 3), torch.tensor([0, 0, 0, 0, 1, 1, 2, 2, 2])
    loss, is_void = ClassifyNodes(3, weigh=False).loss(outputs[None], graph(labels))
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(outputs, labels))
    assert not is_void
    assert not ClassifyNodes(3, weigh=False).loss(outputs[None], graph(torch.zeros(9, dtype=torch.int64)))[1]


def test_ignored_nodes_count_nowhere() -> None:
    outputs, labels = torch.randn(6, 2), torch.tensor([0, 1, 0, 1, 1, 0])
    more = torch.cat([outputs, torch.randn(3, 2)]), torch.cat([labels, torch.full((3,), IGNORED)])
    task = ClassifyNodes(2)
    assert scored(task, *more) == pytest.approx(scored(task, outputs, labels))


def test_scores_of_two_batches_are_those_of_their_nodes_together_but_for_the_means_of_batches() -> None:
    outputs, labels = torch.randn(40, 2), torch.arange(40) % 2
    labels[:3] = 1
    task = ClassifyNodes(2)
    halves = [task.sums(outputs[part][None], graph(labels[part])) for part in (slice(0, 13), slice(13, 40))]
    together, whole = task.scores((halves[0] + halves[1]).tolist()), scored(task, outputs, labels)
    for name in ("acc", "acc_0", "acc_1", "plain_acc"):
        assert together[name] == pytest.approx(whole[name])
    alone = [task.scores(half.tolist())["acc"] for half in halves]
    assert together["acc_batches"] == pytest.approx(sum(alone) / 2)


def test_regression_is_scored_over_real_nodes_only() -> None:
    batch = graph(torch.zeros(3, dtype=torch.int64))
    y = torch.tensor([[[1.0], [2.0], [torch.nan]]])
    mask = torch.tensor([[True, True, False]])
    batch = Batch(batch.x, batch.adjacency, mask, y, batch.ids)
    task = RegressNodes()
    outputs = torch.tensor([[[2.0], [5.0], [9.0]]], requires_grad=True)
    told = task.scores(task.sums(outputs, batch).tolist())
    assert told == pytest.approx({"mae": 2.0, "rmse": math.sqrt(5), "loss": 5.0})
    task.loss(outputs, batch)[0].backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    torch.testing.assert_close(outputs.grad.flatten(), torch.tensor([1.0, 3.0, 0.0]))


def test_goals_point_the_right_way() -> None:
    assert ClassifyNodes(2).goal == "max"
    assert RegressNodes().goal == "min"
