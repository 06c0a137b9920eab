"""The project speaks of itself alone: no path of a machine, no package host, and no file too long to read."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRACKED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
TEXTS = [name for name in TRACKED if Path(name).suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".json"}]
MACHINE = re.compile(r"/(?:home|root|work|Users)/\w+/")
HOSTS = re.compile(r"pypi\.org|pythonhosted|npmjs|deb\.debian|download\.pytorch")


@pytest.mark.skipif(not TRACKED, reason="needs the git checkout")
@pytest.mark.parametrize("pattern", [MACHINE, HOSTS], ids=["paths", "hosts"])
def test_no_tracked_text_names_a_machine_or_a_package_host(pattern):
    found = [
        name for name in TEXTS if pattern.search((ROOT / name).read_text(errors="ignore")) and "test_words" not in name
    ]
    assert found == []


@pytest.mark.skipif(not TRACKED, reason="needs the git checkout")
def test_no_file_of_the_package_is_longer_than_a_reader_takes_in():
    lengths = {
        name: len((ROOT / name).read_text().splitlines())
        for name in TRACKED
        if name.startswith("lab/") and name.endswith(".py")
    }
    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}
