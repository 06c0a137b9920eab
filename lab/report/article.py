"""An article of the page: one study, from its question to the command that repeats it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from lab.report import of_forecasts, of_scores, of_training
from lab.report.canvas import Canvas
from lab.report.markup import paragraphs, tag, text
from lab.report.numbers import duration
from lab.report.report import Report
from lab.report.summary import banner, summary

Section = Callable[[Report, Canvas, str], str]
SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("verdicts", "Claims", of_scores.verdicts),
    ("effects", "Effects", of_scores.effects),
    ("cells", "Cells", of_scores.cells),
    ("tried", "Search", of_scores.tried),
    ("interactions", "Interactions", of_scores.interactions),
    ("steps", "Errors by step", of_forecasts.by_step),
    ("calibration", "Calibration", of_forecasts.calibration),
    ("curves", "Learning curves", of_training.curves),
    ("health", "Gradient health", of_training.health),
    ("troubles", "Failures and findings", of_training.troubles),
    ("costs", "Cost", of_training.costs),
    ("provenance", "Where it comes from", of_training.provenance),
)
"""Name, title and maker of each; one that has nothing to tell is left out."""


def article(report: Report, canvas: Canvas, number: int) -> str:
    """A whole study, the so-manieth of its page."""
    place = f"s{number}"
    told = [(title, f"{place}-{key}", make(report, canvas, place)) for key, title, make in SECTIONS]
    return tag("article", _top(report), labelled_sections(told), id=place)


def labelled_sections(told: Sequence[tuple[str, str, str]]) -> str:
    """Sections by title, place and content under links to them; empty ones are left out."""
    there = [(title, place, body) for title, place, body in told if body]
    links = (tag("li", tag("a", text(title), href=f"#{place}")) for title, place, _ in there)
    sections = (
        tag("section", tag("h2", text(title), id=f"{place}-title"), body, id=place, aria_labelledby=f"{place}-title")
        for title, place, body in there
    )
    return tag("nav", tag("ul", *links), aria_label="Sections") + "".join(sections)


def _top(report: Report) -> str:
    """The question, what stands in the way of an answer, and the answer."""
    outline = report.outline
    warning = banner(report)
    said = [warning, *(each for each in report.holes.sentences if each not in warning)]
    return tag(
        "header",
        tag("p", text(outline.name), class_="eyebrow"),
        tag("h1", text(outline.question or outline.name)),
        tag("div", paragraphs(each for each in said if each), class_="banner", role="note") if any(said) else "",
        tag("div", paragraphs(summary(report)), class_="answer"),
        tag("ul", *(tag("li", tag("b", text(n)), " ", text(noun)) for n, noun in _sizes(report)), class_="meta"),
    )


def _sizes(report: Report) -> Iterator[tuple[str, str]]:
    cells, seeds = len(report.outline.cells), len(report.table.seeds)
    done = sum(row.status == "done" for row in report.rows)
    yield f"{cells:,}", "cell" if cells == 1 else "cells"
    yield f"{seeds:,}", "seed" if seeds == 1 else "seeds"
    yield f"{done:,} of {len(report.rows):,}", "trials done"
    yield duration(report.seconds), "of training"
    if started := [row.started for row in report.rows if row.started]:
        yield min(started)[:10], "started"
