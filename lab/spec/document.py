"""YAML 1.2 text -> plain data and the place of every key; what cannot be read safely or plainly is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)

from lab.errors import LabError, Place, choose
from lab.spec.places import Path as Way
from lab.spec.places import Places, dotted

LARGEST = 256 * 1024
"""Bytes of a file; a study that needs more is not meant for a reader."""
DEEPEST = 24
MOST_VALUES = 20_000
MOST_PROBLEMS = 50

INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
SURROGATE = re.compile("[\ud800-\udfff]")
WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True)
class Document:
    """A file as plain data; `problems` are mistakes that did not keep the rest from being read."""

    data: dict[str, Any]
    places: Places
    text: str
    problems: tuple[LabError, ...] = ()


def read_document(path: Path, shown: str) -> Document:
    """Read a file that must hold one mapping; `shown` is what messages call it."""
    return parse(read_text(path, shown), shown)


def read_text(path: Path, shown: str) -> str:
    """The text of a file of a sensible size, in UTF-8."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "there is no such file"
        raise LabError(what, where=Place(shown), hint=_neighbours(path))
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise LabError(f"cannot be read: {error.strerror or error}", where=Place(shown)) from None
    if len(raw) > LARGEST:
        raise LabError(f"is larger than {LARGEST // 1024} KiB", where=Place(shown), hint="a file is meant to be read")
    try:
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise LabError("is not UTF-8 text", where=Place(shown, line), hint="save the file as UTF-8") from None


def parse(text: str, shown: str) -> Document:
    """The data of a text, and where each part of it stands."""
    reader = _Reader(shown)
    try:
        data = reader.document(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        raise _told(error, shown) from None
    except YAMLError as error:
        at = getattr(error, "position", None)
        line = text.count("\n", 0, at) + 1 if isinstance(at, int) else 0
        character = f"U+{ord(text[at]):04X}" if isinstance(at, int) and at < len(text) else "something"
        raise LabError(f"holds {character}, which no text should", where=Place(shown, line)) from None
    except (ValueError, IndexError, AttributeError, NotImplementedError, AssertionError) as error:
        raise LabError(f"is not YAML: {error}", where=Place(shown)) from None
    if not isinstance(data, dict):
        what = "is empty" if data is None else "must be a mapping: lines of `key: value`"
        raise LabError(what, where=Place(shown, 1))
    return Document(data, Places(shown, reader.known), text, tuple(reader.problems))


class _Reader:
    """Turns the events of the parser into data, without building what it refuses."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.known: dict[Way, Place] = {}
        self.problems: list[LabError] = []
        self.values = 0

    def document(self, events: Iterator[Event]) -> Any:
        """The one document of a file."""
        first = next(event for event in events if not isinstance(event, (StreamStartEvent, DocumentStartEvent)))
        data = None if not isinstance(first, _STARTS) else self._value(first, events, ())
        for event in events:
            if isinstance(event, DocumentStartEvent):
                raise LabError("holds several documents", where=self._place(event), hint="keep what is above `---`")
        return data

    def _value(self, event: Event, events: Iterator[Event], way: Way) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise LabError(f"holds more than {MOST_VALUES} values", where=self._place(event, way))
        if len(way) > DEEPEST:
            raise LabError(f"is nested deeper than {DEEPEST} levels", where=self._place(event, way[:1]))
        if isinstance(event, AliasEvent):
            return self._refuse(event, way, f"*{event.anchor} repeats another part of the file", "write it out")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self._refuse(event, way, f"the tag {tag} has no meaning here", "leave it out")
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, way)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, way)
        assert isinstance(event, ScalarEvent), f"{event} starts no value"
        return self._scalar(event, way)

    def _mapping(self, events: Iterator[Event], way: Way) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for event in events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, events, way)
            inner = (*way, key)
            if key in data:
                first = self.known[inner].line
                self._refuse(event, inner, f"is written twice (first in line {first})", "keep one of them")
                self._value(next(events), events, (*way, key, "again"))
                continue
            self.known[inner] = self._place(event, inner)
            data[key] = self._value(next(events), events, inner)
        return data

    def _key(self, event: Event, events: Iterator[Event], way: Way) -> str:
        if isinstance(event, ScalarEvent):
            key = resolve(event)
            if isinstance(key, str):
                return key
            word = str(event.value)
            self._refuse(event, (*way, word), f"the key {word or 'null'} is not a word", "put it in quotes")
            return word
        self._refuse(event, way, "a key must be a word", "")
        self._value(event, events, (*way, "?"))
        return "?"

    def _sequence(self, events: Iterator[Event], way: Way) -> list[Any]:
        data: list[Any] = []
        for event in events:
            if isinstance(event, SequenceEndEvent):
                break
            inner = (*way, len(data))
            self.known[inner] = self._place(event, inner)
            data.append(self._value(event, events, inner))
        return data

    def _scalar(self, event: ScalarEvent, way: Way) -> Any:
        value = resolve(event)
        if isinstance(value, float) and not math.isfinite(value):
            return self._refuse(event, way, f"{event.value} is not a finite number", "")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            return self._refuse(event, way, "is a number too large to be meant", "")
        if isinstance(value, str) and SURROGATE.search(value):
            return self._refuse(event, way, "holds half a character, which no text should", "")
        return value

    def _refuse(self, event: Event, way: Way, what: str, hint: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(LabError(what, where=self._place(event, way), hint=hint))

    def _place(self, event: Event, way: Way = ()) -> Place:
        return Place(self.shown, event.start_mark.line + 1, dotted(way))


_STARTS = (ScalarEvent, MappingStartEvent, SequenceStartEvent, AliasEvent)


def resolve(event: Any) -> Any:
    """The value of a scalar by the core schema of YAML 1.2: `off` and `yes` are words, 1e-3 is a number."""
    text = event.value
    if event.style in ("'", '"', "|", ">"):
        return text
    if text in WORDS:
        return WORDS[text]
    if NOT_FINITE.fullmatch(text):
        return math.nan
    if INTEGER.fullmatch(text):
        return int(text, 0 if text.startswith(("0o", "0x")) else 10) if len(text) < 100 else 10**100
    return float(text) if FLOAT.fullmatch(text) else text


def _told(error: MarkedYAMLError, shown: str) -> LabError:
    """The parser's complaint in one line."""
    mark = error.problem_mark or error.context_mark
    what = str(error.problem or error.context or "cannot be read")
    hint = ""
    if "end of stream" in what and error.context_mark:
        mark, what, hint = error.context_mark, "what is opened here is never closed", str(error.context)
    if "\\t" in what or "\t" in what:
        what, hint = "a tab where YAML wants spaces", "indent with spaces"
    elif "mapping values are not allowed" in what:
        hint = "is there a colon too many, or an indent that differs from the lines around?"
    return LabError(what, where=Place(shown, mark.line + 1 if mark else 0), hint=hint)


def _neighbours(path: Path) -> str:
    names = sorted(file.name for file in path.parent.glob("*.yaml"))
    return choose(path.name, names) if names else ""
