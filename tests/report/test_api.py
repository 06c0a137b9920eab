"""`lab.load` gives what the report shows, typed, and the example notebook runs as it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from planted_page import full_study

import lab
from lab.errors import LabError

ROOT = Path(__file__).resolve().parents[2]
RUNNER = """
import json, sys
import plotly.io
plotly.io.renderers.default = "json"
here = {}
for number, cell in enumerate(json.load(open(sys.argv[1]))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), here)
heavy = ("torch", "mlflow", "optuna")
print(json.dumps({"frame": len(here["study"].frame), "heavy": [name for name in heavy if name in sys.modules]}))
"""


def executed(notebook: Path, folder: Path) -> dict:
    """Runs the code of a notebook from top to bottom in a process of its own."""
    command = [sys.executable, "-c", RUNNER, str(notebook)]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_loaded_study_is_what_its_report_says(tmp_path):
    full_study(tmp_path, trials=30)
    study = lab.load("planted", store=tmp_path)
    assert isinstance(study, lab.Ablation)
    assert repr(study) == "<Ablation planted: 30 of 36 trials done>"
    assert study.answer.startswith("Unfinished: 6 of 36 trials")
    assert len(study.frame) == 36
    assert list(study.effects_frame.level) == [str(effect.level) for effect in study.effects]
    assert study.cells_frame["mean"].is_monotonic_decreasing
    assert study.holes.missing == 6
    assert study.verdicts == ()
    assert study.page().startswith("<!doctype html>")


def test_a_trial_is_read_with_its_curves_and_readings(tmp_path):
    planted = full_study(tmp_path)
    study = lab.load("planted", store=tmp_path)
    trial = f"{planted.ids[0]}-0"
    assert study.record(trial).trial == trial
    assert study.history(trial)["valid.acc"].iloc[-1] == pytest.approx(study.frame.set_index("trial").score[trial])
    assert set(study.readings(trial).name) >= {"embed.weight", "head.weight"}
    assert study.readings(f"{planted.ids[0]}-5") is None
    assert study.record("0123456789ab-0") is None
    assert study.history("0123456789ab-0").empty


def test_a_study_that_is_not_there_is_told_with_those_that_are(tmp_path):
    full_study(tmp_path, seeds=1)
    with pytest.raises(LabError, match="no study 'plantd'"):
        lab.load("plantd", store=tmp_path)


def test_the_package_has_no_other_door():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        lab.lod  # noqa: B018


def test_importing_the_package_loads_nothing():
    script = (
        "import sys, lab; print(*[name for name in ('pandas', 'numpy', 'plotly', 'pydantic') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


@pytest.mark.slow
def test_the_example_notebook_runs_from_top_to_bottom(tmp_path):
    full_study(tmp_path / "mlruns", name="norm_ablation")
    told = executed(ROOT / "examples" / "norm_ablation.ipynb", tmp_path)
    assert told == {"frame": 36, "heavy": []}


@pytest.mark.slow
def test_a_written_notebook_runs_from_top_to_bottom(tmp_path):
    from lab.__main__ import main

    full_study(tmp_path)
    out = tmp_path / "planted.ipynb"
    assert main(["report", "planted", "--store", str(tmp_path), "--out", str(out)]) == 0
    assert executed(out, tmp_path)["frame"] == 36
