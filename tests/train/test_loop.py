"""The loop: what it leaves behind, how trials end, and that it takes nothing from its surroundings."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from small_trial import GIN, TRANSFORMER, Diary, data_of, exact, experiment, run
from torch import Tensor, nn

from lab.data.batch import Batch, Dataset
from lab.spec.models import Gin
from lab.spec.tasks import COSTS
from lab.train.loop import Member, train
from lab.zoo.gin import Gin as GinModel

pytestmark = pytest.mark.torch

LOGREG = {"kind": "degree_logreg"}
"""Without batch norm, whose running statistics move the scores even where the weights stand still."""


def test_a_trial_leaves_one_value_an_epoch_of_every_score() -> None:
    outcome = run(experiment(training={"epochs": 3}))
    assert outcome.status == "done"
    assert {len(values) for values in outcome.history.values()} == {3}
    wanted = {"epoch", "lr", "train.loss", "train.acc", "valid.acc", "valid.acc_0", "valid.acc_1", "valid.loss"}
    wanted |= {"valid.acc_batches", "valid.plain_acc", "test.acc", "test.acc_1"}
    assert wanted <= outcome.history.keys()
    assert outcome.history["epoch"] == (1.0, 2.0, 3.0)
    assert outcome.scores["valid.acc"] == outcome.history["valid.acc"][-1]
    costs = {name: value for name, value in outcome.scores.items() if name.startswith("cost.")}
    assert costs.keys() == COSTS.keys()
    assert all(value > 0 for value in costs.values())
    assert outcome.scores["course.dead_params"] == outcome.scores["course.zero_params"] == 0


def test_the_best_epoch_is_reported_where_that_is_asked_for() -> None:
    plain = run(experiment(training={"epochs": 6, "lr": 0.1}))
    best = run(experiment(training={"epochs": 6, "lr": 0.1}, stop_run={"restore_best": True}))
    assert plain.history["valid.acc"] == best.history["valid.acc"]
    place = best.history["valid.acc"].index(max(best.history["valid.acc"]))
    assert place != 5
    assert best.scores["course.reported_epoch"] == place + 1
    assert best.scores["test.acc"] == best.history["test.acc"][place]
    assert plain.scores["test.acc"] == plain.history["test.acc"][-1]


def test_the_share_of_clipped_updates_is_told() -> None:
    shares = [run(experiment(training={"clip": clip})).scores["course.clipped"] for clip in (1e-6, 1e6, None)]
    assert shares == [1.0, 0.0, 0.0]


def test_training_learns_what_degree_tells() -> None:
    outcome = run(experiment(LOGREG, training={"epochs": 30, "lr": 0.1}))
    assert outcome.history["train.loss"][-1] < outcome.history["train.loss"][0] - 0.02


def test_the_watcher_hears_every_epoch_with_the_steps_taken() -> None:
    diary = Diary()
    run(experiment(dataset={"train": 24}, training={"batch": 4}), diary=diary)
    assert [(epoch, step) for epoch, step, _ in diary.epochs] == [(1, 6), (2, 12), (3, 18)]
    assert all(scores["cost.step_ms"] > 0 for *_, scores in diary.epochs)


def test_a_watcher_that_declines_prunes() -> None:
    outcome = run(experiment(training={"epochs": 9}), diary=Diary(last_epoch=2))
    assert outcome.status == "pruned"
    assert outcome.history["epoch"] == (1.0, 2.0)


def test_the_same_seed_gives_the_same_bits_whatever_the_ambient_generators_say() -> None:
    said = experiment(TRANSFORMER | {"dropout": 0.2})
    torch.manual_seed(1)
    first = run(said)
    torch.manual_seed(2)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]
    second = run(said)
    assert exact(first.history) == exact(second.history)
    assert exact(first.history) != exact(run(said, seed=1).history)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])  # type: ignore[index]
    assert states[2] == random.getstate()


@pytest.mark.parametrize("purpose", ["init", "data_order", "dropout"])
def test_cells_part_on_an_unpaired_stream_only(purpose: str) -> None:
    model = TRANSFORMER | {"dropout": 0.2}

    def losses(cell: str, **training: Any) -> tuple[float, ...]:
        said = experiment(model, training={"epochs": 1} | training)
        return tuple(
            train([Member(said, 0, cell)], data_of(said), watcher=Diary(), checkpoints=None)[0].history["train.loss"]
        )

    assert losses("one") == losses("other")
    assert losses("one", unpaired=[purpose]) != losses("other", unpaired=[purpose])


def test_members_are_trained_as_if_alone() -> None:
    said = experiment(training={"epochs": 2})
    members = [Member(said, seed, "cell") for seed in (0, 1)]
    together = train(members, data_of(said), watcher=Diary(), checkpoints=None)
    assert [exact(each.history) for each in together] == [exact(run(said, seed=seed).history) for seed in (0, 1)]


# --- updates ---


def losses_by_hand(dataset: Dataset, model: nn.Module, *, epochs: int, lr: float) -> list[float]:
    """One batch of all training graphs, plain Adam with clipping, written out."""
    split = dataset.splits["train"]
    batch = split.batch(torch.arange(len(split)), int(split.sizes.max()))
    optimiser, told = torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(epochs):
        counts = torch.bincount(batch.y[batch.y >= 0], minlength=2).float()
        weights = (counts.sum() - counts) / counts.sum()
        loss = nn.functional.cross_entropy(model(batch).flatten(0, 1), batch.y.flatten(), weights, ignore_index=-1)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        told.append(loss.item())
    return told


def test_a_run_is_what_torch_would_do_by_hand() -> None:
    from lab.train.build import build_model

    said = experiment(training={"epochs": 8, "batch": 24, "lr": 1e-2})
    dataset = data_of(said)
    by_hand = losses_by_hand(dataset, build_model(said, dataset.shape, 0), epochs=8, lr=1e-2)
    assert run(said).history["train.loss"] == pytest.approx(by_hand, rel=1e-4)


def test_accumulated_batches_make_one_update_and_leftovers_none() -> None:
    diary = Diary()
    run(experiment(dataset={"train": 20}, training={"batch": 4, "accumulate": 2, "epochs": 2}), diary=diary)
    assert [step for _, step, _ in diary.epochs] == [2, 4]


def test_more_accumulation_than_batches_is_a_mistake_that_is_told() -> None:
    outcome = run(experiment(dataset={"train": 8}, training={"batch": 8, "accumulate": 3}))
    assert outcome.status == "bug"
    assert "accumulate is 3, but an epoch has 1 batches" in outcome.error


def test_a_lonely_graph_left_over_is_passed_over() -> None:
    diary = Diary()
    run(experiment(dataset={"train": 9}, training={"batch": 4, "epochs": 1}), diary=diary)
    assert diary.epochs[0][1] == 2
    run(experiment(dataset={"train": 3}, training={"batch": 1, "epochs": 1}), diary=diary)
    assert diary.epochs[1][1] == 3


def test_the_learning_rate_of_an_epoch_is_the_one_it_ended_with() -> None:
    constant = run(experiment(training={"lr": 3e-3})).history["lr"]
    assert constant == (3e-3,) * 3
    cosine = run(experiment(training={"lr": 3e-3, "schedule": "cosine", "epochs": 6})).history["lr"]
    assert all(a > b for a, b in pairwise(cosine))


def test_a_plateau_lowers_the_learning_rate_that_is_used() -> None:
    flat = {"lr": 1e-12, "schedule": "plateau", "plateau_patience": 1, "epochs": 6}
    told = run(experiment(LOGREG, training=flat)).history["lr"]
    assert told[-1] == pytest.approx(0.25e-12)
    assert told[0] == 1e-12


def test_patience_ends_a_run_as_done() -> None:
    outcome = run(experiment(LOGREG, training={"lr": 1e-9, "epochs": 50}, stop_run={"plateau": "3 epochs"}))
    assert outcome.status == "done"
    assert len(outcome.history["epoch"]) == 4


def test_a_ratio_beyond_its_bound_stops_a_run_without_any_probe_in_its_file() -> None:
    outcome = run(experiment(training={"epochs": 50}, stop_run={"grad_weight_ratio": "> 1e-9 for 2 epochs"}))
    assert outcome.status == "stopped"
    assert "> 1e-9 for 2 epochs" in outcome.error
    assert len(outcome.history["epoch"]) == 2


# --- failures ---


class Poisoned(GinModel):
    """A GIN whose output is not finite from its fifth training step on."""

    calls = 0

    def forward(self, batch: Batch) -> Tensor:
        self.calls += self.training
        return super().forward(batch) * (math.nan if self.training and self.calls in self.bad else 1.0)

    bad: range | tuple[int, ...] = range(5, 10**6)


def poisoned(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    monkeypatch.setattr(Poisoned, "bad", steps or range(5, 10**6))
    monkeypatch.setattr(Gin, "build", lambda self, shape: Poisoned(self, shape))


@pytest.mark.parametrize("probes", [(), ({"kind": "gradients"},)])
def test_a_loss_that_is_not_finite_ends_the_trial_at_its_very_step(
    monkeypatch: pytest.MonkeyPatch, probes: Any
) -> None:
    poisoned(monkeypatch)
    outcome = run(experiment(GIN, dataset={"train": 40}, training={"batch": 4, "epochs": 2}, probes=probes))
    assert outcome.status == "diverged"
    assert outcome.error.startswith("loss is nan at step 4; first non-finite gradient in ")
    assert outcome.history == {}
    assert (outcome.readings is None) == (not probes)
    if outcome.readings is not None:
        assert max(outcome.readings["step"].to_pylist()) == 4


def test_a_gradient_that_is_not_finite_ends_the_trial_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Steep(GinModel):
        def forward(self, batch: Batch) -> Tensor:
            return super().forward(batch) + (self.readout.weight.sum() * 0).sqrt()

    monkeypatch.setattr(Gin, "build", lambda self, shape: Steep(self, shape))
    outcome = run(experiment())
    assert outcome.status == "diverged"
    assert outcome.error.startswith(
        "the gradient is not finite at step 0; first non-finite gradient in readout.weight (1 of"
    )


def test_going_on_skips_the_bad_updates_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, 2, 3)
    outcome = run(experiment(stop_run={"nan": "continue"}))
    assert outcome.status == "done"
    assert math.isnan(outcome.history["train.loss"][0])
    assert math.isfinite(outcome.history["train.loss"][1])
    assert math.isfinite(outcome.history["valid.loss"][0])
    assert [finding.rule for finding in outcome.findings] == ["nonfinite", "skipped_updates"]
    assert outcome.findings[-1].value == 2.0


def test_batches_of_one_class_are_counted() -> None:
    said = experiment(training={"epochs": 1, "batch": 4})
    dataset = data_of(said)
    dataset.splits["train"].y.clamp_(max=0)
    outcome = train([Member(said, 0, "cell")], dataset, watcher=Diary(), checkpoints=None)[0]
    assert [(finding.rule, finding.value) for finding in outcome.findings] == [("one_class_batches", 6.0)]
    assert outcome.history["train.loss"] == (0.0,)
    assert math.isnan(outcome.history["train.acc_1"][0])


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (MemoryError("no room"), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (ValueError("broken\n  model"), "bug"),
    ],
)
def test_an_exception_is_an_outcome_with_its_class(
    monkeypatch: pytest.MonkeyPatch, problem: Exception, status: str
) -> None:
    class Failing(GinModel):
        def forward(self, batch: Batch) -> Tensor:
            raise problem

    monkeypatch.setattr(Gin, "build", lambda self, shape: Failing(self, shape))
    outcome = run(experiment())
    assert outcome.status == status
    assert outcome.error == f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    assert ("Failing" in outcome.traceback or "forward" in outcome.traceback) == (status == "bug")


def test_a_real_allocation_too_large_for_this_machine_is_out_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    class Huge(GinModel):
        def forward(self, batch: Batch) -> Tensor:
            return torch.empty(2**55)

    monkeypatch.setattr(Gin, "build", lambda self, shape: Huge(self, shape))
    assert run(experiment()).status == "out_of_memory"


def test_a_trial_ends_at_its_time_limit_with_the_epochs_it_has() -> None:
    outcome = run(experiment(training={"epochs": 10**6}), seconds=0.5)
    assert outcome.status == "timed_out"
    assert "0.5 s" in outcome.error
    assert len(outcome.history["epoch"]) >= 1
    assert 0.5 <= outcome.seconds < 5


def test_an_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(GinModel):
        def forward(self, batch: Batch) -> Tensor:
            raise KeyboardInterrupt

    monkeypatch.setattr(Gin, "build", lambda self, shape: Interrupted(self, shape))
    with pytest.raises(KeyboardInterrupt):
        run(experiment())


# --- arithmetic ---


def test_bf16_trains_and_keeps_its_weights_in_fp32() -> None:
    full, short = run(experiment(TRANSFORMER)), run(experiment(TRANSFORMER, training={"precision": "bf16"}))
    assert short.status == "done"
    assert short.history["train.loss"] != full.history["train.loss"]
    assert short.history["train.loss"][0] == pytest.approx(full.history["train.loss"][0], rel=0.1)


def test_tf32_is_allowed_while_it_trains_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    class Looking(GinModel):
        def forward(self, batch: Batch) -> Tensor:
            seen.append(torch.backends.cuda.matmul.allow_tf32)
            return super().forward(batch)

    monkeypatch.setattr(Gin, "build", lambda self, shape: Looking(self, shape))
    before = torch.backends.cuda.matmul.allow_tf32
    for precision in ("tf32", "fp32"):
        seen.clear()
        run(experiment(training={"precision": precision, "epochs": 1}))
        assert set(seen) == {precision == "tf32"}
    assert torch.backends.cuda.matmul.allow_tf32 == before


@pytest.mark.slow
def test_a_compiled_model_trains_to_nearly_the_same_losses() -> None:
    training = {"epochs": 2, "batch": 24, "evaluate_train": False}
    plain = run(experiment(LOGREG, training=training))
    compiled = run(experiment(LOGREG, training=training | {"compile": True}, probes="normal"))
    assert compiled.status == "done", compiled.error
    assert sum(finding.rule == "not_measured" for finding in compiled.findings) == 3
    assert compiled.history["train.loss"] == pytest.approx(plain.history["train.loss"], rel=1e-3)
