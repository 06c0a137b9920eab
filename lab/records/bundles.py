"""Bundles: what flight recorders have frozen, and the marks that ask for it; read without torch."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.records.folder import Disk, told
from lab.records.store import Store
from lab.spec.rules import Finding

log = logging.getLogger(__name__)

INDEX = "bundle.json"
LOG = "log.parquet"
MARK = "mark.json"
FORMAT = 1
"""Raised when a bundle is laid out otherwise."""
NAME = re.compile(r"\d+-[a-z0-9_]+")
"""A bundle's folder: the step it is about and the reason. A folder of any other name is a draft."""


@dataclass(frozen=True)
class Bundle:
    """One frozen stretch of a trial: a state, the steps after it, and what they were taken with."""

    path: Path
    trial: str
    step: int
    """The step it is about."""
    reason: str
    last: int
    """The last step of its log."""
    snapshots: tuple[int, ...]
    """The steps before which its states were taken, in order."""
    experiment: str
    """The concrete experiment as JSON."""
    experiment_id: str
    seed: int
    cell: str
    repeat: int
    study: str
    label: str
    hash: str
    """The kind of hash that its log was written with."""
    data: str
    """Hash of the data set; empty where none was taken."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plug-in files by their path from the project's folder, each with the digest of its text."""
    root: str = ""
    """The project's folder."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    commit: str = ""
    finding: Finding | None = None
    frozen: str = ""
    """When, UTC, ISO 8601."""

    @property
    def name(self) -> str:
        """The name of its folder: the step and the reason."""
        return self.path.name

    def before(self, step: int) -> int | None:
        """Its latest snapshot that leads to a step, or None."""
        return max((taken for taken in self.snapshots if taken <= step), default=None)

    def to_json(self) -> str:
        """Its index, as it lies in the folder."""
        said = {key: value for key, value in asdict(self).items() if key != "path"}
        return json.dumps({"format": FORMAT, **said}, indent=1)


def bundles_folder(store: Store) -> Path:
    """Where the bundles of a store's trials lie: on a disk, also when records go to a URL."""
    home = store.place.path if isinstance(store.place, Disk) else Path("mlruns")
    return home / "bundles"


def bundles_of(folder: Path, trial: str) -> list[Bundle]:
    """The whole bundles of a trial, by the steps they are about; drafts and broken ones are passed over."""
    found = [read_bundle(path) for path in _folders(folder / trial)]
    return sorted((each for each in found if each is not None), key=lambda each: (each.step, each.reason))


def _folders(place: Path) -> list[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return [path for path in sorted(place.iterdir()) if NAME.fullmatch(path.name)]
    return []


def read_bundle(path: Path) -> Bundle | None:
    """The bundle in a folder, or None where there is none that can be read."""
    try:
        said = json.loads((path / INDEX).read_text())
        if said.pop("format") != FORMAT:
            raise ValueError("it is laid out for another version of lab")
        finding = said.pop("finding")
        if finding is not None:
            evidence = tuple((int(step), float(value)) for step, value in finding.pop("evidence", ()))
            finding = Finding(**finding, evidence=evidence)
        return Bundle(path, **said | {"snapshots": tuple(said["snapshots"])}, finding=finding)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("the bundle in %s cannot be read: %s", path, error)
        return None


def trials_with_bundles(folder: Path) -> list[str]:
    """The trials that have left bundles, sorted."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(path.name for path in folder.iterdir() if _folders(path))
    return []


def sweep_drafts(folder: Path, trial: str) -> None:
    """Remove what a process that was killed while it froze has left; only whoever runs the trial may do this."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in (folder / trial).iterdir():
            if path.is_dir() and not NAME.fullmatch(path.name):
                shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class Mark:
    """A step that a person wants to look at; without a step it asks a running trial to freeze as it goes."""

    step: int | None = None
    note: str = ""


def write_mark(folder: Path, trial: str, mark: Mark) -> None:
    """Leave a mark where the trial's run, or its next replay, finds it."""
    with told("leave a mark", str(folder / trial)):
        (folder / trial).mkdir(parents=True, exist_ok=True)
    Disk(folder / trial).write(MARK, json.dumps(asdict(mark)).encode())


def read_mark(folder: Path, trial: str) -> Mark | None:
    """The mark of a trial, or None."""
    try:
        return Mark(**json.loads((folder / trial / MARK).read_text()))
    except (OSError, ValueError, TypeError):
        return None
