"""What the types refuse -> mistakes with their place, the nearest match and the choices."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from lab.errors import LabError, choose
from lab.spec.places import Path, Places
from lab.spec.spec import Family, Spec, finite_choices
from lab.spec.walk import family_of, spec_of, step, stripped

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "empty",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
SHORTHANDS = {
    "Seeds": "a number, a list or a mapping",
    "Score": "the name of a score or a mapping",
    "Block": "a word or a mapping",
    "Design": "a word, a list or a mapping",
    "Claim": "a sentence or a mapping",
}
BOUNDS = {
    "greater_than": ("gt", "above {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "below {}"),
    "less_than_equal": ("le", "{} or less"),
}


def explain(error: ValidationError, said: Any, places: Places, spec: type[Spec]) -> list[LabError]:
    """Every mistake pydantic found in `said`, as the person who wrote the file should read it."""
    found: dict[Path, list[ErrorDetails]] = defaultdict(list)
    for detail in error.errors(include_url=False):
        found[as_written(detail["loc"], said)].append(detail)
    return [_told(path, details, said, places, spec) for path, details in found.items()]


def as_written(loc: Sequence[str | int], said: Any) -> Path:
    """The way into the text behind a way into the types, which know more levels than a shorthand shows."""
    path: Path = ()
    for key in _design_as_written(loc, said):
        known = said if isinstance(said, Mapping) else range(len(said)) if isinstance(said, (list, tuple)) else ()
        if key in known:
            said, path = said[key], (*path, key)
    return path


def _design_as_written(loc: Sequence[str | int], said: Any) -> Iterator[str | int]:
    """The blocks of a design may stand in `design` itself, under `also`, or behind their own word."""
    if len(loc) < 3 or loc[0] != "design" or loc[1] != "blocks" or not isinstance(loc[2], int):
        yield from loc
        return
    design, index = said.get("design"), loc[2]
    way: list[str | int] = ["design", index]
    block = design[index] if isinstance(design, list) and index < len(design) else None
    if isinstance(design, Mapping) and "blocks" not in design:
        also = design.get("also")
        way = ["design"] if index == 0 else ["design", "also", index - 1]
        block = design if index == 0 else also[index - 1] if isinstance(also, list) else also
    elif isinstance(design, Mapping):
        way, block = ["design", "blocks", index], design["blocks"][index]
    if isinstance(block, Mapping) and "kind" not in block:
        way += [key for key in block if key != "also"][:1]
    yield from (*way, *loc[3:])


def _told(path: Path, details: list[ErrorDetails], said: Any, places: Places, spec: type[Spec]) -> LabError:
    """The mistake at one place; a union complains once for each of its types, which is still one mistake."""
    detail = details[0]
    if len(details) == 1 or detail["type"] == "missing":
        return _TELLERS.get(detail["type"], _other)(path, detail, said, places, spec)
    expected = " or ".join(dict.fromkeys(_expectation(each, spec) for each in details))
    return LabError(f"{show(detail['input'])} is not a choice", where=places.inside(*path), hint=f"say {expected}")


def _unknown_key(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    """An option that is not there, or that belongs elsewhere."""
    word = str(detail["loc"][-1])
    owner = _owner(detail["loc"][:-1], spec)
    options = [name for name in owner.model_fields if name != "kind"]
    elsewhere = _homes(word, said, spec)
    hint = f"'{word}' belongs to {elsewhere[0]}" if elsewhere else choose(word, options)
    return LabError(no_option(owner, word), where=places.inside(*path), hint=hint)


def no_option(owner: type[Spec], word: str) -> str:
    """How an unknown option is told: 'gin' has no option 'nrom'."""
    kind = owner.model_fields.get("kind")
    named = f"'{kind.default}'" if kind is not None and issubclass(owner, Family) else owner.__name__.lower()
    return f"{named} has no option '{word}'"


def _homes(word: str, said: Any, spec: type[Spec]) -> list[str]:
    """The sections of this file that do have an option of this name."""
    found: list[str] = []
    for name, field in spec.model_fields.items():
        inner = spec_of(field.annotation)
        if inner is not None and issubclass(inner, Family):
            section = said.get(name) if isinstance(said, Mapping) else None
            inner = inner.members.get(section.get("kind", "")) if isinstance(section, Mapping) else None
        if inner is not None and word in inner.model_fields and stripped(field.annotation) is spec_of(field.annotation):
            found.append(name)
    return found if word not in ("kind", "values", "name") else []


def _not_a_choice(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    choices = _choices(detail, spec)
    value = detail["input"]
    word = f"{show(value)} is not a choice"
    return LabError(word, where=places.inside(*path), hint=choose(yaml_word(value), map(yaml_word, choices)))


def _unknown_kind(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    tag = detail.get("ctx", {}).get("tag", "")
    family = _family(detail["loc"], spec)
    where = places.inside(*path, "kind")
    return LabError(f"there is no {family.noun} '{tag}'", where=where, hint=choose(tag, family.members))


def _no_kind(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    family = _family(detail["loc"], spec)
    if not isinstance(detail["input"], Mapping):
        return _other(path, detail, said, places, spec)
    return LabError("needs `kind`", where=places.inside(*path), hint=choose("", family.members))


def _missing(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    key = detail["loc"][-1]
    what = f"needs `{key}`" if isinstance(key, str) else f"needs {key + 1} values or more"
    return LabError(what, where=places.inside(*path))


def _by_the_type(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    """What a validator of ours said; a mistake between options stands at the first option it names."""
    words = str(detail.get("ctx", {}).get("error", detail["msg"]))
    what, _, hint = words.partition("; ")
    return LabError(what, where=places.inside(*path, *_named_in(words, detail["input"])), hint=hint)


def _named_in(words: str, said: Any) -> Path:
    for word in re.findall(r"\w[\w.]*\w|\w", words):
        for path in ((word,), tuple(word.split("."))):
            inner = said
            for key in path:
                inner = inner.get(key, _named_in) if isinstance(inner, Mapping) else _named_in
            if inner is not _named_in:
                return (*path, *_named_in(words.partition(word)[2], inner))
    return ()


def _other(path: Path, detail: ErrorDetails, said: Any, places: Places, spec: type[Spec]) -> LabError:
    value, expected = detail["input"], _expectation(detail, spec)
    if detail["type"] in BOUNDS:
        return LabError(f"{show(value)} is out of range", where=places.inside(*path), hint=f"it must be {expected}")
    if detail["type"] in ("too_long", "too_short"):
        return LabError(f"needs {expected}", where=places.inside(*path))
    if detail["type"] == "string_too_short":
        return LabError("is empty", where=places.inside(*path))
    if detail["type"] not in EXPECTED:
        return LabError(expected, where=places.inside(*path))
    return LabError(f"{show(value)} is not {expected}", where=places.inside(*path), hint=_mend(value, expected))


def _mend(value: Any, expected: str) -> str:
    if expected == "text" and isinstance(value, (int, float)):
        return "put it in quotes"
    if expected == "true or false" and isinstance(value, str):
        return f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}, without quotes"
    return ""


def _expectation(detail: ErrorDetails, spec: type[Spec]) -> str:
    kind, about = detail["type"], detail.get("ctx", {})
    if kind in BOUNDS:
        key, text = BOUNDS[kind]
        return text.format(f"{about[key]:g}")
    if kind == "literal_error":
        return ", ".join(yaml_word(choice) for choice in _choices(detail, spec))
    if kind in ("too_long", "too_short"):
        bound = about.get("max_length", about.get("min_length"))
        return f"{bound} value{'s' if bound != 1 else ''}, not {about.get('actual_length')}"
    if about.get("class_name") in SHORTHANDS:
        return SHORTHANDS[about["class_name"]]
    message = detail["msg"]
    return EXPECTED.get(kind, message[:1].lower() + message[1:])


def _choices(detail: ErrorDetails, spec: type[Spec]) -> Sequence[Any]:
    """The choices of a field, or of the one part of it that has some."""
    annotation: Any = spec
    for key in detail["loc"]:
        annotation = step(annotation, key)
    found = finite_choices(annotation)
    if found is None:
        literals = [part for part in get_args(stripped(annotation)) if get_origin(part) is Literal]
        found = tuple(choice for part in literals for choice in get_args(part))
    return found or re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", "")))


def _owner(loc: Sequence[str | int], spec: type[Spec]) -> type[Spec]:
    owner: Any = spec
    found = spec
    for key in loc:
        owner = step(owner, key)
        found = spec_of(owner) or found
    return found


def _family(loc: Sequence[str | int], spec: type[Spec]) -> type[Family]:
    annotation: Any = spec
    for key in loc:
        annotation = step(annotation, key)
    family = family_of(annotation)
    assert family is not None, f"{loc} is no family of specs"
    return family


def show(value: Any) -> str:
    """A value as a message shows it."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        text = f"[{', '.join(yaml_word(each) for each in value)}]"
        return text if len(text) <= 40 else "a list"
    if isinstance(value, str):
        return f"'{value[:57]}...'" if len(value) > 60 else f"'{value}'"
    return yaml_word(value)


def yaml_word(value: Any) -> str:
    """A scalar in the spelling of the file."""
    named = {None: "null", True: "true", False: "false"}
    return named[value] if value is None or isinstance(value, bool) else str(value)


_TELLERS = {
    "extra_forbidden": _unknown_key,
    "literal_error": _not_a_choice,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "missing": _missing,
    "value_error": _by_the_type,
}
