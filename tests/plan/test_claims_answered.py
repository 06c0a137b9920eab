"""What a person reads when claims are wrong: tests/snapshots/claims has the files and their answers."""

import os
import shutil
from pathlib import Path

import pytest

from lab.errors import LabError, LabErrors
from lab.plan.designs import expand
from lab.spec.files import read_study

SNAPSHOTS = Path(__file__).resolve().parents[1] / "snapshots" / "claims"
FILES = sorted(SNAPSHOTS.glob("*.yaml"))
BASE = "dataset: {kind: pattern}\nmodel: {kind: graph_transformer, powers: [0, 1]}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("claims")
    (root / "experiments").mkdir()
    (root / "experiments" / "base.yaml").write_text(BASE)
    for file in FILES:
        shutil.copy(file, root / file.name)
    return root


def answer(path: Path) -> str:
    with pytest.raises(LabError) as caught:
        expand(read_study(path))
    return str(LabErrors(caught.value.problems))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_wrong_claims_are_answered_as_they_were(project, file):
    told, expected = answer(project / file.name) + "\n", file.with_suffix(".txt")
    if "LAB_UPDATE_SNAPSHOTS" in os.environ:
        expected.write_text(told, encoding="utf-8")
    assert told == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_mistake_of_a_claim_has_a_line_and_a_mend(project, file):
    with pytest.raises(LabError) as caught:
        expand(read_study(project / file.name))
    for problem in caught.value.problems:
        assert problem.where.line > 0
        assert problem.hint or problem.what.startswith(("needs", "is empty", "3 is not"))
