"""What scores of forecasts tell, as sections of the page: errors by step, and how far a model knows what it knows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lab.analysis.numbered import Numbered, coverage, stepped
from lab.analysis.numbered import by_step as score_by_step
from lab.report import forecast_figures
from lab.report.canvas import Canvas, lead
from lab.report.markup import folded, table
from lab.report.numbers import count
from lab.report.report import Report
from lab.report.sheets import Head, Sheet, value, words

MOST_CELLS = 6
"""Cells in one figure: as many as there are colours that everybody can tell apart."""


def by_step(report: Report, canvas: Canvas, place: str) -> str:
    """Errors step by step, over what is known of each step."""
    score = stepped(report.outline.score, report.outline.final)
    told = _told(report, lambda cell: score_by_step(canvas.store, report.rows, cell, score))
    if not told:
        return ""
    says = {each.cell: report.outline.told(each.cell) for each in told}
    lines = known_by_step(report, score, len(told[0].at))
    drawn = canvas.draw(
        forecast_figures.by_step(told, says, score, lines),
        f"{score} at each step of the forecast, by cell; the table has its numbers.",
        class_="wide",
    )
    said = (
        "Mean over seeds at each step of the forecast, with the band of its 95 % interval; dotted: known of the data."
    )
    numbers = folded("The numbers of this figure", table(_sheet("steps", f"{score} by step", told, says, lines), place))
    return lead(said + _more(report, told)) + drawn + numbers


def calibration(report: Report, canvas: Canvas, place: str) -> str:
    """Observed coverage against the one that was said."""
    split = stepped(report.outline.score, report.outline.final).partition(".")[0]
    told = _told(report, lambda cell: coverage(canvas.store, report.rows, cell, split))
    if not told:
        return ""
    says = {each.cell: report.outline.told(each.cell) for each in told}
    drawn = canvas.draw(
        forecast_figures.calibration(told, says),
        "Share of what came that fell into central intervals of the forecast; the table has its numbers.",
        class_="wide",
    )
    said = (
        f"How much of what came fell into the central intervals of the forecasts ({split}), against how much was to. "
        "Below the diagonal a model is too sure, above it not sure enough."
    )
    title = f"Share of {split} targets inside central intervals"
    numbers = folded("The numbers of this figure", table(_sheet("calibration", title, told, says, {}), place))
    return lead(said + _more(report, told)) + drawn + numbers


def known_by_step(report: Report, score: str, steps: int) -> dict[str, list[float]]:
    """What is known of the data at each step, NaN where it tells of other steps only."""
    found = [report.lines_of(f"{score}_{step}") for step in range(1, steps + 1)]
    names = dict.fromkeys(name for each in found for name in each)
    return {name: [each.get(name, math.nan) for each in found] for name in names}


def _told(report: Report, of: forecast_figures.OfCell) -> list[Numbered]:
    """The base, then the best cells; nothing where the first of them tells nothing."""
    ranked = [cell.cell for cell in report.ranking.cells]
    ordered = sorted(ranked, key=lambda cell: cell != report.outline.reference)[:MOST_CELLS]
    first = next((told for cell in ordered[:1] if (told := of(cell)) is not None), None)
    rest = [of(cell) for cell in ordered[1:]] if first is not None else []
    return [each for each in (first, *rest) if each is not None]


def _more(report: Report, told: Sequence[Numbered]) -> str:
    left = len(report.ranking.scored) - len(told)
    return f" {count(left, 'other cell')} not drawn." if left > 0 else ""


def _sheet(
    name: str, title: str, told: Sequence[Numbered], says: Mapping[str, str], lines: Mapping[str, Sequence[float]]
) -> Sheet:
    heads = (Head(""), *(Head(f"{place:g}", True) for place in told[0].at))
    rows = [(words(says[each.cell]), *(value(mean, 4) for mean in each.band.mean)) for each in told]
    rows += [(words(line, "quiet"), *(value(known, 4) for known in values)) for line, values in lines.items()]
    return Sheet(name, title, heads, tuple(rows))
