"""Running a plan: every trial leaves a record, what is done stays done, and failures are classed."""

from __future__ import annotations

from collections import Counter

import pytest
from tiny_project import EXPERIMENT, SLOW, Tiny

from lab.errors import LabError
from lab.records.record import Record
from lab.run.events import EpochDone, Measured, TrialEnded, TrialStarted
from lab.run.optuna_storage import open_storage

pytestmark = pytest.mark.torch

GRID = "factors: {model.residual: all}\nseeds: 2\n"
BREAKS = '''
"""A model that breaks where a test asks it to."""
import os
import signal
from pathlib import Path
from typing import Annotated, Literal
import torch
from torch import nn
from lab.spec.models import ModelSpec
from lab.spec.spec import factor

class Net(nn.Module):
    def __init__(self, spec, shape):
        super().__init__()
        self.how = spec.how
        self.lin = nn.Linear(1, shape.outputs)
    def forward(self, batch):
        mended = Path(os.environ["BREAKS_MENDED"]).exists()
        if self.how == "raises" and not mended:
            raise ValueError(f"no good at {id(batch)}")
        if self.how == "out_of_memory" and not mended:
            raise MemoryError("too large")
        if self.how == "dies" and not mended:
            os.kill(os.getpid(), signal.SIGKILL)
        degree = batch.adjacency.sum(-1, keepdim=True).float()
        out = self.lin(degree)
        return out * float("nan") if self.how == "diverges" else out

class Breaks(ModelSpec):
    """Breaks in several ways."""
    kind: Literal["breaks"] = "breaks"
    how: Annotated[Literal["no", "raises", "out_of_memory", "dies", "diverges"], factor()] = "no"
    """What goes wrong."""
    def build(self, shape):
        return Net(self, shape)
'''
BREAKING = EXPERIMENT.replace("{kind: gin, layers: 1, width: 4}", "{kind: breaks}") + "plugins: [breaks.py]\n"


@pytest.fixture
def breaking(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    monkeypatch.setenv("BREAKS_MENDED", str(tiny.root / "mended"))
    tiny.write("breaks.py", BREAKS)
    return tiny


def optuna_states(tiny: Tiny, name: str) -> Counter[str]:
    storage = open_storage(tiny.root / "mlruns")
    trials = storage.get_all_trials(storage.get_study_id_from_name(name))
    return Counter(trial.state.name for trial in trials)


@pytest.mark.slow
def test_a_grid_is_run_once_and_every_listener_hears_it_in_order(tiny: Tiny) -> None:
    measured = EXPERIMENT + "probes: [{kind: gradients}]\n"
    plan = tiny.study(GRID, experiment=measured)
    result = tiny.run(plan, jobs=2)
    assert (result.done, result.pending, result.exit_code) == (4, 0, 0)
    assert sorted(tiny.ended) == sorted((trial.id, "done") for trial in plan.all_trials)
    for trial in plan.all_trials:
        kinds = [type(e) for e in tiny.heard if getattr(e, "trial", None) == trial]
        assert [kind for kind in kinds if kind is not Measured] == [TrialStarted, EpochDone, EpochDone, TrialEnded]
        assert Measured in kinds
    record = tiny.store.read(plan.all_trials[0].id)
    assert record is not None
    assert record.origin.started
    assert record.origin.data
    assert record.options["model.width"] == 4
    assert len(record.history["valid.acc"]) == 2
    assert optuna_states(tiny, "question") == {"COMPLETE": 4}
    assert not list((tiny.root / "mlruns" / "claims").glob("*.json"))
    assert not list((tiny.root / "mlruns" / "checkpoints").glob("*"))

    tiny.heard.clear()
    again = tiny.run(plan)
    assert (again.done, tiny.heard) == (4, [])

    other = tiny.study(GRID.replace("seeds: 2", "seeds: 3"), name="other", experiment=measured)
    taken = tiny.run(other, jobs=2)
    assert (taken.done, taken.reused) == (6, 4)
    assert {record.reused for record in tiny.store.records("other")} == {"question", ""}
    assert all(tiny.store.readings(trial.id, study="other") for trial in other.all_trials)
    assert optuna_states(tiny, "other") == {"COMPLETE": 6}


@pytest.mark.slow
def test_each_way_of_failing_is_recorded_and_the_study_goes_on(breaking: Tiny) -> None:
    plan = breaking.study("factors: {model.how: all}\nseeds: [7]\n", experiment=BREAKING)
    result = breaking.run(plan, jobs=2)
    statuses = {record.levels["model.how"]: record.status for record in breaking.store.records("question")}
    assert statuses == {
        "no": "done",
        "raises": "bug",
        "out_of_memory": "out_of_memory",
        "dies": "killed",
        "diverges": "diverged",
    }
    assert (result.done, result.failed, result.exit_code) == (1, 4, 1)
    broken = {record.levels["model.how"]: record for record in breaking.store.records("question")}
    assert "ValueError: no good" in broken["raises"].error
    assert "forward" in broken["raises"].traceback
    assert "signal 9" in broken["dies"].error
    assert "tried again, alone" in breaking.said
    assert breaking.said.count("is taken up again") == 2
    assert optuna_states(breaking, "question") == {"COMPLETE": 1, "FAIL": 4}

    assert breaking.run(plan).failed == 4, "what has failed is not run again unasked"

    (breaking.root / "mended").touch()
    mended = breaking.run(plan, jobs=2, retry_failed=True)
    assert (mended.done, mended.failed) == (4, 1)
    attempts = breaking.root / "mlruns" / "records" / "question" / "attempts"
    assert len(list(attempts.glob("*.json"))) == 4


@pytest.mark.slow
def test_the_same_error_in_three_trials_stops_the_study(breaking: Tiny) -> None:
    text = "factors: {model.how: [raises], training.lr: [1e-3, 1e-2, 2e-2, 3e-2, 4e-2]}\nseeds: [1]\n"
    plan = breaking.study(text, experiment=BREAKING)
    result = breaking.run(plan)
    assert (result.failed, result.pending, result.exit_code) == (3, 2, 1)
    assert "the same error in 3 trials" in result.stopped
    assert "--retry-failed" in result.stopped


@pytest.mark.slow
def test_a_spent_budget_hands_out_no_more(tiny: Tiny) -> None:
    plan = tiny.study(GRID + "budget: {hours: 0.00001, when_spent: stop}\n")
    result = tiny.run(plan)
    assert (result.done, result.pending, result.exit_code) == (1, 3, 1)
    assert "budget is spent" in tiny.said


@pytest.mark.slow
def test_a_trial_that_takes_too_long_is_recorded_as_timed_out(tiny: Tiny) -> None:
    plan = tiny.study("factors: {model.residual: all}\nseeds: 1\nbudget: {per_run: 0.2s}\n", experiment=SLOW)
    assert tiny.run(plan).failed == 2
    assert [record.status for record in tiny.store.records("question")] == ["timed_out"] * 2


def test_a_store_that_cannot_be_written_is_told_before_anything_runs(tiny: Tiny) -> None:
    plan = tiny.study(GRID)
    (tiny.root / "mlruns").write_text("a file stands here")
    with pytest.raises(LabError, match="cannot"):
        tiny.run(plan)
    assert tiny.heard == []


def test_a_broken_journal_is_told_before_anything_runs(tiny: Tiny) -> None:
    plan = tiny.study(GRID)
    journal = tiny.root / "mlruns" / "optuna.journal"
    journal.parent.mkdir()
    journal.write_text("this is no journal\nnor is this\n")
    with pytest.raises(LabError, match="Optuna's storage cannot be opened"):
        tiny.run(plan)
    assert tiny.heard == []


@pytest.mark.slow
def test_a_plug_in_that_does_not_load_in_the_worker_is_told(tiny: Tiny) -> None:
    tiny.write("mine.py", "")
    plan = tiny.study(GRID, experiment=EXPERIMENT + "plugins: [mine.py]\n")
    tiny.write("mine.py", "raise RuntimeError('not today')")
    with pytest.raises(LabError, match="not today"):
        tiny.run(plan)


def test_a_run_without_trials_left_starts_no_worker(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = tiny.study(GRID)
    for trial in plan.all_trials:
        record = Record(trial.id, trial.cell.id, plan.name, "done", trial.seed, history={"valid.acc": (0.5,)})
        tiny.store.write(record)
    started: list[object] = []
    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", started.append)
    assert tiny.run(plan).done == 4
    assert started == []
