"""`lab movie` from a run to its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.__main__ import main
from lab.records.store import Store

pytestmark = [pytest.mark.torch, pytest.mark.slow]

EXPERIMENT = """
dataset: {kind: latent_graph_series, nodes: 6, degree: 2, length: 160, window: 5, horizon: 3}
model: {kind: latent_seq2seq, width: 8}
training: {epochs: 1, batch: 32}
"""


def test_a_trial_is_filmed_by_its_id(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    Path("experiments").mkdir()
    Path("experiments/small.yaml").write_text(EXPERIMENT)
    assert main(["run", "experiments/small.yaml", "-j", "1"]) == 0
    (record,) = Store("mlruns").records("small")
    capsys.readouterr()
    assert main(["movie", record.trial, "--windows", "1", "--out", "films"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("exact, ")
    endings = {path.name.rpartition("-")[2] for path in Path("films").iterdir()}
    assert endings == {"frames.gif", "epochs.gif", "static.gif", "weights.npz", "page.html"}
    assert main(["movie", record.trial, "--windows", "0"]) == 2
