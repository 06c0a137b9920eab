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


def test_mistakes_of_a_profile_are_told_beside_those_of_the_plain_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("pyproject.toml", ""), ("experiments/tiny.yaml", EXPERIMENT), ("studies/q.yaml", STUDY)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert check_files([tmp_path / "studies/q.yaml"], build=False, as_json=False) == 2
    told = capsys.readouterr().err
    assert "has no option 'residal'" in told
    assert "training has no option 'epoch'" in told
    assert "2 mistakes" in told
