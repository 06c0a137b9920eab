"""Where a record comes from: code, packages and machine, asked once a process."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from lab.records.record import Origin
from lab.spec.study import Capture

LONGEST_DIFF = 1_000_000
"""Characters of an uncommitted change that are kept."""
PATIENCE = 20.0
"""Seconds that git is given to answer."""
MAIN = ("gnn-lab", "torch", "torch-geometric", "numpy", "mlflow", "optuna")
"""Packages whose versions are told even where the whole list is not kept."""
SOURCES = (".py", ".yaml", ".yml", ".toml", ".cfg", ".ini")
"""New files of these kinds belong to the uncommitted change: a model of one's own, a study."""


def origin(
    root: Path,
    capture: Capture,
    *,
    device: str = "",
    threads: int = 0,
    command: str = "",
    data: str = "",
) -> Origin:
    """All that `capture` asks to keep about a trial that starts now, in the project at `root`."""
    state = _git(root.resolve(), capture.git)
    return Origin(
        commit=state.commit,
        dirty=state.dirty,
        diff=state.diff,
        versions=_versions(capture.env),
        device=device,
        host=platform.node(),
        threads=threads,
        command=command,
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        data=data if capture.data == "sha256" else "",
    )


class _State(NamedTuple):
    """What git says of a folder; nothing, where there is no git or no repository."""

    commit: str = ""
    dirty: bool = False
    diff: str = ""


@cache
def _git(root: Path, wanted: str) -> _State:
    if wanted == "off":
        return _State()
    commit = _ask_git(root, "rev-parse", "--verify", "HEAD").strip()
    dirty = bool(_ask_git(root, "status", "--porcelain").strip())
    if wanted != "diff" or not dirty or not commit:
        return _State(commit, dirty)
    return _State(commit, dirty, _bounded(_change(root)))


def _change(root: Path) -> str:
    """What differs from the commit, new source files included, as text that `git apply` takes."""
    parts = [_ask_git(root, "diff", "--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/", "HEAD")]
    top = Path(_ask_git(root, "rev-parse", "--show-toplevel").strip() or root)
    new = _ask_git(top, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    size = len(parts[0])
    for name in sorted(name for name in new if name.endswith(SOURCES)):
        if size > LONGEST_DIFF:
            break
        parts.append(_ask_git(top, "diff", "--no-ext-diff", "--no-color", "--no-index", "--", "/dev/null", name))
        size += len(parts[-1])
    return "".join(parts)


def _bounded(text: str) -> str:
    if len(text) <= LONGEST_DIFF:
        return text
    return f"{text[:LONGEST_DIFF]}\n# cut: {len(text) - LONGEST_DIFF:,} more characters\n"


def _ask_git(folder: Path, *question: str) -> str:
    """Git's answer, or nothing; an exit code of 1 is how `diff --no-index` says that files differ."""
    command = ["git", "--no-optional-locks", "-c", "core.quotepath=off", "-C", str(folder), *question]
    try:
        said = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout.decode(errors="replace") if said.returncode in (0, 1) else ""


@cache
def _versions(wanted: str) -> dict[str, str]:
    """Python and the installed packages, all of them or the main ones; none is imported for it."""
    found = {name: package.version for package in metadata.distributions() if (name := _name(package))}
    kept = sorted(found) if wanted == "lock" else [name for name in MAIN if name in found]
    return {"python": platform.python_version()} | {name: found[name] for name in kept}


def _name(package: metadata.Distribution) -> str:
    """The package's name; a broken installation has none."""
    try:
        return package.metadata["Name"].lower().replace("_", "-")
    except (AttributeError, KeyError, TypeError):
        return ""
