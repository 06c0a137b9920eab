from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile, read_study
from lab.spec.study import Study

BASE = """\
dataset: {kind: pattern}
model:
  kind: graph_transformer
  powers: [0, 1]
  mlp_norm: batch
  attention_norm: batch
  ff_norm: layer
training: {epochs: 2}
"""

StudyOf = Callable[..., StudyFile]


@pytest.fixture(scope="session")
def base() -> Experiment:
    """A transformer with a norm at every place."""
    model = {"kind": "graph_transformer", "powers": [0, 1], "mlp_norm": "batch", "attention_norm": "batch"}
    said = {"dataset": {"kind": "pattern"}, "model": model, "training": {"epochs": 2}}
    return Experiment.model_validate(said)


@pytest.fixture(scope="session")
def study_of(base: Experiment) -> StudyOf:
    """Makes a study around that transformer of some of its keys, without a file."""

    def make(**said: Any) -> StudyFile:
        keys = {"question": "What helps?", "base": "base.yaml", "score": "valid.acc"} | said
        return StudyFile(Study.model_validate(keys), base, "asked")

    return make


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], StudyFile]:
    """Reads a study as a file of a project, so that its mistakes have lines."""
    (tmp_path / "base.yaml").write_text(BASE)

    def write(text: str) -> StudyFile:
        path = tmp_path / "asked.yaml"
        path.write_text(f"question: What helps?\nbase: base.yaml\nscore: valid.acc\n{text}")
        return read_study(path, root=tmp_path)

    return write
