"""A study under one of its profiles: the same mapping, with some keys replaced or merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lab.errors import LabError, choose
from lab.spec.document import Document
from lab.spec.places import Path
from lab.spec.problems import show

MERGED = (
    "factors", "nuisance", "arms", "budget", "prune", "claims", "test", "retry", "resources", "capture", "stop_run",
    "rules",
    "recorder",
)  # fmt: skip
"""Merged key by key, where null takes a key away; everything else is replaced whole."""
FIXED = ("lab", "study", "profiles")


def under_profile(document: Document, profile: str | None) -> tuple[Document, dict[str, Any]]:
    """The study as the profile has it, and the profile's changes on the base."""
    if profile is None:
        return document, {}
    known = document.data.get("profiles")
    known = known if isinstance(known, Mapping) else {}
    if profile not in known:
        what, where = f"there is no profile '{profile}'", document.places.at("profiles")
        raise LabError(what, where=where, hint=choose(profile, known))
    body, top = known[profile], ("profiles", profile)
    if not isinstance(body, Mapping):
        raise LabError(f"{show(body)} is not a mapping", where=document.places.at(*top))
    data, moves, problems = dict(document.data), list[tuple[Path, Path]](), list(document.problems)
    for key, value in body.items():
        if key in FIXED:
            problems.append(LabError(f"a profile cannot override '{key}'", where=document.places.at(*top, key)))
        elif key in MERGED and isinstance(value, Mapping) and isinstance(data.get(key), Mapping):
            data[key], gone = _merged(data[key], value)
            moves += [((*top, key, inner), (key, inner)) for inner in value]
            for inner in gone:
                where = document.places.at(*top, key, inner)
                problems.append(
                    LabError(f"there is no '{inner}' to take away", where=where, hint=choose(inner, data[key]))
                )
        elif key != "set":
            data[key] = value
            moves.append(((*top, key), (key,)))
    data = {key: value for key, value in data.items() if value is not None or key not in body}
    places = document.places.with_moved(moves)
    changes = body.get("set")
    if changes is not None and not isinstance(changes, Mapping):
        problems.append(LabError(f"{show(changes)} is not a mapping", where=document.places.at(*top, "set")))
        changes = None
    return replace(document, data=data, places=places, problems=tuple(problems)), dict(changes or {})


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Both together, and the keys that were to be taken away but are not there."""
    both = {key: value for key, value in {**old, **new}.items() if key not in new or value is not None}
    return both, [key for key, value in new.items() if value is None and key not in old]
