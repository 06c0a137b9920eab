"""The project's folder: what the paths inside files are read from, and what they may not leave."""

from __future__ import annotations

import os
from pathlib import Path

from lab.errors import LabError


def project_root(path: Path) -> Path:
    """The nearest folder above a file that has a pyproject.toml or an experiments/ folder; else the current one."""
    for folder in Path(path).absolute().parents:
        if (folder / "pyproject.toml").is_file() or (folder / "experiments").is_dir():
            return folder
    return Path.cwd()


def inside(said: str, root: Path) -> Path:
    """The file that a path in a study names; it stays inside the project, also where it is a link."""
    try:
        is_inside = (root / said).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        raise LabError(f"{said!r} is not a path") from None
    if Path(said).is_absolute() or not is_inside:
        hint = "name a file below the project's folder, relative to it"
        raise LabError(f"'{said}' leads out of the project", hint=hint)
    return root / said


def shown(path: Path, root: Path) -> str:
    """A file as messages and records call it: from the project's folder, or as it was given from elsewhere."""
    full, top = Path(os.path.normpath(path.absolute())), Path(os.path.normpath(root.absolute()))
    return full.relative_to(top).as_posix() if full.is_relative_to(top) else str(path)
