"""Every statement of the notes has its study or its test, and every claim says what was noted."""

import re
from pathlib import Path

import pytest

from lab.cli.checking import profiles_of
from lab.cli.planning import read_plan

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "studies/notes"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
STATEMENTS = {
    f"{group}{number}" for group, count in (("A", 8), ("B", 9), ("C", 20), ("D", 12), ("E", 8))
    for number in range(1, count + 1)
}  # fmt: skip
CONFOUNDED = {"gin_gradients", "gate_norm_mask", "softmax_masking"}


def test_the_index_names_every_statement_once_and_every_file():
    index = (FOLDER / "README.md").read_text()
    rows = [line.split("|")[1:3] for line in index.splitlines() if line.startswith("| ")]
    named = [word for row in rows for word in row[0].split() if re.fullmatch(r"[A-E]\d+", word)]
    assert sorted(named) == sorted(STATEMENTS)
    links = re.findall(r"\]\(([^)]+)\)", index)
    assert {Path(link).name for link in links if link.endswith(".yaml")} == set(FILES)
    assert [link for link in links if not (FOLDER / link).exists()] == []
    tests = re.findall(r"`(tests/[^`]+)`", index)
    assert [test for test in tests if not (ROOT / test).exists()] == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_names_its_statements_and_has_both_profiles_eight_seeds_and_claims_with_what_was_noted(name, project):
    text = (FOLDER / name).read_text()
    assert re.search(r"^# .*\b([A-F]\d*|1\.\d+)\b", text, re.MULTILINE)
    path = Path("studies/notes") / name
    assert profiles_of(path) == [None, "quick", "full"]
    study = read_plan(path, None).study
    assert study.question.endswith("?")
    assert len(study.seeds.values) == 8
    assert study.claims
    assert all(claim.expects for claim in study.claims.values())
    is_confounded = any(claim.confounded for claim in study.claims.values())
    assert is_confounded == (path.stem in CONFOUNDED)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.parametrize("name", ["mirrors", "gate_unreachable", "modified_gin"])
def test_every_cell_takes_two_steps(name, project, capsys):
    from lab.__main__ import main

    assert main(["run", f"studies/notes/{name}.yaml", "--profile", "quick", "--smoke"]) == 0, capsys.readouterr().out
