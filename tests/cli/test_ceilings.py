"""`lab show psbm_links --table` prints the best possible scores, and draws them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.__main__ import main


def test_the_best_scores_of_every_preset_are_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["show", "psbm_links", "--table"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    best, less = (line for line in lines if line[:1] == ["default"])
    assert best == ["default", "0.891", "0.641", "0.709", "0.244"]
    assert less[:7] == ["default", "0.867", "0.828", "0.804", "0.891", "0.829", "0.747"]
    assert len([line for line in lines if line[:1] == ["null"]]) == 2


def test_they_are_drawn_in_one_file_and_told_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "of" / "ceilings.html"
    assert main(["show", "psbm_links", "--picture", str(file), "--json"]) == 0
    text = file.read_text()
    assert "best AUC" in text
    assert 'src="http' not in text
    told = json.loads(capsys.readouterr().out)
    assert told["window"] == 10
    assert told["presets"]["noisy"]["full"]["auc"] == pytest.approx(0.8552, abs=1e-4)
    assert told["presets"]["noisy"]["law"]["flips"] == 0.05


def test_its_options_are_still_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "psbm_links"]) == 0
    assert "membership" in capsys.readouterr().out
