"""Optuna's view of planned trials: one trial each, made to agree with the records however it fell behind."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from lab.errors import LabError
from lab.run.optuna_ledger import LONGEST_CURVE, Ledger, Row
from lab.run.optuna_storage import Choices, Interval, open_storage
from lab.spec.design import Score

SCORE = Score(name="valid.acc", goal="max")
DIMENSIONS = {"model.norm": Choices(("batch", "none")), "seed": Interval(0, 2, is_whole=True)}


def free(trial: str) -> bool:
    return True


def row(number: int, status: str = "", value: float = math.nan) -> Row:
    return Row(f"cell-{number}", "cell", {"model.norm": "batch", "seed": number}, status, value)


def ledger(storage: BaseStorage, warned: list[str] | None = None, **said: object) -> Ledger:
    settings = {"score": SCORE, "dimensions": DIMENSIONS} | said
    return Ledger(storage, "study", warn=(warned if warned is not None else []).append, **settings)  # type: ignore[arg-type]


def shown(storage: BaseStorage) -> list[tuple[str, str, float | None]]:
    trials = storage.get_all_trials(storage.get_study_id_from_name("study"))
    return [(str(each.user_attrs["lab.trial"]), each.state.name, each.value) for each in trials]


@pytest.fixture(params=["journal", "sqlite"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], BaseStorage]:
    if request.param == "sqlite":
        monkeypatch.setenv("LAB_OPTUNA", f"sqlite:///{tmp_path}/optuna.db")
    return lambda: open_storage(tmp_path)


def test_a_trial_runs_reports_and_ends(opened: Callable[[], BaseStorage]) -> None:
    book = ledger(opened())
    book.mend([row(0), row(1), row(2)], free)
    book.start(row(0))
    assert shown(opened()) == [("cell-0", "RUNNING", None)]
    book.report("cell-0", 1, 2, 0.5)
    book.report("cell-0", 2, 2, math.nan)
    book.finish(row(0, "done", 0.7))
    book.start(row(1))
    book.finish(row(1, "diverged"))
    book.finish(row(2, "pruned"))
    assert shown(opened()) == [("cell-0", "COMPLETE", 0.7), ("cell-1", "FAIL", None), ("cell-2", "PRUNED", None)]
    study = optuna.load_study(study_name="study", storage=opened())
    assert study.trials[0].params == {"model.norm": "batch", "seed": 0}
    assert study.trials[0].intermediate_values == {1: 0.5}
    assert study.trials[0].user_attrs["lab.status"] == "done"
    assert study.metric_names == ["valid.acc"]


def test_a_trial_tried_again_stays_one_trial(opened: Callable[[], BaseStorage]) -> None:
    book = ledger(opened())
    book.start(row(0))
    book.start(row(0))
    book.finish(row(0, "done", 0.7))
    assert shown(opened()) == [("cell-0", "COMPLETE", 0.7)]


def test_what_a_killed_run_left_is_mended(opened: Callable[[], BaseStorage]) -> None:
    killed = ledger(opened())
    for number in range(2):
        killed.start(row(number))
    rows = [row(0, "done", 0.7), row(1), row(2, "done", 0.8)]
    book = ledger(opened())
    book.mend(rows, free)
    assert shown(opened()) == [("cell-0", "COMPLETE", 0.7), ("cell-1", "WAITING", None), ("cell-2", "COMPLETE", 0.8)]
    before = shown(opened())
    ledger(opened()).mend(rows, free)
    assert shown(opened()) == before, "mending twice adds nothing"
    book.start(row(1))
    book.finish(row(1, "done", 0.6))
    assert shown(opened())[1] == ("cell-1", "COMPLETE", 0.6)
    assert len(shown(opened())) == 3


def test_what_another_run_works_on_is_left_alone(opened: Callable[[], BaseStorage]) -> None:
    ledger(opened()).start(row(0))
    ledger(opened()).mend([row(0, "done", 0.7)], lambda trial: False)
    assert shown(opened()) == [("cell-0", "RUNNING", None)]


def test_a_trial_that_left_the_plan_does_not_run_for_ever(opened: Callable[[], BaseStorage]) -> None:
    ledger(opened()).start(row(0))
    ledger(opened()).mend([row(1)], free)
    assert shown(opened()) == [("cell-0", "FAIL", None)]


def test_a_failed_trial_that_was_run_again_has_both_ends(opened: Callable[[], BaseStorage]) -> None:
    book = ledger(opened())
    book.start(row(0))
    book.finish(row(0, "bug"))
    ledger(opened()).mend([row(0, "done", 0.7)], free)
    assert shown(opened()) == [("cell-0", "FAIL", None), ("cell-0", "COMPLETE", 0.7)]


def test_a_new_level_or_goal_makes_the_study_anew_from_the_records(opened: Callable[[], BaseStorage]) -> None:
    book = ledger(opened())
    book.start(row(0))
    book.finish(row(0, "done", 0.7))
    wider = {**DIMENSIONS, "model.norm": Choices(("batch", "layer", "none"))}
    ledger(opened(), dimensions=wider).mend([row(0, "done", 0.7)], free)
    assert shown(opened()) == [("cell-0", "COMPLETE", 0.7)]
    lower = Score(name="valid.loss", goal="min")
    ledger(opened(), dimensions=wider, score=lower).mend([row(0, "done", 0.2)], free)
    assert shown(opened()) == [("cell-0", "COMPLETE", 0.2)]


def test_a_lost_journal_is_made_again_from_the_records(tmp_path: Path) -> None:
    rows = [row(number, "done", 0.1 * number) for number in range(3)]
    ledger(open_storage(tmp_path)).mend(rows, free)
    assert [value for _, _, value in shown(open_storage(tmp_path))] == [0.0, 0.1, 0.2]


def test_a_storage_that_fails_is_one_warning_and_the_run_goes_on(tmp_path: Path) -> None:
    warned: list[str] = []
    book = ledger(open_storage(tmp_path), warned)
    book.start(row(0))
    (tmp_path / "optuna.journal").unlink()
    (tmp_path / "optuna.journal").mkdir()
    book.report("cell-0", 1, 1, 0.5)
    book.finish(row(0, "done", 0.5))
    assert len(warned) == 1
    assert "the next run brings it up to date" in warned[0]


@pytest.mark.parametrize(
    ("content", "env"),
    [("{]\n{}\n", ""), ("{}\n", ""), ("no database" * 200, "sqlite:///{root}/optuna.journal"), ("", "nonsense://x")],
    ids=["broken", "foreign", "no database", "no address"],
)
def test_a_storage_that_cannot_be_read_is_told_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, env: str
) -> None:
    (tmp_path / "optuna.journal").write_text(content)
    if env:
        monkeypatch.setenv("LAB_OPTUNA", env.format(root=tmp_path))
    with pytest.raises(LabError, match="Optuna's storage cannot be opened"):
        open_storage(tmp_path)


def test_a_foreign_database_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "other.db"
    with sqlite3.connect(place) as other:
        other.execute("create table studies (x text)")
    monkeypatch.setenv("LAB_OPTUNA", f"sqlite:///{place}")
    with pytest.raises(LabError, match="Optuna's storage"):
        ledger(open_storage(tmp_path))


def test_a_line_that_was_cut_off_costs_that_line_only(tmp_path: Path) -> None:
    book = ledger(open_storage(tmp_path))
    book.start(row(0))
    with (tmp_path / "optuna.journal").open("a") as file:
        file.write('{"op_code": 6, "work')
    again = ledger(open_storage(tmp_path))
    again.mend([row(0, "done", 0.5)], free)
    assert shown(open_storage(tmp_path)) == [("cell-0", "COMPLETE", 0.5)]


@pytest.mark.slow
def test_the_lock_of_a_killed_process_is_broken(tmp_path: Path) -> None:
    book = ledger(open_storage(tmp_path))
    (tmp_path / "optuna.journal.lock").touch()
    thread = threading.Thread(target=book.start, args=(row(0),))
    thread.start()
    thread.join(20)
    assert shown(open_storage(tmp_path)) == [("cell-0", "RUNNING", None)]


def test_long_curves_are_thinned_evenly_to_the_last_epoch(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    book = ledger(storage)
    book.start(row(0))
    for epoch in range(1, 251):
        book.report("cell-0", epoch, 250, 0.5)
    (trial,) = storage.get_all_trials(storage.get_study_id_from_name("study"))
    epochs: Sequence[int] = sorted(trial.intermediate_values)
    assert len(epochs) <= LONGEST_CURVE
    assert epochs[-1] == 250
    assert len({b - a for a, b in pairwise(epochs[:-1])}) == 1


def test_importances_and_plots_work_on_what_the_ledger_shows(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    book = ledger(storage)
    for number in range(3):
        for norm in ("batch", "none"):
            params = {"model.norm": norm, "seed": number}
            book.finish(Row(f"{norm}-{number}", norm, params, "done", 0.5 + 0.1 * (norm == "batch") + 0.01 * number))
    study = optuna.load_study(study_name="study", storage=storage)
    importances = optuna.importance.get_param_importances(study)
    assert set(importances) == {"model.norm", "seed"}
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
