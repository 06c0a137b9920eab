"""Claims: what a study expects before it runs, in a language of a few words, and the test that they are held to."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn

from pydantic import Field, model_validator

from lab.errors import LabError, Place
from lab.spec.spec import Level, Spec

Sign = Literal[">", "<", "=="]
SIGNS: tuple[Sign, ...] = (">", "<", "==")
GRAMMAR = (
    "say `model.norm: batch > none` (two levels of a factor), `cell(model.norm=none) > reference`, "
    "`arm(mine) > 0.84`, `arm(mine) < 0.5 * reference`, `reference < known(last value)` (a known score of the data) or "
    "`interaction(model.norm, model.mixing) > 0`; the signs are > < =="
)
LONGEST = 300
MOST_DIGITS = 20
TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<list>\[(?:[^\[\]]|\[[^\[\]]*\])*\])"""
    r"""|(?P<sign>==|!=|>=|<=|[<>])|(?P<mark>[(),=:])|(?P<word>[^\s()\[\]{},=:<>"'!]+))"""
)


class Claim(Spec):
    """What a study states before it runs."""

    say: Annotated[str, Field(min_length=1, max_length=LONGEST)]
    """What is expected: `model.norm: batch > none`, `==` for no difference larger than `by`, `cell(...) > reference`,
    `arm(name) > 0.84`, `reference < known(last value)`, `interaction(a, b) > 0`. It speaks of the score itself,
    whether more is better or less."""
    by: Annotated[float, Field(ge=0)] = 0.0
    """The margin: how much larger or smaller at least; for `==`, how different at most."""
    where: str | None = None
    """Only cells where this condition holds are looked at."""
    metric: str | None = None
    """The score it is about, as split.name; the study's own when absent."""
    expects: str = ""
    """What was predicted, and by whom: the notes, a paper."""
    why: str = ""
    """How it came to be thought, told beside the verdict; it may be added when that is known and changes no claim."""
    confounded: str = ""
    """Why this study cannot test it, whatever its numbers; the verdict then is `not testable here`."""

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, said: Any) -> Any:
        """What is expected, alone: `model.norm: batch > none`."""
        return {"say": said} if isinstance(said, str) else said


class Test(Spec):
    """How claims are tested."""

    alpha: Annotated[float, Field(gt=0, le=0.2)] = 0.05
    """The chance of a wrong verdict that is put up with, over all claims together."""
    adjust: Literal["holm", "none"] = "holm"
    """`holm` shares alpha among the claims; `none` gives each of them all of it."""
    method: Literal["paired_permutation", "paired_t", "bootstrap"] = "paired_permutation"
    """By what differences of equal seeds are judged: exact sign flips, the t-test, or the studentised bootstrap."""
    effect: Literal["mean_difference"] = "mean_difference"
    """What is told as the size of an effect."""


class Extend(Spec):
    """Seeds beyond the planned ones, for the claims that these leave undecided."""

    until: Literal["claims_decided"] = "claims_decided"
    """When to stop early."""
    max: Annotated[int, Field(ge=3, le=500)]
    """The most seeds a cell may get, the planned ones among them."""
    step: Annotated[int, Field(ge=1, le=100)] = 2
    """Seeds that are added before the next look."""


@dataclass(frozen=True)
class Setting:
    """A factor, at a level where one is named."""

    factor: str
    level: Level = None
    is_named: bool = True


@dataclass(frozen=True)
class At:
    """All cells where a factor is at a level."""

    setting: Setting


@dataclass(frozen=True)
class Cell:
    """The cell with these levels, everything else as in the base; without levels, the base itself."""

    settings: tuple[Setting, ...] = ()


@dataclass(frozen=True)
class Arm:
    """A cell that has a name of its own."""

    name: str


@dataclass(frozen=True)
class Number:
    """A value to be held against."""

    value: float


@dataclass(frozen=True)
class Known:
    """What the data know of the score: that of a simple forecast, or the best there can be."""

    name: str


@dataclass(frozen=True)
class Interaction:
    """What two changes do together beyond the sum of what each does alone."""

    first: Setting
    second: Setting


Term = At | Cell | Arm | Number | Known | Interaction


@dataclass(frozen=True)
class Statement:
    """A claim that has been read: one side, a sign, the other side."""

    left: Term
    sign: Sign
    right: Term
    times: float = 1.0
    """What the right side is multiplied by."""


def parse(say: str, place: Place) -> Statement:
    """Read what a claim says."""
    return _Reader(say, place).statement()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    @property
    def is_quoted(self) -> bool:
        return self.kind == "text"


class _Reader:
    """Reads one statement from left to right."""

    def __init__(self, say: str, place: Place) -> None:
        self.say, self.place = say, place
        self.tokens = self._split()
        self.at = 0

    def statement(self) -> Statement:
        """The whole of it."""
        factor = ""
        if len(self.tokens) > 1 and self.tokens[1] == _Token("mark", ":"):
            factor = self._name("a factor")
            self._take(":")
        left = self._term(factor)
        sign = self._sign()
        times = self._times()
        right = self._term(factor)
        if self.at < len(self.tokens):
            self._refuse(f"`{self.tokens[self.at].text}` is too much")
        if isinstance(left, Number):
            self._refuse("a number stands on the right", "turn it around: `reference > 0.84`")
        if isinstance(left, Known):
            self._refuse("a known score stands on the right", "turn it around: `reference < known(last value)`")
        if isinstance(left, Interaction) and not isinstance(right, Number):
            self._refuse("an interaction is compared with a number", "write `interaction(a, b) > 0`")
        if isinstance(right, Interaction):
            self._refuse("an interaction stands on the left", "write `interaction(a, b) > 0`")
        if isinstance(right, Number) and times != 1:
            self._refuse("a number is multiplied", "write the product")
        return Statement(left, sign, right, times)

    def _split(self) -> list[_Token]:
        tokens, end = list[_Token](), 0
        text = self.say.rstrip()
        while end < len(text):
            match = TOKEN.match(text, end)
            if match is None:
                self._refuse(f"`{text[end:].strip()[:20]}` cannot be read")
            kind = str(match.lastgroup)
            tokens.append(_Token(kind, match[kind][1:-1] if kind == "text" else match[kind]))
            end = match.end()
        return tokens

    def _times(self) -> float:
        if self._peek(1) != _Token("word", "*"):
            return 1.0
        told, number = self._peek().text, self._level()
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number < math.inf:
            self._refuse(f"`{told}` is no positive number to multiply by")
        self.at += 1
        return float(number)

    def _term(self, factor: str) -> Term:
        token = self._peek()
        calls: dict[str, Callable[[], Term]] = {
            "cell": self._cell,
            "arm": self._arm,
            "known": self._known,
            "interaction": self._interaction,
        }
        if token.text in calls and self._peek(1) == _Token("mark", "("):
            self.at += 2
            term = calls[token.text]()
            self._take(")")
            return term
        if token == _Token("word", "reference"):
            self.at += 1
            return Cell()
        level = self._level()
        if factor:
            return At(Setting(factor, level))
        if isinstance(level, bool) or not isinstance(level, int | float):
            self._refuse(f"`{token.text}` is neither a cell nor a number")
        return Number(float(level))

    def _cell(self) -> Cell:
        settings: list[Setting] = []
        while self._peek().text != ")":
            if settings:
                self._take(",")
            settings.append(self._setting())
            if not settings[-1].is_named:
                self._refuse(f"cell(...) names a level for `{settings[-1].factor}`", "write `cell(model.norm=batch)`")
        return Cell(tuple(settings))

    def _arm(self) -> Arm:
        return Arm(self._name("an arm"))

    def _known(self) -> Known:
        """A name that may be of several words."""
        words = [self._name("a known score")]
        while self._peek().kind == "word":
            words.append(self._name("a known score"))
        return Known(" ".join(words))

    def _interaction(self) -> Interaction:
        first = self._setting()
        self._take(",")
        return Interaction(first, self._setting())

    def _setting(self) -> Setting:
        factor = self._name("a factor")
        if self._peek() != _Token("mark", "="):
            return Setting(factor, is_named=False)
        self._take("=")
        return Setting(factor, self._level())

    def _level(self) -> Level:
        token = self._peek()
        if token.kind not in ("word", "text", "list"):
            self._refuse(f"a level or a number is missing before `{token.text}`" if token.text else "it ends too early")
        self.at += 1
        return token.text if token.is_quoted else _value(token.text)

    def _sign(self) -> Sign:
        token = self._peek()
        self.at += 1
        if token.text in (">=", "<="):
            self._refuse(f"`{token.text}` is no sign here", "write > or <, with a margin under `by`")
        if token.text not in SIGNS:
            self._refuse(f"a sign is missing before `{token.text}`" if token.text else "a sign is missing")
        return token.text

    def _name(self, what: str) -> str:
        token = self._peek()
        if token.kind not in ("word", "text"):
            self._refuse(f"{what} is missing before `{token.text}`" if token.text else "it ends too early")
        self.at += 1
        return token.text

    def _take(self, mark: str) -> None:
        token = self._peek()
        if token != _Token("mark", mark):
            self._refuse(f"`{mark}` is missing before `{token.text}`" if token.text else f"`{mark}` is missing")
        self.at += 1

    def _peek(self, ahead: int = 0) -> _Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else _Token("", "")

    def _refuse(self, what: str, hint: str = GRAMMAR) -> NoReturn:
        raise LabError(f"{what} (in `{self.say.strip()[:100]}`)", where=self.place, hint=hint)


def _value(word: str) -> Level:
    """A level in the spelling of the file: a number, true, false, null, a list, or a word."""
    from lab.spec.document import FLOAT, INTEGER, WORDS
    from lab.spec.document import parse as read_yaml

    if word in WORDS:
        return WORDS[word]
    if INTEGER.fullmatch(word) and len(word) < MOST_DIGITS:
        return int(word, 0 if word.startswith(("0o", "0x")) else 10)
    if FLOAT.fullmatch(word):
        return float(word)
    try:
        return read_yaml(f"level: {word}", "").data["level"] if word.startswith("[") else word
    except LabError:
        return word
