"""Every study of the learned graph has a question, eight seeds, claims with reasons, and a place in the index."""

import re
from pathlib import Path

import pytest

from lab.cli.checking import profiles_of
from lab.cli.planning import read_plan

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "studies/latent").glob("*.yaml"))


def test_the_page_of_the_model_names_every_study():
    page = (ROOT / "docs/latent_seq2seq.md").read_text()
    assert {Path(link).name for link in re.findall(r"\]\((\.\./studies/[^)]+)\)", page)} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_study_says_what_it_expects_before_it_runs(name, project):
    path = Path("studies/latent") / name
    assert profiles_of(path) == [None, "quick"]
    quick = read_plan(path, "quick")
    study = read_plan(path, None).study
    assert study.question.endswith("?")
    assert len(study.seeds.values) == len(quick.study.seeds.values) == 8
    assert study.claims
    assert all(claim.expects for claim in study.claims.values())
    assert len(quick.all_trials) <= 56


@pytest.mark.torch
@pytest.mark.slow
def test_every_cell_of_one_takes_two_steps(project, capsys):
    from lab.__main__ import main

    assert main(["run", "studies/latent/graph_worth.yaml", "--profile", "quick", "--smoke"]) == 0, (
        capsys.readouterr().out
    )
