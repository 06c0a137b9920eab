"""What every test shares: one torch thread, a quiet MLflow, and a project folder of its own where it asks for one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from lab.spec import experiment, study
from lab.spec.datasets import DatasetSpec
from lab.spec.models import ModelSpec
from lab.spec.probes import ProbeSpec
from lab.spec.rules import RuleSpec

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.pop("MLFLOW_TRACKING_URI", None)

# What fails once must fail again: `--hypothesis-profile default` draws other examples at every run.
hypothesis.settings.register_profile("repeatable", derandomize=True)
hypothesis.settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the shipped experiments and studies, and the current directory moved into it."""
    for folder in ("experiments", "studies"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def menu() -> Iterator[None]:
    """What the plug-ins of a test file put on the menu is off it again for the next file."""
    families = (DatasetSpec, ModelSpec, ProbeSpec, RuleSpec)
    before = [dict(family.members) for family in families]
    yield
    if before != [family.members for family in families]:
        for family, known in zip(families, before, strict=True):
            family.members.clear()
            family.members.update(known)
        experiment.rebuild()
        study.rebuild()
