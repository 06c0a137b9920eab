"""Pairs of nodes: which of them are asked, what the loss is, and what the scores count."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lab.data.batch import IGNORED, Batch
from lab.spec.datasets import Lines
from lab.spec.experiment import Experiment, Training
from lab.spec.models import PairMlp
from lab.spec.tasks import TASKS
from lab.train.tasks import ClassifyPairs, task_of

pytestmark = pytest.mark.torch

LABELS = torch.tensor([[0, 1, 1, IGNORED], [2, 2, IGNORED, IGNORED]])
ASKED, ALIKE = 9 + 4, 5 + 4


def batch(labels: Tensor = LABELS) -> Batch:
    blank = torch.zeros(*labels.shape, labels.shape[1], dtype=torch.uint8)
    return Batch(labels, blank, labels != IGNORED, labels, torch.arange(len(labels)))


def scored(task: ClassifyPairs, outputs: Tensor, labels: Tensor = LABELS) -> dict[str, float]:
    return task.scores(task.sums(outputs, batch(labels)).tolist())


def test_every_ordered_pair_of_scored_nodes_is_asked_the_same_node_twice_included() -> None:
    told = scored(ClassifyPairs(), torch.ones(2, 4, 4, 1))
    assert told["acc"] == pytest.approx(ALIKE / ASKED)
    assert told["false_positives"] == pytest.approx(1 - ALIKE / ASKED)
    assert told["false_negatives"] == 0
    assert told["balanced_acc"] == 0.5


def test_errors_of_both_kinds_are_shares_of_all_pairs() -> None:
    outputs = torch.full((2, 4, 4, 1), -1.0)
    outputs[0, 0, 1] = 1.0
    told = scored(ClassifyPairs(), outputs)
    assert told["false_positives"] == pytest.approx(1 / ASKED)
    assert told["false_negatives"] == pytest.approx(ALIKE / ASKED)
    assert told["acc"] == pytest.approx(3 / ASKED)


def test_plain_loss_is_binary_cross_entropy_over_the_asked_pairs() -> None:
    outputs = torch.randn(2, 4, 4, 1, generator=torch.Generator().manual_seed(0))
    asked = (LABELS != IGNORED)[:, :, None] & (LABELS != IGNORED)[:, None, :]
    alike = (LABELS[:, :, None] == LABELS[:, None, :]).float()
    known = torch.nn.functional.binary_cross_entropy_with_logits(outputs[..., 0][asked], alike[asked])
    loss, is_void = ClassifyPairs(weigh=False).loss(outputs, batch())
    torch.testing.assert_close(loss, known)
    assert not is_void


def test_weighed_both_kinds_of_pairs_count_the_same_in_all() -> None:
    always = torch.full((2, 4, 4, 1), 30.0)
    for outputs in (always, -always):
        loss, _ = ClassifyPairs().loss(outputs, batch())
        assert loss.item() == pytest.approx(15, abs=1e-3)


def test_a_batch_with_one_kind_of_pairs_teaches_nothing_when_weighed() -> None:
    outputs = torch.randn(1, 2, 2, 1, requires_grad=True)
    loss, is_void = ClassifyPairs().loss(outputs, batch(torch.tensor([[1, 1]])))
    loss.backward()  # type: ignore[no-untyped-call]
    assert bool(is_void)
    assert loss.item() == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def test_numbers_on_padding_reach_neither_loss_nor_gradient() -> None:
    outputs = torch.zeros(2, 4, 4, 1)
    outputs[0, 3] = outputs[0, :, 3] = outputs[1, 2:] = outputs[1, :, 2:] = 1e4
    outputs.requires_grad_()
    loss, _ = ClassifyPairs(weigh=False).loss(outputs, batch())
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(math.log(2))
    assert outputs.grad is not None
    assert not outputs.grad[0, 3].any()


def test_the_scores_are_those_of_the_menu_and_the_task_is_known_by_its_name() -> None:
    data = Lines().build(0)
    task = task_of(data, Experiment(dataset=Lines(), model=PairMlp(), training=Training(class_weights="none")))
    assert isinstance(task, ClassifyPairs)
    assert not task.weigh
    assert set(scored(task, torch.zeros(2, 4, 4, 1))) == set(TASKS["classify_pairs"].scores)
    assert task.goal == "max"
