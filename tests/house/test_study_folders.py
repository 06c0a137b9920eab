"""Every study of links and of pgat has a question, enough seeds and claims, and a base that takes a step."""

import re
from pathlib import Path

import pytest

from lab.__main__ import main
from lab.cli.checking import profiles_of
from lab.cli.planning import read_plan

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    f"{folder}/{path.name}"
    for folder in ("links", "pgat")
    for path in sorted((ROOT / "studies" / folder).glob("*.yaml"))
]
PROMISED = {
    ("memory_claims", "cost.peak_mb", "<", 0.4),
    ("memory_claims", "cost.peak_mb", "<", 0.5),
    ("memory_claims", "cost.step_ms", "<", 0.6),
    ("memory_claims", "cost.step_ms", "<", 1.2),
    ("memory_claims", "cost.step_ms", ">", 0.8),
    ("joint_encoder", "cost.peak_mb", "<", 0.4),
    ("joint_encoder", "cost.step_ms", ">", 1.3),
}
"""What a guide to saving memory promised: 60 % and half the memory, 80 to 120 % of the time, 40 and 30 % saved."""


@pytest.mark.parametrize("name", FILES)
def test_a_study_asks_something_of_enough_seeds_and_says_what_it_expects(name, project):
    path = Path("studies") / name
    assert "quick" in profiles_of(path)
    for profile in profiles_of(path):
        plan = read_plan(path, profile)
        assert len({trial.id for trial in plan.all_trials}) == len(plan.all_trials)
    study = read_plan(path, None).study
    assert study.question.endswith("?")
    assert len(study.seeds.values) >= 8
    assert study.claims


def test_the_page_of_pgat_names_all_of_its_studies_and_its_example_checks(project, capsys):
    page = (ROOT / "docs/pgat.md").read_text()
    named = {Path(link).name for link in re.findall(r"\]\((\.\./studies/[^)]+)\)", page)}
    assert named == {Path(name).name for name in FILES if name.startswith("pgat/")}
    example = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    Path("studies/example.yaml").write_text(example[1])
    assert main(["check", "studies/example.yaml"]) == 0, capsys.readouterr().err


def test_each_number_of_the_guide_stands_as_a_claim():
    from lab.errors import Place
    from lab.spec.claims import parse

    stated = set()
    for name in ("memory_claims", "joint_encoder"):
        for claim in read_plan(ROOT / f"studies/pgat/{name}.yaml", None).study.claims.values():
            said = parse(claim.say, Place(name))
            stated.add((name, claim.metric, said.sign, said.times))
    assert stated >= PROMISED


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_base_of_a_study_takes_a_step(name, project):
    from lab.train.build import smoke

    told = smoke(read_plan(Path("studies") / name, "quick").reference.experiment)
    assert told.num_params


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", ["pgat/oracle_graph", "links/graph_of_attention"])
def test_every_cell_of_some_takes_two_steps(name, project, capsys):
    assert main(["run", f"studies/{name}.yaml", "--profile", "quick", "--smoke"]) == 0, capsys.readouterr().out
