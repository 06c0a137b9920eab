"""Sheets: tables before anybody decides whether they become HTML, Markdown or LaTeX."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.report.numbers import NONE, number

SURE = 0.001
"""A chance below this is told as such."""


@dataclass(frozen=True)
class Entry:
    """What stands in one place of a table."""

    text: str
    order: float | None = None
    """What it is sorted by; its text where this is None."""
    tone: str = ""
    """strong, quiet or bad."""


@dataclass(frozen=True)
class Head:
    """A column's name."""

    text: str
    is_number: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table in plain text."""

    name: str
    title: str
    heads: tuple[Head, ...]
    rows: tuple[tuple[Entry, ...], ...]
    note: str = ""
    """What marks mean, and by which method numbers are."""

    @property
    def remark(self) -> str:
        """The note as a sentence."""
        return f"{self.note[0].upper()}{self.note[1:].rstrip('.')}." if self.note else ""


def words(text: str, tone: str = "") -> Entry:
    """A text."""
    return Entry(text, tone=tone)


def value(told: float, digits: int, *, signed: bool = False) -> Entry:
    """A number with so many decimals."""
    return Entry(number(told, digits, signed=signed), order=told)


def chance(p: float) -> Entry:
    """A p-value."""
    if not math.isfinite(p):
        return Entry(NONE, order=math.nan)
    return Entry(f"< {SURE:g}" if p < SURE else f"{p:.3f}", order=p)
