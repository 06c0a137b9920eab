"""The page on plug-ins is a project: its files check, build, run and keep the contracts as they are printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.torch, pytest.mark.slow]

PAGE = Path(__file__).resolve().parents[2] / "docs/extending.md"
BLOCK = re.compile(r"^```(python|yaml|sh)\n(.*?)^```$", re.M | re.S)


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of the page."""
    root: Path = tmp_path_factory.mktemp("ring")
    for language, text in BLOCK.findall(PAGE.read_text()):
        if language != "sh":
            path = root / text.splitlines()[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def said_by(root: Path, *command: str) -> str:
    """What a command prints; it is run by this Python, in the folder."""
    ended = subprocess.run([sys.executable, "-m", *command], cwd=root, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_commands_of_the_page_run_in_their_order(ring: Path) -> None:
    (script,) = (text for language, text in BLOCK.findall(PAGE.read_text()) if language == "sh")
    told = [said_by(ring, *line.split()) for line in script.splitlines()]
    assert "Scale the average by a gate" in " ".join(told[0].split())
    assert "fine (2 cells, 6 trials)" in told[1]
    assert "6 done" in told[2]
    assert "model.gate" in told[3]
    assert "too_large" in said_by(ring, "lab", "report", "studies/ring.yaml", "--json")


def test_an_editor_completes_what_the_page_defines(ring: Path) -> None:
    said_by(ring, "lab", "schema", "--plugin", "plugins/mean.py", "--plugin", "plugins/opposite.py")
    schema = (ring / "experiment.schema.json").read_text()
    assert "Scale the average by a gate" in schema
    assert "Length of the ring" in schema


def test_what_the_page_defines_keeps_the_contracts(ring: Path) -> None:
    assert "4 passed" in said_by(ring, "pytest", "-q", "-p", "no:cacheprovider", "tests")
