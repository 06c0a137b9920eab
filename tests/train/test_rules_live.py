"""Rules watch a run while it trains: they are heard, may end it, change nothing else, and survive a kill."""

from pathlib import Path

import pytest
from small_trial import Diary, exact, experiment, run

import lab.train.run as run_module
from lab.records.judge import judge
from lab.records.rules.facts import facts_of
from lab.spec.rules import house_rules

pytestmark = pytest.mark.torch
WILD = {"lr": 0.3, "epochs": 12}
EXACT = [{"kind": "gradients", "exact": True}, {"kind": "inputs"}, {"kind": "evaluation"}]
ALL = tuple(rule() for rule in house_rules().values())


def wild(**sections):
    return experiment(**{"training": WILD, "probes": EXACT} | sections)


def test_a_sound_run_is_left_in_peace() -> None:
    diary = Diary()
    outcome = run(experiment(training={"epochs": 20}, probes="normal"), diary=diary)
    assert diary.alerts == []
    assert {finding.level for finding in outcome.findings} <= {"info"}


def test_a_wild_run_is_heard_while_it_trains_and_its_record_says_the_same() -> None:
    diary = Diary()
    outcome = run(wild(), diary=diary)
    assert "update_high" in {finding.rule for finding in outcome.findings}
    assert {(found.rule, found.scope) for found in diary.alerts} == {
        (found.rule, found.scope) for found in outcome.findings if found.level != "info"
    }
    assert all(found.means and found.remedy for found in diary.alerts)


def test_stored_readings_are_judged_as_the_run_was() -> None:
    outcome = run(wild())
    told = facts_of(outcome.readings)
    assert told.planned_steps == 72
    assert told.classes == 2
    assert judge(ALL, outcome.readings) == outcome.findings


def test_rules_change_nothing_in_a_run_that_they_do_not_stop() -> None:
    assert exact(run(wild()).history) == exact(run(wild(rules="off")).history)
    assert run(wild(rules="off")).findings == ()


def test_a_rule_may_end_a_trial_which_says_which_and_when() -> None:
    outcome = run(wild(rules={"update_high": {"action": "stop"}}))
    assert outcome.status == "stopped"
    assert outcome.error.startswith("rule update_high at step ")
    assert len(outcome.history["epoch"]) < 12


def test_an_own_rule_that_raises_is_told_once_and_nothing_else_suffers(monkeypatch: pytest.MonkeyPatch) -> None:
    def boom(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("lab.records.rules.updates.UpdateHighWatch.see", boom)
    outcome = run(wild())
    (told,) = (finding for finding in outcome.findings if finding.rule == "update_high")
    assert outcome.status == "done"
    assert (told.level, told.says) == ("info", "cannot judge: ZeroDivisionError: division by zero")


def test_a_resumed_run_finds_what_it_would_have_found_without_the_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "CHECKPOINT_SECONDS", 0.0)
    whole = run(wild())
    run(wild(), checkpoints=tmp_path, diary=Diary(last_epoch=5))
    resumed = run(wild(), checkpoints=tmp_path)
    assert resumed.from_epoch == 5
    assert resumed.findings == whole.findings
