"""The flight recorder: it changes nothing, keeps the last steps, and never hurts the run it watches."""

from __future__ import annotations

import errno
import json
import math
import multiprocessing
import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from small_trial import GIN, TRANSFORMER, Diary, data_of, exact, experiment, often
from torch import Tensor

from lab.data.batch import Batch
from lab.records.bundles import Bundle, Mark, bundles_of, read_mark, write_mark
from lab.spec.experiment import Experiment
from lab.spec.models import Gin
from lab.spec.rules import Finding
from lab.train.flight.flight import Flight
from lab.train.flight.log import Log, hash_kind, steps_of, tensor_hash
from lab.train.flight.papers import Papers
from lab.train.flight.snapshots import Snapshots
from lab.train.loop import Member, Outcome, train
from lab.train.run import Run
from lab.zoo.gin import Gin as GinModel

pytestmark = pytest.mark.torch

TRIAL = "cell-0"
QUIET = {"rules": "off", "probes": "off"}


def fly(said: Experiment, folder: Path, **how: Any) -> Outcome:
    """Train one trial with a place for its bundles."""
    member = Member(said, 0, "cell", trial=TRIAL, papers=Papers(folder, study="small"))
    return train([member], data_of(said), watcher=Diary(), **{"checkpoints": None} | how)[0]


def flown(said: Experiment, folder: Path, steps: int) -> Run:
    """A run that has taken some steps of its first epoch."""
    member = Member(said, 0, "cell", trial=TRIAL, papers=Papers(folder))
    run = Run(member, data_of(said), seconds=None)
    run.learner.model.train()
    for step, update in zip(range(steps), run.updates(1), strict=False):
        run.flight.before_step(step, update)
        run.stepper.step(step, [[run.splits["train"].batch(*cut) for cut in update]])
        run.flight.after_step(step)
    run.flight.flush()
    return run


def only(folder: Path) -> Bundle:
    (found,) = bundles_of(folder, TRIAL)
    return found


@pytest.mark.parametrize("model", [GIN | {"dropout": 0.2}, TRANSFORMER | {"dropout": 0.2}])
def test_losses_are_the_same_bits_with_and_without_the_recorder(tmp_path: Path, model: Any) -> None:
    recorded = fly(often(experiment(model, **QUIET), 2), tmp_path)
    plain = fly(experiment(model, recorder="off", **QUIET), tmp_path)
    assert exact(recorded.history) == exact(plain.history)
    assert not (tmp_path / TRIAL).exists()


def test_a_bundle_holds_the_state_before_two_earlier_steps_and_every_step_since(tmp_path: Path) -> None:
    said = often(experiment(dataset={"train": 60}, **QUIET), 5)
    run = flown(said, tmp_path, 13)
    path = run.flight.freeze("spike", Finding("spike", "run", 12))
    bundle = only(tmp_path)
    assert path == bundle.path == tmp_path / TRIAL / "12-spike"
    assert bundle.snapshots == (5, 10)
    table = pq.read_table(bundle.path / "log.parquet")
    assert table["step"].to_pylist() == list(range(5, 13))
    assert bundle.last == 12
    for step in bundle.snapshots:
        state = load_file(bundle.path / f"state-{step}.safetensors")
        again = flown(said, tmp_path / "again", step).stepper.state()
        assert all(torch.equal(state[name], tensor) for name, tensor in again.items())


def test_the_log_tells_which_graphs_met_and_what_came_of_them(tmp_path: Path) -> None:
    run = flown(experiment(dataset={"train": 24}, training={"accumulate": 2}, **QUIET), tmp_path, 3)
    run.flight.freeze("mark", None)
    steps = steps_of(pq.read_table(only(tmp_path).path / "log.parquet"))
    updates = run.updates(1)
    assert [each.step for each in steps] == [0, 1, 2]
    for each, update in zip(steps, updates, strict=True):
        assert [index.tolist() for index, _ in each.update] == [index.tolist() for index, _ in update]
    assert steps[-1].grad_hash == int(tensor_hash(run.pack.gradients[0]))
    assert steps[-1].loss == run.stepper.losses.item()
    assert steps[-1].grad_norm == run.stepper.norms.item()


def test_a_snapshot_is_no_further_away_than_asked(tmp_path: Path) -> None:
    run = flown(often(experiment(dataset={"train": 80}, **QUIET), 4), tmp_path, 19)
    assert isinstance(run.flight, Flight)
    assert run.flight.snapshots.taken == [12, 16]
    assert [each.step for each in run.flight.log.steps] == list(range(12, 19))


def test_an_alert_from_before_the_newer_snapshot_is_reached_from_the_older(tmp_path: Path) -> None:
    run = flown(often(experiment(dataset={"train": 60}, **QUIET), 5), tmp_path, 13)
    run.flight.freeze("slow", Finding("slow", "run", 7))
    assert only(tmp_path).before(7) == 5
    assert only(tmp_path).snapshots == (5,)


def test_a_rule_of_any_name_at_any_step_gives_a_bundle_that_is_found_again(tmp_path: Path) -> None:
    run = flown(experiment(**QUIET), tmp_path, 4)
    for rule, step in (("Too Steep!", -1), ("late", 99)):
        run.flight.freeze(rule, Finding(rule, "run", step))
    assert [bundle.name for bundle in bundles_of(tmp_path, TRIAL)] == ["0-too_steep_", "3-late"]


def test_a_trial_leaves_no_more_bundles_than_asked_and_one_a_step(tmp_path: Path) -> None:
    run = flown(experiment(recorder={"keep": 2}, **QUIET), tmp_path, 6)
    paths = [run.flight.freeze("alert", Finding("alert", "run", step)) for step in (1, 1, 2, 3)]
    assert paths[0] == paths[1]
    assert paths[3] is None
    assert [bundle.step for bundle in bundles_of(tmp_path, TRIAL)] == [1, 2]


def test_bundles_of_an_earlier_attempt_give_way(tmp_path: Path) -> None:
    said = experiment(recorder={"keep": 2}, **QUIET)
    for step in (1, 2):
        flown(said, tmp_path, 4).flight.freeze("old", Finding("old", "run", step))
    again = flown(said, tmp_path, 4)
    assert again.flight.freeze("new", Finding("new", "run", 3)) is not None
    assert [bundle.name for bundle in bundles_of(tmp_path, TRIAL)] == ["2-old", "3-new"]
    resumed = flown(said, tmp_path, 4)
    resumed.flight.resumed()
    assert resumed.flight.freeze("more", Finding("more", "run", 0)) is None


class Poisoned(GinModel):
    """A GIN that answers NaN, or raises, from its fourth training step on."""

    calls = 0
    problem: Exception | None = None

    def forward(self, batch: Batch) -> Tensor:
        self.calls += self.training
        if self.training and self.calls > 3 and self.problem is not None:
            raise self.problem
        return super().forward(batch) * (math.nan if self.training and self.calls > 3 else 1.0)


def test_a_trial_that_diverges_leaves_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gin, "build", lambda self, shape: Poisoned(self, shape))
    outcome = fly(experiment(**QUIET), tmp_path)
    assert outcome.status == "diverged"
    bundle = only(tmp_path)
    assert bundle.name == "3-diverged"
    assert bundle.finding is not None
    assert bundle.finding.says == outcome.error


def test_a_trial_that_raises_leaves_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Poisoned, "problem", ValueError("broken"))
    monkeypatch.setattr(Gin, "build", lambda self, shape: Poisoned(self, shape))
    assert fly(experiment(**QUIET), tmp_path).status == "bug"
    bundle = only(tmp_path)
    assert (bundle.name, bundle.last) == ("3-crash", 3)
    assert [each.step for each in steps_of(pq.read_table(bundle.path / "log.parquet"))] == [0, 1, 2]


def test_a_trial_that_runs_out_of_memory_is_not_burdened_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Poisoned, "problem", MemoryError())
    monkeypatch.setattr(Gin, "build", lambda self, shape: Poisoned(self, shape))
    assert fly(experiment(**QUIET), tmp_path).status == "out_of_memory"
    assert bundles_of(tmp_path, TRIAL) == []


def test_a_mark_left_while_it_runs_is_answered_at_the_next_reading(tmp_path: Path) -> None:
    write_mark(tmp_path, TRIAL, Mark(note="what is this?"))
    fly(experiment(**QUIET), tmp_path)
    bundle = only(tmp_path)
    assert (bundle.reason, bundle.step) == ("mark", 5)
    assert bundle.finding is not None
    assert bundle.finding.says == "what is this?"
    assert read_mark(tmp_path, TRIAL) is None


@pytest.mark.parametrize("left", range(5))
def test_a_disk_that_fills_up_costs_one_warning_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    run = flown(experiment(**QUIET), tmp_path, 4)
    settle, calls = os.fsync, {"left": left}

    def stumble(handle: int) -> None:
        calls["left"] -= 1
        if calls["left"] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        settle(handle)

    monkeypatch.setattr(os, "fsync", stumble)
    with pytest.warns(UserWarning, match="step 3 could not be kept: .*No space left"):
        assert run.flight.freeze("alert", Finding("alert", "run", 3)) is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run.flight.freeze("alert", Finding("alert", "run", 2)) is None
    assert {path.name for path in (tmp_path / TRIAL).iterdir()} <= {"3-alert"}
    assert all((path / "bundle.json").exists() for path in (tmp_path / TRIAL).iterdir())


def freeze_for_ever(folder: Path) -> None:
    run = flown(experiment(TRANSFORMER, recorder={"keep": 10**6}, **QUIET), folder, 4)
    for step in range(10**6):
        run.flight.freeze("alert", Finding("alert", "run", step))


@pytest.mark.slow
def test_a_kill_while_it_freezes_leaves_whole_bundles_only(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=freeze_for_ever, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 300
    while len(bundles_of(tmp_path, TRIAL)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = bundles_of(tmp_path, TRIAL)
    assert len(whole) >= 3
    for bundle in whole[-3:]:
        assert pq.read_table(bundle.path / "log.parquet").num_rows == 4
        assert load_file(bundle.path / "state-0.safetensors")
    flown(experiment(TRANSFORMER, **QUIET), tmp_path, 1)
    assert {path.name for path in (tmp_path / TRIAL).iterdir()} == {bundle.name for bundle in whole}


def test_nothing_in_a_step_waits_for_the_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for reader in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        wanted = getattr(Tensor, reader)

        def refuse(self: Tensor, *args: Any, wanted: Any = wanted, reader: str = reader) -> Any:
            if self.dtype is not torch.uint8 and flying["on"]:
                raise AssertionError(f"{reader} waits")
            return wanted(self, *args)

        monkeypatch.setattr(Tensor, reader, refuse)
    flying = {"on": False}
    run = flown(often(experiment(dataset={"train": 60}, **QUIET), 3), tmp_path, 2)
    flying["on"] = True
    for step in (2, 3, 4):
        run.flight.before_step(step, [])
        run.flight.after_step(step)
    flying["on"] = False


def test_a_hash_tells_one_changed_bit() -> None:
    values = torch.randn(1000)
    changed = values.clone()
    changed.view(torch.int32)[500] ^= 1
    assert int(tensor_hash(values)) == int(tensor_hash(values.clone()))
    assert int(tensor_hash(values)) != int(tensor_hash(changed))


def test_the_hash_of_an_older_torch_tells_one_changed_bit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "hash_tensor", raising=False)
    hash_kind.cache_clear()
    try:
        assert hash_kind("cpu") == "sum of words"
        test_a_hash_tells_one_changed_bit()
    finally:
        hash_kind.cache_clear()


@pytest.mark.parametrize("part", ["take", "write", "read"])
def test_a_recorder_that_breaks_down_costs_one_warning_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("no kernel for that")

    monkeypatch.setattr(Snapshots if part == "take" else Log, part, stumble)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        outcome = fly(experiment(**QUIET), tmp_path)
    assert outcome.status == "done"
    assert [str(each.message) for each in caught if "no kernel for that" in str(each.message)] == [
        f"trial {TRIAL}: its flight recorder could not {DOING[part]}: no kernel for that"
    ]


DOING = {"take": "take a snapshot", "write": "write its log", "read": "read its log"}


def test_a_recorder_that_finds_no_memory_lets_the_run_fly_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(Snapshots, "__init__", stumble)
    with pytest.warns(UserWarning, match="trial cell-0 flies without a recorder: no room"):
        assert fly(experiment(**QUIET), tmp_path).status == "done"


def test_a_bundle_names_what_it_was_made_with(tmp_path: Path) -> None:
    run = flown(experiment(**QUIET), tmp_path, 2)
    run.flight.freeze("mark")
    bundle = only(tmp_path)
    said = json.loads((bundle.path / "bundle.json").read_text())
    assert said["environment"]["torch_version"] == torch.__version__
    assert said["environment"]["threads"] == torch.get_num_threads()
    assert Experiment.model_validate_json(bundle.experiment).id == bundle.experiment_id
