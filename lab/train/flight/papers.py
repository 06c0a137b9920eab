"""Papers: what a bundle tells of a trial that the run itself does not know, and where bundles are put."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Papers:
    """What a trial's flight recorder is given before it starts."""

    folder: Path
    """The folder that holds a folder of bundles for each trial."""
    study: str = ""
    label: str = ""
    """The cell, as a reader is told of it."""
    root: str = ""
    """The project's folder."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plug-in files by their path from there, with the digest of what was loaded."""
    commit: str = ""
