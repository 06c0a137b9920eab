"""What a person or a script reads while a study runs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from tiny_project import Tiny

from lab.cli.running import pending
from lab.plan.designs import expand
from lab.plan.plan import Plan, Trial
from lab.records.record import Record, Status
from lab.run.events import EpochDone, TrialEnded
from lab.run.progress import JsonLines, PlainLines, Tally
from lab.spec.files import read_study

STUDY = "factors: {training.lr: [1e-2, 5.0], model.residual: off}\nseeds: {values: 2, noise_floor: 1}\n"


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return Tiny(tmp_path)


def record_of(trial: Trial, plan: Plan, *scores: float, error: str = "") -> Record:
    status: Status = "diverged" if error else "done"
    return Record(trial.id, trial.cell.id, plan.name, status, trial.seed, history={"valid.acc": scores}, error=error)


def lines_of(plan: Plan, *ended: tuple[Trial, Record], total: int = 9) -> list[str]:
    out = io.StringIO()
    with PlainLines(Tally(plan, total), out) as hear:
        for trial, record in ended:
            hear(TrialEnded(trial, record))
    return out.getvalue().splitlines()


def test_a_line_names_the_cell_as_reports_do_and_which_repeat_it_is(tiny: Tiny) -> None:
    plan = tiny.study(STUDY)
    base, other, repeat = Trial(plan.reference, 0), Trial(plan.cells[1], 1), Trial(plan.reference, 0, 1)
    lines = lines_of(plan, *((trial, record_of(trial, plan, 0.5)) for trial in (base, other, repeat)))
    assert [line.partition(": done")[0] for line in lines] == [
        "[1/9] the base · seed 0",
        "[2/9] residual=False · seed 1",
        "[3/9] the base · seed 0, repeat 1",
    ]


def test_a_failed_trial_is_told_by_its_error_and_not_by_the_scores_before_it(tiny: Tiny) -> None:
    plan = tiny.study(STUDY)
    trial = plan.all_trials[-2]
    (line,) = lines_of(plan, (trial, record_of(trial, plan, 1e25, error="loss is nan at step 3\nTraceback")))
    assert "diverged, loss is nan at step 3, " in line


def test_what_a_script_reads_is_json_also_where_scores_are_infinite(tiny: Tiny) -> None:
    plan, out = tiny.study(STUDY), io.StringIO()
    trial, infinite = plan.all_trials[0], float("inf")
    with JsonLines(Tally(plan, 9), out) as hear:
        hear(EpochDone(trial, 1, 2, 4, {"valid.acc": infinite, "valid.loss": 0.5}))
        hear(TrialEnded(trial, record_of(trial, plan, infinite)))
    epoch, ended = (json.loads(line, parse_constant=pytest.fail) for line in out.getvalue().splitlines())
    assert epoch["scores"] == {"valid.loss": 0.5}
    assert ended["score"] is None


def test_failed_trials_count_as_to_do_when_they_are_taken_up_again(tiny: Tiny) -> None:
    plan = tiny.study(STUDY)
    tiny.store.write(record_of(plan.all_trials[0], plan, 0.5))
    tiny.store.write(record_of(plan.all_trials[1], plan, error="loss is nan"))
    planned = len(plan.all_trials)
    assert pending(plan, tiny.store) == planned - 2
    assert pending(plan, tiny.store, retry_failed=True) == planned - 1


def test_a_plan_knows_the_command_that_runs_it_under_its_profile(tiny: Tiny) -> None:
    plan = tiny.study(STUDY + "profiles: {quick: {seeds: 1}}\n")
    quick = expand(read_study(tiny.root / plan.file, profile="quick"))
    assert (plan.command, quick.command) == ("lab run studies/question.yaml", "lab run studies/question.yaml -p quick")
    assert quick.outline()["command"] == quick.command
