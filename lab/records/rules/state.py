"""The state of watchers as plain data, so that a checkpoint can hold it and a resumed run goes on as if never cut."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lab.spec.rules import Finding

GIVEN = frozenset({"spec", "facts"})
"""Attributes that a watcher is made of; they are not its state."""
_SCALARS = (bool, int, float, str, type(None))
_KINDS = {"tuple": tuple, "set": set, "frozenset": frozenset}


def state_of(thing: object) -> dict[str, Any]:
    """The attributes of a watcher, or of a part of one, as JSON can hold them."""
    return {name: _said(value) for name, value in vars(thing).items() if name not in GIVEN}


def put_back(thing: object, said: Mapping[str, Any]) -> None:
    """Give a watcher the attributes that `state_of` told."""
    for name, value in said.items():
        if isinstance(value, Mapping) and "part" in value:
            put_back(getattr(thing, name), value["part"])
        else:
            setattr(thing, name, _value(value))


def _said(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, _SCALARS):
        return value
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, Finding):
        return {"finding": asdict(value)}
    if isinstance(value, Mapping):
        return {"pairs": [[_said(key), _said(inner)] for key, inner in value.items()]}
    if isinstance(value, list):
        return [_said(inner) for inner in value]
    if isinstance(value, Collection):
        return {"kind": type(value).__name__, "items": [_said(inner) for inner in value]}
    return {"part": state_of(value)}


def _value(said: Any) -> Any:
    if isinstance(said, list):
        return [_value(inner) for inner in said]
    if not isinstance(said, Mapping):
        return said
    if "array" in said:
        return np.array(said["array"], dtype=said["dtype"])
    if "finding" in said:
        return finding_of(said["finding"])
    if "pairs" in said:
        return {_value(key): _value(inner) for key, inner in said["pairs"]}
    return _KINDS.get(said["kind"], list)(_value(inner) for inner in said["items"])


def finding_of(said: Mapping[str, Any]) -> Finding:
    """A finding from plain data."""
    evidence = tuple((int(step), float(value)) for step, value in said.get("evidence", ()))
    return Finding(**{**said, "evidence": evidence})
