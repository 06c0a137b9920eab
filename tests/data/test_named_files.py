"""Files of data are found where they are said to be or in the folder of data, and known by what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.data.files import fingerprint, located
from lab.errors import LabError

pytestmark = pytest.mark.torch


def test_a_file_is_found_as_it_is_said_or_in_the_folder_of_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    kept, own = tmp_path / "data" / "days.json", tmp_path / "own.json"
    kept.write_text("1")
    own.write_text("2")
    assert located("days.json") == kept
    assert located(str(own)) == own
    assert fingerprint("days.json") != fingerprint(str(own))


def test_a_file_that_is_nowhere_is_told_with_the_places_that_were_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(LabError, match=r"no file 'none\.json'") as caught:
        located("none.json")
    assert str(tmp_path / "none.json") in caught.value.hint
