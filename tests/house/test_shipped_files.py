"""Every file in experiments/ and studies/ checks, expands and takes its first steps."""

import re
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.cli.checking import profiles_of
from lab.cli.planning import read_plan

ROOT = Path(__file__).resolve().parents[2]
STUDIES = sorted(path.name for path in (ROOT / "studies").glob("*.yaml"))
EXPERIMENTS = sorted(path.name for path in (ROOT / "experiments").glob("*.yaml"))
ASKED = {"norm_ablation", "gin_batch_norm", "masking", "norm_first", "adj_stack_depth", "gating_vs_attention"}


def test_every_question_of_the_notes_ships_as_a_study():
    assert {f"{name}.yaml" for name in ASKED} <= set(STUDIES)


def test_every_shipped_file_checks(project, capsys):
    assert main(["check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_question_a_quick_profile_and_enough_seeds(project, name):
    plan = read_plan(Path("studies") / name, "quick")
    full = read_plan(Path("studies") / name, None)
    assert plan.study.question.endswith("?")
    assert plan.search is not None or len(full.study.seeds.values) >= 8
    assert len({trial.id for trial in plan.all_trials}) == len(plan.all_trials)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_every_cell_of_a_study_takes_two_steps(project, name, capsys):
    assert main(["run", f"studies/{name}", "--profile", "quick", "--smoke"]) == 0, capsys.readouterr().out


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_takes_two_steps_on_a_small_draw_of_its_data(project, name, capsys):
    file = project / "experiments" / name
    small = "{kind: \\1, train: 12, valid: 4, test: 4, sizes: [3, 8]}"
    file.write_text(re.sub(r"\{kind: (pattern|cluster)\}", small, file.read_text()))
    assert main(["run", f"experiments/{name}", "--smoke"]) == 0, capsys.readouterr().out


def test_profiles_are_found(project):
    assert profiles_of(Path("studies/norm_ablation.yaml")) == [None, "quick"]
