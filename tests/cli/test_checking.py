"""`lab check` tells what is wrong with a file and with each of its profiles, all in one go."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.cli.checking import check_files

EXPERIMENT = "dataset: {kind: pattern, train: 16, valid: 8, test: 8}\nmodel: {kind: gin, layers: 1, width: 4}\n"
STUDY = """
question: Does it?
base: experiments/tiny.yaml
score: valid.acc
factors: {model.residal: [true, false]}
seeds: 2
profiles:
  quick: {set: {training.epoch: 3}}
"""


def written(project: Path, study: str) -> Path:
    """The study's file, in a project that has its base."""
    for name, text in (("pyproject.toml", ""), ("experiments/tiny.yaml", EXPERIMENT), ("studies/q.yaml", study)):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    return project / "studies/q.yaml"


def test_mistakes_of_a_profile_are_told_beside_those_of_the_plain_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_files([written(tmp_path, STUDY)], build=False, as_json=False) == 2
    told = capsys.readouterr().err
    assert "has no option 'residal'" in told
    assert "training has no option 'epoch'" in told
    assert "2 mistakes" in told


KNOWING = """
question: Is it better than to guess?
base: experiments/tiny.yaml
score: valid.acc
factors: {model.layers: [1, 2]}
seeds: 8
claims:
  better: reference > known(chance)
  typed: reference > known(chanse)
  speaks_of_another: {say: reference > known(chance), metric: valid.loss}
"""


@pytest.mark.torch
def test_known_scores_that_the_data_lack_are_mistakes_once_the_data_are_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = written(tmp_path, KNOWING)
    assert check_files([study], build=False, as_json=False) == 0
    assert check_files([study], build=True, as_json=False) == 2
    told = capsys.readouterr().err
    assert "studies/q.yaml:9: claims.typed: the data know no `chanse` of valid.acc\n    did you mean 'chance'?" in told
    assert "claims.speaks_of_another.say: the data know no `chance` of valid.loss" in told
    assert "2 mistakes" in told
