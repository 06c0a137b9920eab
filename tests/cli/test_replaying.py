"""`lab replay`, `lab diff` and `lab mark` on trials that workers ran, and what they say where nothing can be exact."""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_trial import Diary, data_of

from lab.__main__ import main
from lab.cli.replaying import Asked, mark_trial, order_of, replay_trial
from lab.errors import LabError
from lab.plan.designs import expand
from lab.records.bundles import Bundle, bundles_folder, bundles_of, read_bundle, read_mark
from lab.records.record import Record
from lab.records.store import Store
from lab.report.of_replay import parting_text
from lab.run.claims import Claims
from lab.run.execute import execute
from lab.run.replay_orders import Comparison, Replay, Side, side_of_bundle, side_of_record
from lab.run.replay_worker import Work
from lab.run.replaying import setup_of
from lab.spec.experiment import Experiment
from lab.spec.files import read_study
from lab.train.flight.papers import Papers
from lab.train.loop import Member, train

pytestmark = [pytest.mark.torch, pytest.mark.slow]

PLUGIN = '''
"""A model of one linear layer that one graph can break."""
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import nn

from lab.data.batch import Batch
from lab.spec.models import ModelSpec
from lab.zoo.parts import way_in


class Net(nn.Module):
    def __init__(self, spec, shape):
        super().__init__()
        self.embed = way_in(shape, 8)
        self.out = nn.Linear(8, shape.outputs)
        self.breaks = spec.breaks

    def forward(self, batch: Batch) -> torch.Tensor:
        told = self.out(self.embed(batch.x))
        if self.breaks and self.training:
            told = told / (1 - (batch.ids == 5)[:, None, None].to(told.dtype))
        return told


class Brittle(ModelSpec):
    """A linear model that one graph can break."""
    kind: Literal["brittle"] = "brittle"
    breaks: bool = False

    def build(self, shape):
        return Net(self, shape)
'''
EXPERIMENT = """
dataset: {kind: pattern, train: 16, valid: 8, test: 8, patterns: 4, sizes: [3, 5]}
model: {kind: brittle}
training: {epochs: 3, batch: 4}
plugins: [brittle.py]
"""
STUDY = """
question: Does it break?
base: experiments/tiny.yaml
score: valid.acc
factors: {model.breaks: [false, true]}
seeds: 1
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose study was run once by a worker: one trial came to its end, one diverged."""
    root, here = tmp_path_factory.mktemp("project"), Path.cwd()
    for name, text in (("brittle.py", PLUGIN), ("experiments/tiny.yaml", EXPERIMENT), ("studies/q.yaml", STUDY)):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    os.environ["LAB_CACHE"] = str(root / "cache")
    os.chdir(root)
    try:
        execute(expand(read_study(root / "studies/q.yaml")), Store(root / "mlruns"), jobs=1)
        yield root
    finally:
        os.chdir(here)
        del os.environ["LAB_CACHE"]


@pytest.fixture
def project(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it that a test may break."""
    place = tmp_path / "project"
    shutil.copytree(ran, place)
    monkeypatch.chdir(place)
    return place


def records(root: Path) -> dict[str, Record]:
    return {record.status: record for record in Store(root / "mlruns").records("q")}


def bundle_of(root: Path) -> Bundle:
    (found,) = bundles_of(root / "mlruns" / "bundles", records(root)["diverged"].trial)
    return found


def rewritten(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle as if it had been made otherwise."""
    changed = replace(bundle, **changes)
    (bundle.path / "bundle.json").write_text(changed.to_json())
    return changed


def opened(side: Side, *, anyway: bool = False) -> Work:
    """Open a trial in this process, under the checks of a replay's own."""
    work = Work(setup_of(side), "cpu", anyway=anyway)
    work.opened(side)
    return work


def unheard(step: int, goal: int) -> None:
    """Nobody watches."""


# --- from the command line ---


def test_a_trial_that_diverged_is_replayed_from_its_bundle(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = records(ran)["diverged"].trial
    assert main(["replay", trial[:8], "--lr", "0.1"]) == 0
    told = capsys.readouterr().out
    bundle = bundle_of(ran)
    assert f"step {bundle.step} in epoch 1" in told
    assert f"replayed from the snapshot before step 0 in bundle {bundle.name}: exact" in told
    assert "Inf, created here" in told
    assert "graph 5: alone it is abnormal, and without it the step is sound" in told
    assert "with lr 0.1" in told


def test_a_trial_without_a_bundle_is_replayed_from_its_start(ran: Path) -> None:
    store, record = Store(ran / "mlruns"), records(ran)["done"]
    order = order_of(store, 9, [], record)
    told = Work(setup_of(order.side), "cpu", anyway=True).replay(order, unheard)
    assert (told.trial, told.step, told.start) == (record.trial, 9, 0)
    assert told.source.startswith("the start of the trial")
    assert told.agreement.label == "exact"
    assert told.agreement.compared == 12, "ten steps and two epochs"


def test_two_trials_are_held_side_by_side(ran: Path) -> None:
    trials = records(ran)
    sides = side_of_record(trials["done"]), side_of_bundle(bundle_of(ran))
    told = parting_text(Work(setup_of(sides[1]), "cpu", anyway=True).compare(Comparison(sides, 0, 20), unheard))
    assert f"{trials['done'].trial} and {trials['diverged'].trial} from the start" in told
    assert re.search(r"they part at step \d, on the way forward: the model.output: .*; the same goes in", told)
    assert "because of model.breaks: False against True" in told


def test_another_torch_is_refused_in_one_sentence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = bundle_of(project)
    rewritten(bundle, environment={**bundle.environment, "torch_version": "1.0"})
    assert main(["replay", bundle.trial]) == 2
    told = capsys.readouterr().err
    assert "a replay would not be exact: torch is " in told
    assert "where the trial had 1.0\n    --anyway goes on all the same" in told


# --- bad luck ---


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"torch_version": "1.0"}, "torch is .*, where the trial had 1.0"),
        ({"simd": "ZX81"}, "this processor runs .* kernels, the trial's ran ZX81"),
        ({"device": "NVIDIA Abacus"}, "the device is cpu, the trial's was NVIDIA Abacus"),
        ({"deterministic": None}, "deterministic algorithms are"),
        ({"code": "0123"}, "lab's code is not what it was .*; .*commit"),
        ({"threads": 64}, "torch has 1 threads, where the trial had 64"),
    ],
)
def test_another_machine_or_code_is_refused_or_noted(ran: Path, changes: Any, said: str) -> None:
    import torch

    side = side_of_bundle(bundle_of(ran))
    here = {"deterministic": torch.are_deterministic_algorithms_enabled(), "threads": torch.get_num_threads()}
    other = replace(side, environment={**side.environment, **here, **changes})
    with pytest.raises(LabError, match=f"a replay would not be exact: {said}") as caught:
        opened(other)
    assert caught.value.hint.startswith("--anyway")
    assert re.match(said, opened(other, anyway=True).notes[0])


def test_a_replay_is_given_the_threads_of_the_trial(ran: Path) -> None:
    side = side_of_bundle(bundle_of(ran))
    assert setup_of(replace(side, environment={"threads": 3})).threads == 3


def test_a_plug_in_that_has_changed_is_noticed(project: Path) -> None:
    side = replace(side_of_bundle(bundle_of(project)), root=str(project), environment={})
    assert set(side.plugins) == {"brittle.py"}
    (project / "brittle.py").write_text(PLUGIN + "# a word more\n")
    with pytest.raises(LabError, match=r"the plug-in brittle\.py has changed since the trial ran"):
        opened(side)


def test_a_plug_in_that_is_gone_is_told(project: Path) -> None:
    side = replace(side_of_bundle(bundle_of(project)), root=str(project), environment={})
    (project / "brittle.py").unlink()
    with pytest.raises(LabError, match=r"'brittle\.py' is not a Python file"):
        opened(side)


def test_an_experiment_of_another_version_is_told(ran: Path) -> None:
    side = replace(side_of_bundle(bundle_of(ran)), environment={})
    unread = replace(side, experiment={**side.experiment, "dataset": {"kind": "pattern", "colours": 3}})
    with pytest.raises(LabError, match="another version of the code, which this one cannot read"):
        opened(unread)
    with pytest.raises(LabError, match=r"reads the options of trial .* as another experiment"):
        opened(replace(side, experiment_id="0" * 12))


def test_data_that_are_gone_or_others_are_told(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lab.data.load

    side = replace(side_of_bundle(bundle_of(ran)), environment={})
    with pytest.raises(LabError, match="the data are not what they were"):
        opened(replace(side, data="0" * 64))

    def gone(*_: Any) -> None:
        raise FileNotFoundError(2, "No such file or directory", "graphs.pt")

    monkeypatch.setattr(lab.data.load, "load_dataset", gone)
    with pytest.raises(LabError, match=r"the data of trial .* cannot be had: .*graphs.pt"):
        opened(side)


def test_a_step_beyond_the_end_is_told(ran: Path) -> None:
    side = replace(side_of_bundle(bundle_of(ran)), environment={})
    work = Work(setup_of(side), "cpu", anyway=False)
    with pytest.raises(LabError, match=r"took its last step at 3: there is no step 99"):
        work.replay(Replay(side, 99, last=3), unheard)
    with pytest.raises(LabError, match=r"took its last step at 11: there is no step 12"):
        work.replay(Replay(side, 12, epochs=3), unheard)


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (["fffffff"], Asked(step=1), "knows no trial 'fffffff'"),
        (["q", "breaks=maybe", "0"], Asked(step=1), "study 'q' has no cell 'breaks=maybe'"),
        (["q", "breaks=true", "7"], Asked(step=1), "has no seed 7 of that cell"),
        (["done"], Asked(step=-1), "--step -1: steps count from 0"),
        (["done", "diverged"], Asked(), "2 trials were named, where 1 is wanted"),
    ],
)
def test_words_that_name_nothing_are_told(ran: Path, words: Sequence[str], asked: Asked, said: str) -> None:
    known = {status: record.trial for status, record in records(ran).items()}
    with pytest.raises(LabError, match=re.escape(said)):
        replay_trial(Store(ran / "mlruns"), [known.get(word, word) for word in words], asked)


def test_a_bundle_that_cannot_be_read_is_passed_over(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = bundle_of(project)
    (bundle.path / "bundle.json").write_text("{")
    assert read_bundle(bundle.path) is None
    assert "cannot be read" in caplog.text


def test_a_record_is_put_together_again_from_its_options(ran: Path) -> None:
    for record in records(ran).values():
        side = side_of_record(record)
        assert Experiment.model_validate(json.loads(json.dumps(side.experiment))).id == record.cell
        assert side.environment["torch_version"] == record.origin.versions["torch"]


# --- marks ---


def test_a_mark_on_an_ended_trial_is_the_step_that_is_replayed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, trial = Store(project / "mlruns"), records(project)["done"].trial
    with pytest.raises(LabError, match=r"has ended \(done\): which step is meant"):
        mark_trial(store, [trial], step=None, note="")
    assert mark_trial(store, [trial], step=4, note="odd") == 0
    assert f"step 4 of {trial} is marked: lab replay {trial} goes there from the start" in capsys.readouterr().out
    mark = read_mark(bundles_folder(store), trial)
    assert mark is not None
    assert (mark.step, mark.note) == (4, "odd")


def test_a_mark_on_a_running_trial_is_answered_with_its_bundle(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, store = records(project)["done"], Store(project / "mlruns")
    (project / "mlruns/records/q" / f"{record.trial}.json").unlink()
    experiment = Experiment.model_validate(side_of_record(record).experiment)
    training = experiment.training.model_copy(update={"epochs": 100_000})
    endless = experiment.model_copy(update={"training": training, "rules": ()})
    ended, papers = threading.Event(), Papers(bundles_folder(store))
    with Claims(project / "mlruns/claims") as claims:
        assert claims.take(record.trial)
        member = Member(endless, 0, record.cell, trial=record.trial, papers=papers)
        run = threading.Thread(target=train_until, args=(member, ended))
        run.start()
        assert mark_trial(store, [record.trial], step=None, note="now") == 0
        ended.set()
        run.join()
    assert "kept in " in capsys.readouterr().out
    (bundle,) = bundles_of(bundles_folder(store), record.trial)
    assert (bundle.reason, bundle.finding and bundle.finding.says) == ("mark", "now")


def train_until(member: Member, ended: threading.Event) -> None:
    """Train a trial until somebody ends it."""

    class Listening(Diary):
        def epoch(self, member: int, epoch: int, step: int, scores: Any) -> bool:
            return not ended.is_set()

    train([member], data_of(member.experiment), watcher=Listening(), checkpoints=None)
