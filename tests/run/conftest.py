"""A tiny project for the tests of running: its own folder, and a menu that plug-ins leave again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_project import Tiny

from lab.spec import experiment, study
from lab.spec.plugins import FAMILIES


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tiny]:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    before = [dict(family.members) for family in FAMILIES]
    yield Tiny(tmp_path)
    for family, members in zip(FAMILIES, before, strict=True):
        family.members.clear()
        family.members.update(members)
    experiment.rebuild()
    study.rebuild()
