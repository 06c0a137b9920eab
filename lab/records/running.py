"""Who works on which trial now, read off the claims that running commands keep fresh."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from lab.records.store import Store

SILENCE = 30.0
"""Seconds without a sign of life after which a claim counts for nothing."""


@dataclass(frozen=True)
class Running:
    """A trial in somebody's hands."""

    trial: str
    host: str
    pid: int
    beat: float
    """Seconds since its last sign of life."""


def running(store: Store, *, now: float | None = None) -> dict[str, Running]:
    """The trials that are being worked on, by id; claims lie on a disk, so a store behind a URL shows none."""
    folder = Path(store.root) / "claims"
    seen = {}
    for place in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        claim = _read(place, now or time.time())
        if claim is not None and claim.beat <= SILENCE:
            seen[claim.trial] = claim
    return seen


def _read(place: Path, now: float) -> Running | None:
    """A claim; None when it was given back meanwhile or is not one."""
    try:
        said, beat = json.loads(place.read_text()), now - place.stat().st_mtime
        return Running(place.stem, str(said["host"]).partition(":")[0], int(said["pid"]), max(0.0, beat))
    except (OSError, ValueError, KeyError, TypeError):
        return None
