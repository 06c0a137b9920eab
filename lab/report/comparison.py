"""`lab compare`: two studies side by side, in every form that a report has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from lab.analysis.compare import Comparison, Side, compare
from lab.analysis.estimate import Estimate
from lab.plan.plan import shown
from lab.records.store import Store
from lab.report import figures
from lab.report.article import labelled_sections
from lab.report.canvas import Canvas, lead
from lab.report.contents import told
from lab.report.data import estimate_data
from lab.report.formats import Format, written
from lab.report.markup import paragraphs, table, tag, text
from lab.report.numbers import NONE, count, decimals, interval, number
from lab.report.page import document
from lab.report.report import Report
from lab.report.sheets import Entry, Head, Sheet, chance, value, words
from lab.report.summary import banner
from lab.report.tables import table_of
from lab.report.words import Words, latex_of, markdown_of

STYLES = {"strong": "bold", "quiet": "dim", "bad": "red"}


@dataclass(frozen=True)
class Compared:
    """Two reports and what they have in common."""

    first: Report
    second: Report

    @cached_property
    def result(self) -> Comparison:
        """Where the two agree and part."""
        return compare(*(Side(each.outline, each.rows, each.effects) for each in (self.first, self.second)))

    @property
    def names(self) -> tuple[str, str]:
        """How the two are told apart; a study of one name in two stores by its place."""
        names = (self.first.outline.name, self.second.outline.name)
        return names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")

    @property
    def title(self) -> str:
        """The two names."""
        return " against ".join(reversed(self.names))


def sentences(compared: Compared) -> Iterator[str]:
    """What a reader should take away."""
    result, (first, second) = compared.result, compared.names
    if not result.cells:
        yield "The two studies have no cell in common: nothing can be compared."
        return
    changed = sum(cell.told_apart for cell in result.cells)
    yield f"{changed} of {count(len(result.cells), 'common cell')} {'scores' if changed == 1 else 'score'} differently."
    if result.overall.has_interval:
        digits = decimals([result.overall])
        size = f"{number(result.overall.mean, digits, signed=True)} {interval(result.overall, digits, signed=True)}"
        yield f"Over all of them {second} scores {size} against {first}, n = {count(result.overall.n, 'seed')}."
    parted = [pair for pair in result.effects if pair.told_apart]
    if result.effects:
        names = ", ".join(f"{pair.first.factor} → {shown(pair.first.level)}" for pair in parted[:3])
        ends = f": {names}" if parted else ""
        differ = "differs" if len(parted) == 1 else "differ"
        yield f"{len(parted)} of {count(len(result.effects), 'effect')} {differ}{ends}."


def cautions(compared: Compared) -> Iterator[str]:
    """What stands between the numbers and a conclusion."""
    for report, name in zip((compared.first, compared.second), compared.names, strict=True):
        if warning := banner(report):
            yield f"{name}: {warning}"
    scores = [report.outline.score for report in (compared.first, compared.second)]
    if scores[0] != scores[1]:
        yield f"The studies are scored by different things: {scores[0]} and {scores[1]}."
    reused = sum(row.study == compared.first.outline.name for row in compared.second.rows if row.study)
    if reused and compared.first.outline.name != compared.second.outline.name:
        yield f"{count(reused, 'trial')} of the second were taken over from the first: they are the same runs."
    for cells, name in zip((compared.result.only_first, compared.result.only_second), compared.names, strict=True):
        if cells:
            yield f"{count(len(cells), 'cell')} only in {name}: left out."


def cells_compared(compared: Compared) -> Sheet:
    """Cell by cell."""
    pairs = compared.result.cells
    digits = decimals(each for pair in pairs for each in (pair.first, pair.second))
    gaps = decimals(pair.change for pair in pairs)
    heads = (
        Head("cell"), Head("first", True), Head("second", True), Head("change", True), Head("95 % interval", True),
        Head("n", True), Head("p (Holm)", True), Head(""),
    )  # fmt: skip
    rows = tuple(
        (
            words(pair.says),
            value(pair.first.mean, digits),
            value(pair.second.mean, digits),
            *_change(pair.change, gaps),
            chance(pair.p if pair.change.has_interval else float("nan")),
            told(pair.change, is_told=pair.told_apart),
        )
        for pair in pairs
    )
    sides = f"First: {compared.names[0]}; second: {compared.names[1]}."
    note = f"{sides} Differences of equal seeds where both have them, of two groups (Welch) where not (n with ~)."
    return Sheet("cells", f"Cells: {compared.title}", heads, rows, note)


def effects_compared(compared: Compared) -> Sheet:
    """Effect by effect: whether a finding holds in both."""
    pairs = compared.result.effects
    digits = decimals(each.difference for pair in pairs for each in (pair.first, pair.second))
    heads = (
        Head("factor"), Head("change"), Head("first", True), Head("second", True), Head("difference", True),
        Head("95 % interval", True), Head("n", True), Head("p (Holm)", True), Head(""),
    )  # fmt: skip
    rows = tuple(
        (
            words(pair.first.factor),
            words(f"{shown(pair.first.against)} → {shown(pair.first.level)}"),
            value(pair.first.difference.mean, digits, signed=True),
            value(pair.second.difference.mean, digits, signed=True),
            *_change(pair.change, digits),
            chance(pair.p if pair.change.has_interval else float("nan")),
            told(pair.change, is_told=pair.told_apart),
        )
        for pair in pairs
    )
    return Sheet("effects", f"Effects: {compared.title}", heads, rows)


def comparison_article(compared: Compared, store: Store) -> tuple[str, Canvas]:
    """The comparison as an article of a page, and the figures it needs."""
    canvas = Canvas(store)
    top = tag(
        "header",
        tag("p", text(" · ".join(compared.names)), class_="eyebrow"),
        tag("h1", text(compared.title)),
        _banner(compared),
        tag("div", paragraphs(sentences(compared)), class_="answer"),
    )
    pairs = [pair for pair in compared.result.cells if pair.change.n]
    drawn = ""
    if pairs:
        drawing = figures.changes(
            [(pair.says, pair.change, pair.told_apart) for pair in pairs], compared.first.outline.score
        )
        drawn = canvas.draw(
            drawing, "The change of each cell with its interval; the table has its numbers.", class_="wide"
        )
    cells = lead("Filled: told apart from no change; hollow: not.") + drawn + table(cells_compared(compared), "c")
    effects = table(effects_compared(compared), "c") if compared.result.effects else ""
    told = [("Cells", "c-1", cells if compared.result.cells else ""), ("Effects", "c-2", effects)]
    return tag("article", top, labelled_sections(told), id="c"), canvas


def comparison_text(compared: Compared) -> RenderableType:
    """The comparison for a terminal."""
    parts: list[RenderableType] = [Text(compared.title, style="bold")]
    parts += [Text(said, style="bold yellow") for said in cautions(compared)]
    parts += [Text(said, style="bold green") for said in sentences(compared)]
    for sheet in _sheets(compared):
        grid = table_of(*(head.text for head in sheet.heads))
        for row in sheet.rows:
            grid.add_row(*(Text(entry.text, style=STYLES.get(entry.tone, "")) for entry in row))
        parts += [Text(), Text(sheet.title, style="bold cyan"), Padding(grid, (0, 0, 0, 1))]
    return Group(*parts)


def compared_data(compared: Compared) -> dict[str, object]:
    """The comparison for `--json`: the same numbers, unrounded."""
    result = compared.result
    return {
        "first": compared.names[0],
        "second": compared.names[1],
        "cautions": list(cautions(compared)),
        "says": list(sentences(compared)),
        "overall": estimate_data(result.overall),
        "cells": [
            {
                "says": pair.says,
                "first": estimate_data(pair.first),
                "second": estimate_data(pair.second),
                "change": estimate_data(pair.change),
                "p": pair.p,
                "told_apart": pair.told_apart,
            }
            for pair in result.cells
        ],
        "effects": [
            {
                "factor": pair.first.factor,
                "level": pair.first.level,
                "against": pair.first.against,
                "first": estimate_data(pair.first.difference),
                "second": estimate_data(pair.second.difference),
                "change": estimate_data(pair.change),
                "p": pair.p,
                "told_apart": pair.told_apart,
            }
            for pair in result.effects
        ],
        "only_first": list(result.only_first),
        "only_second": list(result.only_second),
    }


def comparison_bytes(form: Format, compared: Compared, store: Store) -> bytes:
    """The comparison as a file."""
    if form == "html":
        content, canvas = comparison_article(compared, store)
        return document(compared.title, tag("main", content), canvas).encode()
    if form in ("md", "tex"):
        write = markdown_of if form == "md" else latex_of
        said = Words(compared.title, tuple(cautions(compared)), tuple(sentences(compared)))
        return write(said, list(_sheets(compared))).encode()
    return written(form, store, [compared.first, compared.second])


def _sheets(compared: Compared) -> Iterator[Sheet]:
    if compared.result.cells:
        yield cells_compared(compared)
    if compared.result.effects:
        yield effects_compared(compared)


def _banner(compared: Compared) -> str:
    said = list(cautions(compared))
    return tag("div", paragraphs(said), class_="banner", role="note") if said else ""


def _change(change: Estimate, digits: int) -> tuple[Entry, Entry, Entry]:
    if not change.n:
        return Entry(NONE, order=float("nan")), Entry(NONE), Entry("0", order=0)
    unpaired = "" if change.paired else "~"
    return (
        value(change.mean, digits, signed=True),
        Entry(interval(change, digits, signed=True), order=change.low),
        Entry(f"{unpaired}{change.n}", order=change.n),
    )
