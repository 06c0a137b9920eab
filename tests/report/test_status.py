"""`lab status` counts what is in, what runs, what failed and what is left."""

import json
from pathlib import Path

import pytest
from planted import Planted

from lab.errors import LabError
from lab.records.record import Origin
from lab.records.running import Running
from lab.records.store import Store
from lab.report.status import show_status, standing

STARTED = Origin(started="2026-03-01T10:00:00+00:00")


def half_done(root: Path) -> Planted:
    study = Planted(Store(root), {"a": [0, 1]}, seeds=3)
    first, second = study.ids
    study.score(first, 0, 0.5, seconds=10.0, origin=STARTED)
    study.score(second, 0, 0.5, seconds=30.0)
    study.score(first, 1, 0.5, status="killed", error="the worker was killed")
    study.score(second, 1, 0.5, status="pruned")
    study.score(first, 100, 0.5, role="tune")
    return study


def test_every_planned_trial_is_counted_once(tmp_path: Path) -> None:
    study = half_done(tmp_path)
    told = standing(study.store, "planted", {})
    assert (told.planned, told.done, told.failed, told.pruned, told.pending, told.sampled) == (6, 2, 1, 1, 2, 1)
    assert told.since == "2026-03-01T10:00:00+00:00"
    assert told.seconds_left == 40.0
    assert [(each.status, len(each.trials)) for each in told.failures] == [("killed", 1)]


def test_claims_of_pending_trials_are_running_ones(tmp_path: Path) -> None:
    study = half_done(tmp_path)
    first, second = study.ids
    claims = {name: Running(name, "box", 7, 0.5) for name in (f"{first}-2", f"{second}-2", f"{first}-0", "other-1")}
    told = standing(study.store, "planted", claims)
    assert [(each.trial, each.host, each.pid) for each in told.in_hand] == [
        (f"{first}-2", "box", 7),
        (f"{second}-2", "box", 7),
    ]
    assert told.seconds_left == 20.0


def test_nothing_done_yet_has_no_time_left(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [0, 1]}, seeds=2)
    assert standing(study.store, "planted", {}).seconds_left is None


def test_it_prints_a_line_a_study(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half_done(tmp_path)
    assert show_status(Store(tmp_path), None) == 0
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "planted" in line]
    assert line.split() == ["planted", "6", "+", "1", "2", "0", "1", "1", "2", "40", "s", "2026-03-01", "10:00"]


def test_one_study_also_tells_its_failures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = half_done(tmp_path)
    claims = tmp_path / "claims"
    claims.mkdir()
    (claims / f"{study.ids[0]}-2.json").write_text(json.dumps({"host": "box", "pid": 7}))
    show_status(Store(tmp_path), "planted")
    shown = capsys.readouterr().out
    assert "the worker was killed" in shown
    assert "a=0 · seed 2" in shown


def test_scripts_get_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    half_done(tmp_path)
    show_status(Store(tmp_path), None, as_json=True)
    (one,) = json.loads(capsys.readouterr().out)
    show_status(Store(tmp_path), "planted", as_json=True)
    assert json.loads(capsys.readouterr().out) == one
    assert (one["study"], one["done"], one["pending"]) == ("planted", 2, 2)


def test_a_study_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half_done(tmp_path)
    (tmp_path / "records/broken").mkdir()
    (tmp_path / "records/broken/plan.json").write_text("half a pl")
    assert show_status(Store(tmp_path), None) == 0
    shown = capsys.readouterr().out
    assert "broken: the plan cannot be read" in shown
    assert "planted" in shown
    with pytest.raises(LabError, match="cannot be read"):
        show_status(Store(tmp_path), "broken")


def test_an_empty_store_says_how_to_begin(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show_status(Store(tmp_path), None) == 0
    assert "no study yet" in capsys.readouterr().out
    show_status(Store(tmp_path), None, as_json=True)
    assert json.loads(capsys.readouterr().out) == []
