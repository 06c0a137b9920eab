"""A report says what the seeds can tell, owns up to its holes, and fits the page."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from planted import Planted
from rich.console import Console

from lab.errors import LabError
from lab.records.record import Origin
from lab.records.store import Store
from lab.report.answer import answer, caution
from lab.report.data import report_data
from lab.report.report import study_report
from lab.report.text import report_text, show_report
from lab.spec.rules import Finding

LEVELS = {"model.mlp_norm": ["none", "batch"], "model.ff_norm": ["layer", "batch"]}
WIGGLE = [0.002, -0.001, 0.0, 0.001, -0.002]
ORIGIN = Origin(
    commit="0123456789abcdef",
    dirty=True,
    device="cpu",
    command="lab run studies/planted.yaml",
    data_lines={"chance": 0.5, "degree": 0.803},
)


def planted(root: Path, means: list[float], seeds: int = 5) -> Planted:
    """A study of four cells with these means; cells differ in how they wiggle from seed to seed."""
    study = Planted(Store(root), LEVELS, seeds=seeds)
    for number, (cell, mean) in enumerate(zip(study.ids, means, strict=True)):
        for seed in range(seeds):
            study.score(cell, seed, mean + 0.01 * seed + WIGGLE[(seed + number) % 5], origin=ORIGIN)
    return study


def text(store: Store, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(report_text(study_report(store, "planted")))
    return out.getvalue()


def test_a_clear_best_is_named_and_marked(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    shown = text(study.store)
    assert "Best: mlp_norm=batch, by 0.10" in shown
    assert shown.count("★") == 2
    assert "•" not in shown
    assert "the base" in shown
    assert "none → batch" in shown


def test_what_cannot_be_told_apart_is_not_ranked(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.80, 0.70])
    shown = text(study.store)
    assert "Not told apart: 3 of 4 cells could be best." in shown
    assert "★" not in shown
    assert shown.count("•") == 4


def test_pending_trials_are_told_before_any_answer(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80], seeds=4)
    study.store.set_aside(f"{study.ids[0]}-0")
    shown = text(study.store)
    assert shown.index("1 of 16 trials is not in: read nothing into this yet.") < shown.index("Best:")
    assert "3/4" in shown


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80], seeds=1)
    shown = text(study.store)
    assert "One seed tells nothing apart" in shown
    assert "±" not in shown.split("Effects")[0].split("interval", 1)[1]


def test_failures_findings_and_provenance_are_there(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    study.score(study.ids[1], 0, 0.5, status="out_of_memory", error="CUDA out of memory\nTried to allocate")
    said = Finding("vanishing", "layers.0.weight", 20, says="its gradient norm stayed low")
    study.score(study.ids[3], 0, 0.8, findings=(said,), origin=ORIGIN)
    shown = text(study.store)
    assert "1 out_of_memory" in shown
    assert "CUDA out of memory" in shown
    assert "layers.0.weight: its gradient norm stayed low" in shown
    assert "chance 0.5, degree 0.803" in shown
    assert "commit 0123456789 with uncommitted changes" in shown
    assert "lab run studies/planted.yaml" in shown


def test_a_cell_that_always_fails_is_not_hidden(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    for seed in range(5):
        study.score(study.ids[0], seed, 0.0, status="diverged", error="loss is nan")
    report = study_report(study.store, "planted")
    assert caution(report) == "1 of 4 cells without a score: not compared."
    assert "5 diverged" in text(study.store)


def test_the_noise_floor_is_told(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    base = study.ids[0]
    study.store.write_plan(study.outline | {"trials": [*study.outline["trials"], f"{base}-0r1"]})  # type: ignore[misc]
    study.score(base, 0, 0.75, repeat=1)
    assert "1 repeat of the base with one seed: differ from it by at most 0.052" in text(study.store)


def test_a_search_is_told_as_candidates(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    cells = study.outline["cells"]
    study.store.write_plan(study.outline | {"cells": cells[:1], "trials": [f"{study.ids[0]}-0"]})  # type: ignore[index]
    for cell, value in zip(study.ids[1:], [0.5, 0.7, 0.6], strict=True):
        for seed in range(2):
            study.score(cell, seed, value, role="search", label=f"lr={value}")
    report = study_report(study.store, "planted")
    assert [cell.says for cell in report.tried] == ["lr=0.7", "lr=0.6", "lr=0.5"]
    assert answer(report).startswith("Of 3 settings tried, lr=0.7 scored best")
    assert "Settings a search tried" in text(study.store)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_nothing_is_wider_than_the_page(tmp_path: Path, width: int) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    study.score(study.ids[1], 0, 0.5, status="diverged", error="loss is nan at step 412, " * 6)
    shown = text(study.store, width)
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown
    assert all(f"{number:.2f}" in shown for number in (0.82, 0.92))


def test_words_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), {"model.adj_stack": [[0, 1], [0, 1, 2]]}, seeds=1)
    study.score(study.ids[0], 0, 0.5, status="bug", error="[bold]KeyError: [/red]")
    shown = text(study.store)
    assert "adj_stack=(0, 1, 2)" in shown
    assert "[bold]KeyError: [/red]" in shown


def test_the_data_are_json_and_say_the_same(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    data = json.loads(json.dumps(report_data(study_report(study.store, "planted")), allow_nan=False))
    assert data["best"] == study.ids[2]
    assert data["could_be_best"] == [study.ids[2]]
    assert data["cells"][0]["score"]["n"] == 5
    assert data["cells"][0]["score"]["mean"] == pytest.approx(0.92)
    assert [effect["factor"] for effect in data["effects"]] == ["model.mlp_norm", "model.ff_norm"]
    assert data["pending"] == 0


def test_data_of_an_empty_study_have_nulls_and_no_made_up_numbers(tmp_path: Path) -> None:
    study = Planted(Store(tmp_path), LEVELS, seeds=2)
    data = json.loads(json.dumps(report_data(study_report(study.store, "planted")), allow_nan=False))
    assert data["best"] is None
    assert [cell["score"] for cell in data["cells"]] == [None] * 4
    assert data["pending"] == 8
    assert "Nothing is known yet" in text(study.store)


def test_the_order_of_the_records_changes_nothing(tmp_path: Path) -> None:
    first = planted(tmp_path / "a", [0.80, 0.81, 0.82, 0.80])
    second = Planted(Store(tmp_path / "b"), LEVELS, seeds=5)
    for record in sorted(first.store.records("planted"), key=lambda each: -each.seed):
        second.store.write(record)
    assert text(first.store) == text(second.store)


def test_a_study_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    with pytest.raises(LabError, match="no study 'plant'"):
        show_report(Store(tmp_path), "plant")


def test_a_pipe_gets_plain_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    assert show_report(study.store, "planted") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert show_report(study.store, "planted", as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["study"] == "planted"


def test_reporting_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    code = (
        "import sys, json; from lab.records.store import Store; from lab.report.text import show_report\n"
        "from lab.report.status import show_status; import lab.report.plan_text\n"
        "store = Store(sys.argv[1]); show_report(store, 'planted'); show_status(store, None)\n"
        "heavy = ('torch', 'mlflow', 'optuna', 'torch_geometric', 'sklearn', 'scipy.stats', 'pandas')\n"
        "print(json.dumps([m for m in heavy if m in sys.modules]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout.splitlines()[-1]) == []


def test_the_command_is_the_study_s_own_whatever_was_typed_where_its_trials_came_from(tmp_path: Path) -> None:
    study = planted(tmp_path, [0.80, 0.80, 0.90, 0.80])
    study.store.write_plan(study.outline | {"command": "lab run studies/planted.yaml -p quick"})
    assert study_report(study.store, "planted").command == "lab run studies/planted.yaml -p quick"
