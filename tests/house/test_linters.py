"""The linters run as tests, so that one command checks everything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_ruff_finds_nothing():
    told = run(str(BIN / "ruff"), "check", ".")
    assert told.returncode == 0, told.stdout


def test_every_file_is_formatted():
    told = run(str(BIN / "ruff"), "format", "--check", ".")
    assert told.returncode == 0, told.stdout


@pytest.mark.slow
def test_mypy_is_content_with_every_type():
    told = run(sys.executable, "-m", "mypy")
    assert told.returncode == 0, told.stdout


def test_imports_go_down_only_and_the_towers_stay_apart():
    told = run(str(BIN / "lint-imports"))
    assert told.returncode == 0, told.stdout
