"""Files of data that a person names: where they are looked for, and what tells one version from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lab.data.pyg import folder
from lab.errors import LabError


def located(said: str) -> Path:
    """The file of this name: as it is said, or else in the folder of data (LAB_DATA, or mlruns/data)."""
    places = [Path(said).expanduser(), folder() / said]
    for place in places:
        if place.is_file():
            return place.absolute()
    raise LabError(
        f"there is no file '{said}'",
        hint=f"looked for {' and '.join(str(place.absolute()) for place in dict.fromkeys(places))}; "
        "name it in dataset.path, or put it into the folder that LAB_DATA names",
    )


def fingerprint(said: str) -> str:
    """The SHA-256 of a file's content."""
    with located(said).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
