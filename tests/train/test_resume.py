"""A trial that is killed at any moment goes on where its checkpoint stands and ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_trial import TRANSFORMER, Diary, data_of, exact, experiment, run
from torch import Tensor, nn

from lab.data.batch import IGNORED, Batch, Split
from lab.spec.datasets import Pattern
from lab.spec.models import GraphTransformer
from lab.train import run as run_module
from lab.train.checkpoint import INDEX, Checkpoint, Folder

pytestmark = pytest.mark.torch

SAID = experiment(
    TRANSFORMER | {"dropout": 0.1},
    training={"epochs": 24, "optimizer": "adamw", "schedule": "plateau", "plateau_patience": 1, "warmup": 5},
    probes=[{"kind": "gradients", "zeros_every": 3}],
)
CHILD = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}]
from small_trial import Diary, run
from lab.spec.experiment import Experiment
import lab.train.run as module
module.CHECKPOINT_SECONDS = 0.0
class Slow(Diary):
    def measured(self, member, points):
        time.sleep(0.01)
run(Experiment.model_validate_json({said!r}), diary=Slow(), checkpoints=Path(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def _checkpoint_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)


def kill_when(folder: Path, epochs: int) -> None:
    """Train in another process and kill it as soon as its checkpoint is that far, at whatever it then does."""
    code = CHILD.format(tests=str(Path(__file__).resolve().parents[1]), said=SAID.model_dump_json())
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    reached = folder / "cell-0" / f"state-{epochs}.safetensors"
    deadline = time.monotonic() + 60
    while not reached.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL, "the child ended before it could be killed"


@pytest.mark.slow
def test_kill_9_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = run(SAID)
    for epochs in (3, 15):
        kill_when(tmp_path, epochs)
    resumed = run(SAID, checkpoints=tmp_path)
    # The kill may fall between the state file and the index that names it: then the epoch before counts.
    assert 14 <= resumed.from_epoch <= 24
    assert exact(resumed.history) == exact(whole.history)
    assert whole.readings is not None
    assert resumed.readings is not None
    assert resumed.readings.to_pandas().equals(whole.readings.to_pandas())
    assert resumed.readings.schema == whole.readings.schema
    assert resumed.status == whole.status == "done"


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_stopping_after_any_epoch_and_going_on_changes_nothing(tmp_path: Path, optimizer: str) -> None:
    training = {"epochs": 6, "optimizer": optimizer, "momentum": 0.9, "schedule": "cosine", "accumulate": 2}
    said = experiment(TRANSFORMER | {"dropout": 0.1}, training=training, stop_run={"plateau": "30 epochs"})
    whole = run(said)
    for last in (2, 3, 5):
        run(said, checkpoints=tmp_path, diary=Diary(last_epoch=last))
    resumed = run(said, checkpoints=tmp_path)
    assert resumed.from_epoch == 5
    assert exact(resumed.history) == exact(whole.history)


def test_readings_of_every_probe_go_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    dear = [{"kind": kind, "every": 3, "max_overhead": 1} for kind in ("activations", "attention")]
    said = experiment(
        TRANSFORMER | {"dropout": 0.1},
        dataset={"train": 64},
        training={"epochs": 30, "accumulate": 2, "evaluate_train": False},
        probes=["light", *dear, {"kind": "padding"}, {"kind": "noise"}],
    )
    whole = run(said)
    for last in (3, 28):
        run(said, checkpoints=tmp_path, diary=Diary(last_epoch=last))
    resumed = run(said, checkpoints=tmp_path)
    assert resumed.from_epoch == 28
    assert exact(resumed.history) == exact(whole.history)
    assert whole.readings is not None
    assert resumed.readings is not None
    assert resumed.readings.to_pandas().equals(whole.readings.to_pandas())
    assert resumed.readings.schema == whole.readings.schema


def test_dropout_of_torch_goes_on_as_if_nothing_had_happened_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Foreign(nn.Module):
        """What a plug-in may be written like: its dropout draws from the ambient generator."""

        def __init__(self) -> None:
            super().__init__()
            self.lin = nn.Sequential(nn.Embedding(3, 16), nn.Dropout(0.5), nn.Linear(16, 2))

        def forward(self, batch: Batch) -> Tensor:
            logits: Tensor = self.lin(batch.x)
            return logits

    monkeypatch.setattr(GraphTransformer, "build", lambda self, shape: Foreign())
    said, before = experiment(TRANSFORMER), torch.get_rng_state()
    whole = run(said)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(3)
    run(said, checkpoints=tmp_path, diary=Diary(last_epoch=2))
    torch.rand(5)
    assert exact(run(said, checkpoints=tmp_path).history) == exact(whole.history)
    assert exact(run(said, seed=1).history) != exact(whole.history)


def test_time_before_a_resumption_counts(tmp_path: Path) -> None:
    first = run(SAID, checkpoints=tmp_path, diary=Diary(last_epoch=10))
    second = run(SAID, checkpoints=tmp_path, seconds=0.5 * first.seconds)
    assert second.status == "timed_out"
    assert second.from_epoch == 10


def test_a_trial_that_was_through_when_it_was_killed_is_done_at_once(tmp_path: Path) -> None:
    said, diary = experiment(training={"epochs": 2}), Diary()
    first = run(said, checkpoints=tmp_path)
    again = run(said, checkpoints=tmp_path, diary=diary)
    assert (again.status, again.from_epoch, diary.epochs) == ("done", 2, [])
    assert exact(again.history) == exact(first.history)


def test_a_trial_that_was_through_still_tells_what_its_steps_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = data_of(SAID)
    train = data.splits["train"]
    one_class = Split(train.x, train.adjacency, torch.where(train.y == IGNORED, IGNORED, 0), train.sizes)
    monkeypatch.setattr(Pattern, "build", lambda *_: replace(data, splits={**data.splits, "train": one_class}))
    said = experiment(training={"epochs": 2})
    first = run(said, checkpoints=tmp_path)
    assert "one_class_batches" in [finding.rule for finding in first.findings]
    assert run(said, checkpoints=tmp_path).findings == first.findings


def test_a_model_that_was_rewritten_meanwhile_starts_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(SAID, checkpoints=tmp_path, diary=Diary(last_epoch=3))
    built = GraphTransformer.build
    monkeypatch.setattr(
        GraphTransformer, "build", lambda spec, shape: built(spec.model_copy(update={"feed_forward": 20}), shape)
    )
    with pytest.warns(UserWarning, match="for weights, where"):
        again = run(SAID, checkpoints=tmp_path, diary=Diary(last_epoch=5))
    assert (again.status, again.from_epoch) == ("pruned", 0)


def test_a_watcher_that_ends_the_process_loses_no_epoch(tmp_path: Path) -> None:
    class Leaving(Diary):
        def epoch(self, member: int, epoch: int, step: int, scores: Mapping[str, float]) -> bool:
            if epoch == 4:
                raise SystemExit(0)
            return True

    with pytest.raises(SystemExit):
        run(SAID, checkpoints=tmp_path, diary=Leaving())
    assert run(SAID, checkpoints=tmp_path, diary=Diary(last_epoch=6)).from_epoch == 4


def test_a_checkpoint_of_another_trial_is_passed_over(tmp_path: Path) -> None:
    run(SAID, checkpoints=tmp_path, diary=Diary(last_epoch=3))
    folder = tmp_path / "cell-0"
    other = experiment(TRANSFORMER, training={"epochs": 3})
    assert run(other, checkpoints=tmp_path).from_epoch == 0
    assert len(list(folder.glob("state-*"))) == 1


@pytest.mark.parametrize("harm", ["index", "state"])
def test_a_damaged_checkpoint_is_told_and_started_over(tmp_path: Path, harm: str) -> None:
    whole = run(SAID, checkpoints=tmp_path / "a", diary=Diary(last_epoch=5))
    run(SAID, checkpoints=tmp_path / "b", diary=Diary(last_epoch=3))
    folder = tmp_path / "b" / "cell-0"
    damaged = folder / INDEX if harm == "index" else next(folder.glob("state-*"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    with pytest.warns(UserWarning, match="cannot be read, so it starts over"):
        again = run(SAID, checkpoints=tmp_path / "b", diary=Diary(last_epoch=5))
    assert again.from_epoch == 0
    assert exact(again.history) == exact(whole.history)


def test_a_disk_that_takes_no_checkpoint_costs_a_warning_and_not_the_trial(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.warns(UserWarning, match="no checkpoint in") as told:
        outcome = run(SAID, checkpoints=blocked, diary=Diary(last_epoch=4))
    assert outcome.status == "pruned"
    assert len([each for each in told if "no checkpoint" in str(each.message)]) == 1


def test_a_checkpoint_is_whole_or_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever step of writing is the last one to happen, what can be read is one of the two states."""
    calls = {"left": 0}
    settle = os.fsync

    def stumble(handle: int) -> None:
        if calls["left"] == 0:
            raise OSError("the power is gone")
        calls["left"] -= 1
        settle(handle)

    for steps in range(4):
        place = tmp_path / str(steps)
        folder = Folder(place, "me")
        assert folder.write(1, Checkpoint({"epoch": 1}, {"x": torch.ones(2)}), None)
        monkeypatch.setattr(os, "fsync", stumble)
        calls["left"] = steps
        with pytest.warns(UserWarning, match="the power is gone"):
            assert not folder.write(2, Checkpoint({"epoch": 2}, {"x": torch.zeros(2)}), None)
        monkeypatch.setattr(os, "fsync", settle)
        found = Folder(place, "me").read()
        assert found is not None
        assert bool(found.tensors["x"].all()) == (found.said["epoch"] == 1)
