"""The gradient probe: what it reads is what a naive loop would, for a few operations and no waiting."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from probe_bench import Bench, Counting
from small_trial import GIN, TRANSFORMER, exact, experiment, run
from torch import Tensor

from lab.probes.gradients import STATISTICS
from lab.probes.probe import RING
from lab.records.chunk import TOTAL
from lab.spec.experiment import Experiment
from lab.spec.probes import Gradients

pytestmark = pytest.mark.torch


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
def test_it_reads_what_a_naive_loop_would(model: dict[str, Any]) -> None:
    bench = Bench(experiment(model), Gradients(zeros_every=2))
    naive: list[dict[str, tuple[float, ...]]] = []
    for step in range(4):
        before = weights(bench.model)
        bench.step(step)
        after = weights(bench.model)
        naive.append({})
        for name, parameter in bench.model.named_parameters():
            assert parameter.grad is not None
            gradient, weight = parameter.grad.norm().item(), before[name].norm().item()
            update = (after[name] - before[name]).norm().item()
            zeros = (parameter.grad == 0).float().mean().item() if step % 2 == 0 else math.nan
            ratios = gradient / (weight + 1e-12), update / (weight + 1e-12)
            naive[-1][name] = (gradient, weight, update, *ratios, zeros, 0.0)
    parameters, totals = bench.chunks()
    assert parameters.steps.tolist() == [0, 1, 2, 3]
    for at, by_name in enumerate(naive):
        for place, name in enumerate(parameters.names):
            told = parameters.values[at, :, place].tolist()
            assert told == pytest.approx(by_name[name], rel=1e-4, abs=1e-7, nan_ok=True), (name, STATISTICS)
        norm = math.sqrt(sum(values[0] ** 2 for values in by_name.values()))
        assert totals.of("total_norm")[at, 0] == pytest.approx(norm, rel=1e-4)
        assert totals.of("clip_coef")[at, 0] == pytest.approx(min(1.0, 5.0 / norm), rel=1e-4)
        assert totals.of("lr")[at, 0] == pytest.approx(1e-2)
    assert totals.names == (TOTAL,)
    assert totals.of("loss")[-1, 0] == pytest.approx(bench.stepper.losses.item(), rel=1e-6)


def test_updates_are_the_true_ones_even_where_weights_decay_without_a_gradient() -> None:
    said = experiment(GIN, training={"optimizer": "adamw", "weight_decay": 0.5, "lr": 0.1})
    bench = Bench(said, Gradients())
    bench.step(0)
    parameters, _ = bench.chunks()
    gradient, update = parameters.of("grad_norm")[0], parameters.of("update_norm")[0]
    assert (update > 0).all()
    assert not torch.allclose(torch.from_numpy(update), 0.1 * torch.from_numpy(gradient))


def test_a_gradient_that_is_not_finite_is_flagged_and_the_ratio_does_not_hide_it() -> None:
    bench = Bench(experiment(GIN), Gradients())
    bench.step(0)
    bench.pack.gradients[0, bench.pack.layout.starts[1]] = torch.inf
    probe = bench.recorder.probes[0]
    probe.after_backward(1)
    probe.after_step(1, torch.zeros(4))
    flags = bench.chunks()[0].of("nonfinite")
    assert flags[0].sum() == 0
    assert flags[1].tolist() == [float(place == 1) for place in range(len(flags[1]))]


def test_readings_keep_to_their_interval_and_a_ring_is_as_good_as_new_after_a_flush() -> None:
    bench = Bench(experiment(GIN), Gradients(every=3, zeros_every=2))
    for step in range(7):
        bench.step(step)
    first, _ = bench.chunks()
    assert first.steps.tolist() == [0, 3, 6]
    for step in range(7, 13):
        bench.step(step)
    second, _ = bench.chunks()
    assert second.steps.tolist() == [9, 12]
    shares = [*first.of("zero_share")[:, 0].tolist(), *second.of("zero_share")[:, 0].tolist()]
    assert [math.isnan(share) for share in shares] == [False, True, False, True, False]
    assert bench.chunks() == []


@pytest.mark.parametrize("model", [GIN, TRANSFORMER | {"dropout": 0.1}], ids=["gin", "transformer"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_losses_and_scores_are_the_same_bits_with_and_without(model: dict[str, Any], precision: str) -> None:
    training = {"epochs": 4, "precision": precision}
    plain = run(experiment(model, training=training, probes="off"))
    probed = run(experiment(model, training=training, probes=[{"kind": "gradients", "zeros_every": 2}]))
    assert exact(plain.history) == exact(probed.history)
    assert plain.readings is None
    assert probed.readings is not None
    assert set(probed.readings["step"].to_pylist()) == set(range(24))


def counted(said: Experiment, spec: Gradients | None) -> Counting:
    bench = Bench(said, spec)
    bench.step(0)
    with Counting() as counting:
        bench.step(1)
    return counting


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
def test_a_step_never_waits_and_a_reading_is_a_few_operations(model: dict[str, Any]) -> None:
    plain, probed = counted(experiment(model), None), counted(experiment(model), Gradients())
    assert plain.waits == []
    assert probed.waits == []
    # Independent of the number of parameters: 16 operations for the readings, 10 for the totals.
    assert probed.operations - plain.operations <= 28


def test_more_than_a_ring_between_two_flushes_cannot_happen_in_the_loop() -> None:
    said = experiment(dataset={"train": 8}, training={"batch": 1, "epochs": 20}, probes=[{"kind": "gradients"}])
    long = experiment(
        dataset={"train": 2 * RING + 7}, training={"batch": 1, "epochs": 1}, probes=[{"kind": "gradients"}]
    )
    for each, steps in ((said, 160), (long, 2 * RING + 7)):
        outcome = run(each)
        assert outcome.status == "done", outcome.error
        assert outcome.readings is not None
        assert sorted(set(outcome.readings["step"].to_pylist())) == list(range(steps))
