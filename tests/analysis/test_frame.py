"""The frame has a row for every planned trial, and only finished ones have a score."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
from planted import Planted

from lab.analysis.frame import load
from lab.analysis.health import failures, findings, floor, pending
from lab.analysis.rows import gather
from lab.records.record import Origin
from lab.records.store import Store
from lab.spec.rules import Finding


def test_every_planned_trial_has_a_row(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.norm": ["none", "batch"]}, seeds=3)
    base, other = study.ids
    study.score(base, 0, 0.5, scores={"cost.params": 7.0})
    study.score(base, 1, 0.9, status="diverged", error="loss is nan")
    study.score(other, 0, 0.7, status="pruned")
    table = load(study.store, "planted").set_index("trial")
    assert list(table.index) == study.outline["trials"]
    assert table["status"].to_dict() == {
        f"{base}-0": "done",
        f"{other}-0": "pruned",
        f"{base}-1": "diverged",
        f"{other}-1": "missing",
        f"{base}-2": "missing",
        f"{other}-2": "missing",
    }
    assert table["score"].dropna().to_dict() == {f"{base}-0": 0.5}
    assert table["final"].dropna().to_dict() == {f"{base}-0": 0.0}
    assert table.loc[f"{base}-0", "epoch"] == 2
    assert table.loc[f"{base}-0", "cost.params"] == 7
    assert table.loc[f"{base}-1", "error"] == "loss is nan"
    assert table.loc[f"{other}-2", "level.model.norm"] == "batch"


def test_a_trial_of_another_study_counts(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.norm": ["none", "batch"]}, seeds=1)
    study.score(study.ids[0], 0, 0.5, study="elsewhere")
    table = load(study.store, "planted")
    assert table["status"].tolist() == ["done", "missing"]


def test_the_noise_floor_and_tuning_have_roles_of_their_own(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.norm": ["none"]}, seeds=1)
    base = study.ids[0]
    study.store.write_plan(study.outline | {"trials": [f"{base}-0", f"{base}-0r1"]})
    study.score(base, 0, 0.5)
    study.score(base, 0, 0.75, repeat=1)
    study.score(base, 100, 0.9, role="tune")
    results = gather(study.store, "planted")
    assert [row.role for row in results.rows] == ["compare", "floor", "tune"]
    noise = floor(results.rows)
    assert noise is not None
    assert (noise.repeats, noise.largest) == (1, 0.25)


def test_records_that_the_plan_no_longer_asks_for_are_counted_and_left_out(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.norm": ["none"]}, seeds=1)
    study.score(study.ids[0], 7, 0.5)
    results = gather(study.store, "planted")
    assert results.strangers == 1
    assert [row.status for row in results.rows] == ["missing"]
    assert pending(results.rows) == 1


def test_a_cost_is_a_score_like_any_other(tmp_path: Path) -> None:
    said = {"score": {"name": "cost.seconds", "goal": "min", "at": "best_epoch", "final": None}}
    study = Planted(Store(tmp_path), {"model.norm": ["none"]}, seeds=1, **said)
    study.score(study.ids[0], 0, 0.5, scores={"cost.seconds": 12.5})
    assert load(study.store, "planted")["score"].tolist() == [12.5]


def test_list_levels_can_be_grouped_by(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.adj_stack": [[0, 1], [0, 1, 2]]}, seeds=2)
    table = load(study.store, "planted")
    assert table.groupby("level.model.adj_stack").size().to_dict() == {(0, 1): 2, (0, 1, 2): 2}


def test_reading_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    tables = []
    for turn in (1, -1):
        study = Planted(Store(tmp_path / str(turn)), {"a": [0, 1], "b": [0, 1]}, seeds=2)
        told = [(cell, seed) for cell in study.ids for seed in range(2)]
        for number, (cell, seed) in list(enumerate(told))[::turn]:
            study.score(cell, seed, 0.1 * number)
        tables.append(load(study.store, "planted"))
    pd.testing.assert_frame_equal(*tables)


def test_failures_and_findings_are_told_by_class(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [0, 1]}, seeds=2)
    first, second = study.ids
    study.score(first, 0, 0.0, status="bug", error="ZeroDivisionError: division by zero\nmore")
    study.score(first, 1, 0.0, status="bug", error="ZeroDivisionError: division by zero\nelse")
    study.score(second, 0, 0.0, status="diverged", error="loss is nan")
    weak = Finding("vanishing", "a.weight", 3, says="its norm stayed low")
    study.score(
        second, 1, 0.5, findings=(weak, Finding("vanishing", "b.weight", 3), Finding("nan", "loss", 1, "fatal"))
    )
    rows = gather(study.store, "planted").rows
    told = failures(rows)
    assert [(each.status, each.error, len(each.trials)) for each in told] == [
        ("bug", "ZeroDivisionError: division by zero", 2),
        ("diverged", "loss is nan", 1),
    ]
    said = findings(rows)
    assert [(each.rule, each.level, each.trials) for each in said] == [("nan", "fatal", 1), ("vanishing", "warn", 1)]
    assert (said[1].scopes, said[1].says) == (("a.weight", "b.weight"), "its norm stayed low")


def test_trials_of_one_place_share_their_origin(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [0]}, seeds=2)
    for seed in range(2):
        study.score(study.ids[0], seed, 0.5, origin=Origin(commit="abc", diff="long", started=f"2026-01-0{seed + 1}"))
    first, second = gather(study.store, "planted").rows
    assert first.origin is second.origin
    assert [first.started, second.started] == ["2026-01-01", "2026-01-02"]


def test_the_analysis_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"a": [0, 1]}, seeds=2)
    for cell in study.ids:
        study.score(cell, 0, 0.5)
    code = (
        "import sys, json; from lab.records.store import Store; from lab.analysis.frame import load\n"
        "from lab.analysis.rows import gather; from lab.analysis.cells import rank\n"
        "store = Store(sys.argv[1]); load(store, 'planted'); told = gather(store, 'planted')\n"
        "rank(told.rows, told.outline)\n"
        "print(json.dumps([m for m in ('torch', 'mlflow', 'optuna', 'torch_geometric') if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []
