"""The types in words: what may stand behind an option, and what stands there by default."""

from __future__ import annotations

import json
import types
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lab.spec.probes import LEVELS, ProbeSpec, level_of
from lab.spec.problems import yaml_word
from lab.spec.rules import RuleSpec
from lab.spec.spec import Family, Spec, finite_choices, plain
from lab.spec.walk import family_of


def choices_text(field: FieldInfo) -> str:
    """What may stand behind an option, in words."""
    said = _said(field.annotation, field.metadata)
    family = family_of(field.annotation)
    if family is RuleSpec:
        return f"all | off | {said} | changes by rule"
    return f"{' | '.join(LEVELS)} | {said}" if family is ProbeSpec else said


def _said(annotation: Any, marks: list[Any]) -> str:
    choices = finite_choices(annotation)
    if choices is not None:
        return " | ".join(yaml_word(choice) for choice in choices)
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return f"a {annotation.noun}" if issubclass(annotation, Family) else "a group"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " | ".join(_said(part, marks) for part in inner)
    if origin is tuple:
        return f"a list of {'' if inner[-1] is Ellipsis else f'{len(inner)} '}{_plural(_said(inner[0], []))}"
    if origin is dict:
        return "dotted paths with values" if inner[1] is Any else f"names, each with {_said(inner[1], [])}"
    if hasattr(annotation, "__metadata__"):
        return _said(inner[0], [*marks, *annotation.__metadata__])
    return _NAMES.get(annotation, "any value") + _bounds(marks)


_NAMES: dict[Any, str] = {int: "whole number", float: "number", str: "text", type(None): "null"}


def _plural(said: str) -> str:
    if "|" in said:
        return said
    return f"{said.removeprefix('a ')}s" if said.startswith("a ") else said.replace("number", "numbers", 1)


def _bounds(marks: list[Any]) -> str:
    """The limits of a number: from, above, up to, below."""
    words = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    flat = [inner for mark in marks for inner in (mark, *getattr(mark, "metadata", ()))]
    said = [f"{word} {getattr(mark, key)}" for key, word in words.items() for mark in flat if hasattr(mark, key)]
    said = [text for text in said if not text.endswith("None")]
    return f", {' '.join(said)}" if said else ""


def default_text(field: FieldInfo) -> str:
    """What an option is when the file does not say it."""
    if field.is_required():
        return "needed"
    default = field.get_default(call_default_factory=True)
    level = level_of(default) if default and family_of(field.annotation) is ProbeSpec else None
    if level is not None:
        return level
    value = plain(default)
    if isinstance(value, (list, dict)):
        return json.dumps(value) if value and isinstance(value, list) else "none" if not value else ""
    return yaml_word(value)
