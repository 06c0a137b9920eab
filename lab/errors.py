"""What can go wrong by the person's doing, said in one clear sentence with its place and its mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """Where a mistake stands: a file, a line of it (from 1, 0 when unknown), a dotted key."""

    file: str = ""
    line: int = 0
    key: str = ""

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(part for part in (head, self.key) if part)


class LabError(Exception):
    """A mistake of the person at the keyboard: told without a traceback, exit code 2."""

    def __init__(self, what: str, *, where: Place | None = None, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where or Place()
        self.hint = hint

    def __str__(self) -> str:
        head = ": ".join(part for part in (str(self.where), self.what) if part)
        return f"{head}\n    {self.hint}" if self.hint else head

    @property
    def problems(self) -> tuple[LabError, ...]:
        """Every mistake this error stands for; itself, when it is a single one."""
        return (self,)


class LabErrors(LabError):  # noqa: N818 - the plural says what it is
    """Several mistakes found in one go, told together."""

    def __init__(self, problems: Sequence[LabError]) -> None:
        self._problems = tuple(sorted(problems, key=lambda problem: problem.where))
        super().__init__(f"{len(self._problems)} mistakes")

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self._problems)

    @property
    def problems(self) -> tuple[LabError, ...]:
        """The single mistakes, in the order of their places."""
        return self._problems


def raise_all(problems: Sequence[LabError]) -> None:
    """Raise what was found: nothing, the one mistake, or all of them together."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise LabErrors(problems)


def choose(word: object, choices: Iterable[object], *, limit: int = 12) -> str:
    """The hint for a word that is not one of the choices: the nearest match, then what there is."""
    names = [str(choice) for choice in choices]
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    shown = ", ".join(names[:limit]) + (f", and {len(names) - limit} more" if len(names) > limit else "")
    listing = f"choose from {shown}" if names else "there is nothing to choose from"
    return f"did you mean '{near[0]}'? ({listing})" if near else listing
