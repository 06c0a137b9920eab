"""Inputs, evaluation and noise: what is told of a batch, of an epoch's scoring, and of accumulated gradients."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from probe_bench import Bench
from small_trial import GIN, TRANSFORMER, experiment, run
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.probes.probe import Scored
from lab.records.chunk import TOTAL
from lab.spec.probes import Evaluation, Gradients, Inputs, Noise
from lab.train.tasks import ClassifyNodes, ClassifyPairs, entropy

pytestmark = pytest.mark.torch


def test_inputs_are_told_by_the_numbers_of_real_nodes() -> None:
    bench = Bench(experiment(GIN), Inputs())
    told, real = bench.read(), bench.batch.x[bench.batch.mask].float()
    assert told[TOTAL, "input_std"] == pytest.approx(real.std(unbiased=False).item(), rel=1e-5)
    assert told[TOTAL, "input_max"] == real.abs().max().item()
    assert told[TOTAL, "like_probabilities"] == told[TOTAL, "bn_single"] == 0
    constant = replace(bench.batch, x=torch.where(bench.batch.mask, 2, 0))
    assert bench.read(1, constant)[TOTAL, "input_std"] == 0


def test_the_mode_of_the_model_is_told() -> None:
    bench = Bench(experiment(GIN), Inputs())
    assert bench.read()[TOTAL, "training"] == 1
    bench.model.eval()
    assert bench.read(1)[TOTAL, "training"] == 0


class Doubled(nn.Module):
    """Puts out probabilities where logits are due."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, 2)

    def forward(self, batch: Batch) -> Tensor:
        told: Tensor = self.embedding(batch.x).softmax(-1)
        return told


def test_outputs_that_are_probabilities_already_are_told_apart_from_logits() -> None:
    assert Bench(experiment(GIN), Inputs(), model=Doubled()).read()[TOTAL, "like_probabilities"] == 1


def test_a_batch_of_a_single_node_matters_to_batch_norm_only() -> None:
    for model, due in ((GIN, 1.0), (GIN | {"mlp_norm": "none", "between_norm": "none"}, 0.0)):
        bench = Bench(experiment(model), Inputs())
        lone = torch.zeros_like(bench.batch.mask)
        lone[0, 0] = True
        told = bench.read(0, replace(bench.batch, mask=lone, y=torch.where(lone, bench.batch.y, -1)))
        assert told[TOTAL, "bn_single"] == due


def test_a_gradient_that_was_not_cleared_is_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(experiment(GIN), Gradients())
    assert bench.read()[TOTAL, "stale"] == 0
    left = bench.pack.gradients.norm().item()
    monkeypatch.setattr(bench.pack, "clear", lambda active: None)
    assert bench.read(1)[TOTAL, "stale"] == pytest.approx(left, rel=1e-5)


def test_an_evaluation_is_read_at_the_step_that_ended_its_epoch_and_agrees_with_the_scores() -> None:
    outcome = run(experiment(GIN, training={"epochs": 4}, probes=[{"kind": "evaluation", "every": 2}]))
    assert outcome.readings is not None
    rows = outcome.readings.to_pandas()
    assert sorted(set(rows.step)) == [11, 23]
    last = rows[rows.step == 23].set_index("name")
    assert last.loc["0", "recall"] == pytest.approx(outcome.history["valid.acc_0"][-1])
    assert last.loc[TOTAL, "loss"] == pytest.approx(outcome.history["valid.loss"][-1])
    assert last.loc[["0", "1"], "share"].sum() == pytest.approx(1.0)


def test_the_loss_is_set_against_the_best_answer_that_knows_nothing() -> None:
    task = ClassifyNodes(3)
    sums = [3.0, 0.0, 1.0, 6.0, 3.0, 1.0, 8.0, 1.0, 1.0, 0.9, 1.5, 2.0]
    seen = task.seen(sums)
    assert seen.recalls == (0.5, 0.0, 1.0)
    assert seen.shares == (0.8, 0.1, 0.1)
    weighed = [6 * 0.4, 3 * 0.7, 1 * 0.9]
    shares = np.array(weighed) / sum(weighed)
    assert seen.entropy == pytest.approx(-(shares * np.log(shares)).sum())
    assert seen.loss == pytest.approx(0.75)
    plain = ClassifyNodes(2, weigh=False).seen([1.0, 0.0, 3.0, 1.0, 2.0, 2.0, 0.5, 1.0, 1.0])
    assert plain.entropy == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_pairs_have_two_classes() -> None:
    seen = ClassifyPairs().seen([4.0, 12.0, 1.0, 3.0, 1.0, 2.0])
    assert seen.recalls == (0.75, 0.75)
    assert seen.shares == (10 / 16, 6 / 16)
    assert seen.entropy == pytest.approx(math.log(2))


def test_entropy_of_nothing_is_not_a_number() -> None:
    assert math.isnan(entropy([0.0, 0.0]))
    assert entropy([5.0, 0.0]) == 0


def test_a_task_without_classes_is_told_by_its_loss_alone() -> None:
    bench = Bench(experiment(GIN), Evaluation())
    bench.recorder.after_scoring(1, 5, Scored(0.25))
    (chunk,) = bench.chunks()
    assert chunk.of("loss")[0, 0] == 0.25
    assert np.isnan(chunk.of("loss_rel")[0, 0])


def parts_of(bench: Bench, count: int) -> list[Batch]:
    at = torch.arange(len(bench.batch.mask)).chunk(count)
    names = ("x", "adjacency", "mask", "y", "ids")
    return [replace(bench.batch, **{name: getattr(bench.batch, name)[own] for name in names}) for own in at]


def test_noise_is_what_gradients_of_parts_have_more_than_their_mean() -> None:
    bench = Bench(experiment(GIN | {"running_stats": False}), Noise(memory=0.0))
    parts, squares = parts_of(bench, 4), []
    for part in parts:
        bench.model.zero_grad(set_to_none=False)
        bench.stepper.task.loss(bench.model(part), part)[0].backward()
        squares.append(bench.pack.gradients.norm().square().item())
    told = bench.read(0, *parts)[TOTAL, "noise_scale"]
    large, small, few, many = bench.pack.gradients.norm().square().item(), float(np.mean(squares)), 2, 8
    signal, noise = (many * large - few * small) / (many - few), (small - large) / (1 / few - 1 / many)
    assert told == pytest.approx(noise / signal, rel=1e-3) if signal > 0 else math.isnan(told)


def test_equal_parts_have_no_noise() -> None:
    bench = Bench(experiment(GIN), Noise())
    part = parts_of(bench, 2)[0]
    assert bench.read(0, part, part)[TOTAL, "noise_scale"] == pytest.approx(0.0, abs=1e-3)


def test_without_accumulation_noise_cannot_be_told_and_that_is_said() -> None:
    outcome = run(experiment(TRANSFORMER, probes=[{"kind": "noise"}], rules="off"))
    (remark,) = outcome.findings
    assert "accumulate is 1" in remark.says
