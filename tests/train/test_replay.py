"""A replay is exact where nothing has changed, says so where it is not, and finds what made a step abnormal."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from small_trial import GIN, TRANSFORMER, Diary, data_of, experiment, often
from torch import Tensor

from lab.data.batch import Batch
from lab.records.bundles import Bundle, bundles_of
from lab.records.replayed import Replayed
from lab.report.of_replay import replay_text, rows
from lab.report.replay_forms import written
from lab.spec.experiment import Experiment
from lab.spec.models import Gin
from lab.spec.rules import Finding
from lab.train.flight.flight import state_file
from lab.train.flight.log import Flown, steps_of
from lab.train.flight.papers import Papers
from lab.train.loop import Member, Outcome, train
from lab.train.replay.recollection import OfLog, OfReadings, Recollection
from lab.train.replay.replay import Start, replay
from lab.train.replay.rerun import Rerun
from lab.train.run import Run
from lab.zoo.gin import Gin as GinModel

pytestmark = pytest.mark.torch

QUIET = {"rules": "off", "probes": "off"}
TRIAL = "cell-0"


def member(said: Experiment, folder: Path | None = None) -> Member:
    return Member(said, 0, "cell", trial=TRIAL, papers=None if folder is None else Papers(folder, study="small"))


def trained(said: Experiment, folder: Path) -> Outcome:
    return train([member(said, folder)], data_of(said), watcher=Diary(), checkpoints=None)[0]


def flown(said: Experiment, folder: Path, steps: int) -> Run:
    """A run of several epochs that is frozen at its last step."""
    run = Run(member(said, folder), data_of(said), seconds=None)
    run.learner.model.train()
    step, epoch = 0, 1
    while step < steps:
        for update in run.updates(epoch):
            if step < steps:
                run.flight.before_step(step, update)
                run.stepper.step(step, [[run.splits["train"].batch(*cut) for cut in update]])
                run.flight.after_step(step)
            step += 1
        epoch += 1
    run.flight.freeze("alert", Finding("alert", "run", steps - 1, says="look"))
    return run


def log_of(bundle: Bundle) -> list[Flown]:
    return steps_of(pq.read_table(bundle.path / "log.parquet"))


def again(
    said: Experiment, bundle: Bundle | None, step: int, *, known: Recollection | None = None, lr: float | None = None
) -> Replayed:
    """Replay from a bundle, or from the start without one."""
    rerun = Rerun(member(said), data_of(said))
    if bundle is None:
        start = Start(0, None, "the start", known or OfLog([], is_hashed=False))
    else:
        taken = bundle.before(step)
        assert taken is not None
        state = load_file(bundle.path / state_file(taken))
        start = Start(taken, state, bundle.name, known or OfLog(log_of(bundle), is_hashed=True), bundle)
    return replay(rerun, start, step, lr=lr, hear=lambda step, goal: None)


# --- exactness ---


@pytest.mark.parametrize("model", [GIN | {"dropout": 0.2}, TRANSFORMER | {"dropout": 0.2}], ids=["gin", "transformer"])
@pytest.mark.parametrize("training", [{}, {"optimizer": "sgd", "momentum": 0.9, "accumulate": 2}], ids=["adam", "sgd"])
def test_a_replay_from_a_snapshot_is_exact_across_epochs(tmp_path: Path, model: Any, training: Any) -> None:
    said = often(experiment(model, training=training, **QUIET), 4)
    steps = 9 if training else 17
    flown(said, tmp_path, steps)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, steps - 1)
    assert told.agreement.label == "exact"
    assert told.agreement.compared == steps - told.start
    assert told.start == bundle.snapshots[-1] > 0


def test_a_replay_from_the_older_snapshot_reaches_earlier_steps(tmp_path: Path) -> None:
    said = often(experiment(**QUIET), 4)
    flown(said, tmp_path, 11)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, 5)
    assert (told.start, told.step, told.agreement.label, told.agreement.compared) == (4, 5, "exact", 2)


def test_a_replay_knows_what_a_plateau_had_made_of_the_learning_rate(tmp_path: Path) -> None:
    training = {"schedule": "plateau", "plateau_patience": 0, "plateau_factor": 0.3, "lr": 1e-9, "epochs": 4}
    said = often(experiment(training=training, **QUIET), 5)
    outcome = trained(said, tmp_path)
    told = again(said, None, 20, known=OfReadings(None, outcome.history["train.loss"]))
    assert told.agreement.label == "exact"
    assert told.agreement.compared == 3
    assert told.lr == outcome.history["lr"][-1] < 1e-9


def test_a_replay_from_the_start_is_held_against_the_readings_that_were_kept(tmp_path: Path) -> None:
    said = experiment(training={"epochs": 2}, probes="light", rules="off")
    outcome = trained(said, tmp_path)
    told = again(said, None, 7, known=OfReadings(outcome.readings, outcome.history["train.loss"]))
    assert told.agreement.label == "exact"
    assert told.agreement.compared == 9, "eight steps and the epoch they went through"


def test_a_replay_that_is_off_by_a_little_is_close_and_says_where(tmp_path: Path) -> None:
    said = often(experiment(**QUIET), 4)
    flown(said, tmp_path, 7)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    log = [
        each if each.step < 5 else replace(each, grad_hash=1, numbers=(each.loss * (1 + 1e-6), *each.numbers[1:]))
        for each in log_of(bundle)
    ]
    agreement = again(said, bundle, 6, known=OfLog(log, is_hashed=True)).agreement
    assert (agreement.label, agreement.first_differing, agreement.parted) == ("close", 5, None)
    assert agreement.largest == pytest.approx(1e-6, rel=0.1)


def test_a_replay_of_other_numbers_has_diverged_and_says_where(tmp_path: Path) -> None:
    said = often(experiment(**QUIET), 4)
    flown(said, tmp_path, 7)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(experiment(training={"lr": 3e-2}, **QUIET), bundle, 6)
    assert (told.agreement.label, told.agreement.parted) == ("diverged", 5)
    assert "diverged at step 5" in replay_text(told)


def test_a_hash_of_another_kind_is_not_compared(tmp_path: Path) -> None:
    said = often(experiment(**QUIET), 4)
    flown(said, tmp_path, 7)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    log = [replace(each, grad_hash=1) for each in log_of(bundle)]
    told = again(said, bundle, 6, known=OfLog(log, is_hashed=False))
    assert told.agreement.label == "exact"
    assert told.agreement.by == "losses and gradient norms"


# --- the step taken apart ---


class Faulty(GinModel):
    """A GIN that one graph of the training split drives out of bounds."""

    graph = 7

    def forward(self, batch: Batch) -> Tensor:
        out = super().forward(batch)
        if not self.training:
            return out
        return self.spoil(out, (batch.ids == self.graph)[:, None, None].to(out.dtype))

    def spoil(self, out: Tensor, here: Tensor) -> Tensor:
        return out / (1 - here)


def faulty(monkeypatch: pytest.MonkeyPatch, spoil: Any) -> Experiment:
    monkeypatch.setattr(Faulty, "spoil", spoil)
    monkeypatch.setattr(Gin, "build", lambda self, shape: Faulty(self, shape))
    return often(experiment(GIN, dataset={"train": 64}, training={"batch": 4, "epochs": 1}, **QUIET), 100)


def step_of(said: Experiment, graph: int) -> int:
    rerun = Rerun(member(said), data_of(said))
    return next(due.step for due in rerun.due(0) if any(graph in index.tolist() for index, _ in due.update))


def test_a_division_by_zero_is_created_where_it_is_and_its_graph_is_to_blame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = faulty(monkeypatch, lambda self, out, here: out / (1 - here))
    outcome = trained(said, tmp_path)
    assert outcome.status == "diverged"
    (bundle,) = bundles_of(tmp_path, TRIAL)
    assert bundle.step == step_of(said, 7)
    told = again(said, bundle, bundle.step)
    assert told.agreement.label == "exact"
    found = told.abnormal
    assert found is not None
    assert (found.is_created, found.tensor.op, found.tensor.phase, found.graphs) == (True, "div", "forward", (7,))
    assert found.reached_loss
    assert told.suspects == (7,)
    by_name = {tried.how: tried for tried in told.tried}
    assert math.isnan(by_name["as recorded"].loss)
    assert by_name["as recorded"].update == 0.0
    assert math.isfinite(by_name["without graph 7"].loss)
    assert by_name["without graph 7"].update > 0
    assert math.isnan(by_name["in float64"].loss)
    text = replay_text(told)
    assert "created here" in text
    assert "graph 7: alone it is abnormal, and without it the step is sound" in text


def test_a_softmax_over_nothing_is_created_in_the_softmax_not_in_the_mask_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: Faulty, out: Tensor, here: Tensor) -> Tensor:
        return out.masked_fill(here > 0, -math.inf).softmax(-1)

    said = faulty(monkeypatch, spoil)
    trained(said, tmp_path)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    found = again(said, bundle, bundle.step).abnormal
    assert found is not None
    assert (found.what, found.is_created, found.tensor.op) == ("NaN", True, "_softmax")
    assert "-inf" in found.inputs[0]


def test_a_bad_weight_is_inherited_and_no_graph_is_to_blame(tmp_path: Path) -> None:
    said = experiment(GIN, **QUIET)
    run = Run(member(said, tmp_path), data_of(said), seconds=None)
    run.learner.model.train()
    with torch.no_grad():
        dict(run.learner.model.named_parameters())["stage.layers.1.linear1.weight"][0, 0] = math.nan
    run.flight.before_step(0, run.updates(1)[0])
    run.stepper.step(0, [[run.splits["train"].batch(*cut) for cut in run.updates(1)[0]]])
    run.flight.after_step(0)
    run.flight.freeze("alert")
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, 0)
    found = told.abnormal
    assert found is not None
    assert not found.is_created
    assert found.source == "parameter stage.layers.1.linear1.weight"
    assert found.tensor.module == "stage.layers.1.linear1"
    assert told.suspects == ()
    assert "not one graph's doing" in told.blame


def test_a_gradient_that_breaks_is_told_with_the_module_it_goes_back_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Steep(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 1 + (x * 0).abs().sqrt()

    def build(self: Gin, shape: Any) -> GinModel:
        model = GinModel(self, shape)
        model.readout = torch.nn.Sequential(Steep(), model.readout)
        return model

    monkeypatch.setattr(Gin, "build", build)
    said = experiment(GIN, **QUIET)
    assert trained(said, tmp_path).status == "diverged"
    (bundle,) = bundles_of(tmp_path, TRIAL)
    found = again(said, bundle, 0).abnormal
    assert found is not None
    assert (found.tensor.phase, found.tensor.module) == ("backward", "readout.0")
    assert found.is_created
    assert not found.reached_loss


def test_an_outlier_graph_is_found_by_the_gradient_it_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = faulty(monkeypatch, lambda self, out, here: out * (1 + 1e4 * here))
    step = step_of(said, 7)
    if step < 9:
        other = next(index.tolist()[0] for due in Rerun(member(said), data_of(said)).due(12) for index, _ in due.update)
        monkeypatch.setattr(Faulty, "graph", other)
        step = 12
    flown(said, tmp_path, step + 1)
    told = again(said, None, step)
    assert told.abnormal is None
    assert told.suspects == (Faulty.graph,)


def test_a_healthy_step_has_nothing_abnormal_and_nobody_to_blame(tmp_path: Path) -> None:
    said = experiment(TRANSFORMER, **QUIET)
    flown(said, tmp_path, 10)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, 9, lr=0.0123)
    assert (told.abnormal, told.suspects, told.blame) == (None, (), "")
    recorded, double, other, since = told.tried
    assert recorded.loss == told.loss
    assert recorded.grad_norm == pytest.approx(told.grad_norm)
    assert double.loss == pytest.approx(recorded.loss, rel=1e-4)
    assert double.loss != recorded.loss
    assert other.how == "with lr 0.0123"
    assert other.loss == recorded.loss
    assert other.update > recorded.update
    assert since.how == "with lr 0.0123 since step 0"
    assert since.loss != recorded.loss
    assert len(recorded.later) == 5
    assert recorded.later[0] != other.later[0]


def test_another_learning_rate_since_the_snapshot_is_the_run_that_would_have_been(tmp_path: Path) -> None:
    said = experiment(TRANSFORMER, **QUIET)
    flown(said, tmp_path, 10)
    flown(experiment(TRANSFORMER, training={"lr": 3e-3}, **QUIET), tmp_path / "other", 10)
    (bundle,), (other,) = bundles_of(tmp_path, TRIAL), bundles_of(tmp_path / "other", TRIAL)
    assert again(said, bundle, 9, lr=3e-3).tried[-1].loss == log_of(other)[9].loss


def test_the_losses_that_follow_a_step_are_those_of_the_run(tmp_path: Path) -> None:
    said = experiment(TRANSFORMER | {"dropout": 0.2}, **QUIET)
    run = flown(said, tmp_path, 10)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    assert run.member.trial == TRIAL
    losses = [each.loss for each in log_of(bundle)]
    assert again(said, bundle, 4).tried[0].later == tuple(losses[5:10])


def test_every_module_and_phase_of_a_step_is_seen(tmp_path: Path) -> None:
    said = experiment(TRANSFORMER, **QUIET)
    flown(said, tmp_path, 2)
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, 1)
    phases = [each.phase for each in told.computed]
    assert [phase for phase in dict.fromkeys(phases) if phase != "loss"] == ["forward", "backward", "update"]
    modules = {name for name, module in Rerun(member(said), data_of(said)).learner.model.named_modules() if name}
    seen = {each.module for each in told.computed if each.phase == "forward"}
    leaves = {
        name for name in modules if "linear" in name and not any(other.startswith(f"{name}.") for other in modules)
    }
    assert leaves <= seen
    backward = {each.module for each in told.computed if each.phase == "backward"}
    assert leaves <= backward
    assert all(each.low <= each.high for each in told.computed)


def test_a_step_that_raises_is_taken_apart_up_to_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(self: Faulty, out: Tensor, here: Tensor) -> Tensor:
        if bool(here.any()):
            raise ValueError("a graph too many")
        return out

    said = faulty(monkeypatch, spoil)
    assert trained(said, tmp_path).status == "bug"
    (bundle,) = bundles_of(tmp_path, TRIAL)
    told = again(said, bundle, bundle.step)
    assert told.raised == "ValueError: a graph too many"
    assert told.computed
    assert {each.phase for each in told.computed} == {"forward"}
    assert "the step raises ValueError: a graph too many" in replay_text(told)


def test_a_replay_as_a_file_holds_every_tensor(tmp_path: Path) -> None:
    said = experiment(GIN, **QUIET)
    flown(said, tmp_path, 2)
    told = again(said, bundles_of(tmp_path, TRIAL)[0], 1)
    page = written(told, "html").decode()
    assert page.count("<tr") == len(told.computed) + 1
    (tmp_path / "told.parquet").write_bytes(written(told, "parquet"))
    assert pq.read_table(tmp_path / "told.parquet").to_pylist()[5]["module"] == rows(told.computed)[5]["module"]
