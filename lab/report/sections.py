"""The sections of the page, each a function from a report to markup, or to nothing where there is nothing to tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.analysis.costs import Point
from lab.analysis.curves import Curve, curve
from lab.analysis.heat import Heat, heat
from lab.analysis.margins import margins
from lab.records.store import Store
from lab.report import figures
from lab.report.markup import folded, paragraphs, table, tag, terms, text
from lab.report.numbers import count, duration, number, plain
from lab.report.report import Report
from lab.report.sheets import (
    Entry,
    Head,
    Sheet,
    cells_sheet,
    effects_sheet,
    failures_sheet,
    findings_sheet,
    interactions_sheet,
    tried_sheet,
    value,
    variance_sheet,
    words,
)
from lab.report.summary import banner, summary
from lab.report.text import facts

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

MOST_PANELS = 12
"""Cells with a learning curve and a map of their own."""
MOST_PAIRS = 6
"""Interaction plots, the strongest first."""


@dataclass
class Canvas:
    """What a page is drawn on: where readings come from, and the figures so far."""

    store: Store
    figures: list[Figure] = field(default_factory=list)

    def draw(self, figure: Figure, says: str) -> str:
        """The place of a figure; `says` is read to those who cannot see it."""
        self.figures.append(figure)
        name = f"f{len(self.figures) - 1}"
        return tag(
            "div",
            class_="plot",
            data_figure=name,
            role="img",
            aria_label=says,
            style=f"height:{figure.layout.height}px",
        )


Section = Callable[[Report, Canvas, str], str]


def article(report: Report, canvas: Canvas, number: int) -> str:
    """A whole study."""
    place = f"s{number}"
    told = [(title, f"{place}-{key}", make(report, canvas, place)) for key, title, make in SECTIONS]
    there = [(title, key, body) for title, key, body in told if body]
    links = tag("nav", tag("ul", *(tag("li", tag("a", text(title), href=f"#{key}")) for title, key, _ in there)))
    sections = (
        tag("section", tag("h2", text(title), id=f"{key}-title"), body, id=key, aria_labelledby=f"{key}-title")
        for title, key, body in there
    )
    return tag("article", _top(report), links, *sections, id=place)


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


def _effects(report: Report, canvas: Canvas, place: str) -> str:
    if not report.effects:
        return ""
    says = (
        f"Forest plot of {count(len(report.effects), 'effect')} on {report.outline.score}; the table has its numbers."
    )
    told = any(effect.difference.n for effect in report.effects)
    drawn = _figure(canvas.draw(figures.forest(report.effects, report.outline.score), says), "wide") if told else ""
    lead = "What changing one level does while all else stays equal. Filled: told apart from nothing; hollow: not."
    sheet = table(effects_sheet(report.effects, report.outline.score), place)
    variance = variance_sheet(report)
    more = folded("Where the variance comes from", table(variance, place)) if variance is not None else ""
    return tag("p", text(lead), class_="lead") + drawn + sheet + more


def _cells(report: Report, canvas: Canvas, place: str) -> str:
    if not report.outline.cells:
        return ""
    ranked = report.ranking
    drawn = ""
    if ranked.scored:
        says = f"Mean {report.outline.score} of each cell with its interval, best first; the table has its numbers."
        drawing = figures.cells(ranked.cells, report.outline.score, report.lines)
        drawn = _figure(canvas.draw(drawing, says), "wide")
    lead = "Blue: best, or could be best as far as the seeds can tell. A diamond is the base."
    lines = f" Known scores of the data: {_lines(report)}." if report.lines else ""
    return tag("p", text(lead + lines), class_="lead") + drawn + table(cells_sheet(report), place)


def _tried(report: Report, canvas: Canvas, place: str) -> str:
    if not report.tried:
        return ""
    shares = "".join(
        table(_importance_sheet(str(number), each.method, each.shares, each.settings), place)
        for number, each in enumerate(report.importances)
    )
    return table(tried_sheet(report), place) + shares


def _interactions(report: Report, canvas: Canvas, place: str) -> str:
    told = [each for each in report.interactions if each.difference.n]
    if not told:
        return ""
    told.sort(key=lambda each: -abs(each.difference.mean))
    pairs = list(dict.fromkeys(each.factors for each in told))[:MOST_PAIRS]
    grids = [grid for pair in pairs if (grid := margins(report.table, *pair)) is not None]
    panels = "".join(
        _figure(
            canvas.draw(
                figures.interaction(grid, report.outline.score),
                f"Mean score by {grid.factors[0]} and {grid.factors[1]}; the table has the interaction.",
            ),
            title=" × ".join(factor.rsplit(".", 1)[-1] for factor in grid.factors),
        )
        for grid in grids
    )
    lead = "Parallel lines: two changes simply add up. Lines that cross or part: what one does depends on the other."
    sheet = table(interactions_sheet(report.interactions), place)
    return tag("p", text(lead), class_="lead") + tag("div", panels, class_="panels large") + sheet


def _curves(report: Report, canvas: Canvas, place: str) -> str:
    score = report.outline.score
    found = [curve(canvas.store, report.rows, cell, score) for cell in _shown_cells(report)]
    told = [each for each in found if each is not None and any(map(math.isfinite, each.mean))]
    if not told:
        return ""
    says = {cell: report.outline.told(cell) for cell in report.outline.cells}
    base = next((each for each in told if each.cell == report.outline.reference), None)
    panels = "".join(
        _figure(
            canvas.draw(
                figures.panel(each, base, told, score, report.lines),
                f"{score} by epoch of {says[each.cell]}; the table below has its numbers.",
            ),
            title=says[each.cell],
        )
        for each in told
    )
    lead = "Mean over seeds with the band of its 95 % interval; blue is the cell, dashed orange the base."
    lines = f" Dotted: {_lines(report)}." if report.lines else ""
    left = len(report.ranking.scored) - len(told)
    more = f" {count(left, 'other cell')} not drawn." if left > 0 else ""
    numbers = folded("The numbers of these curves", table(_curves_sheet(told, says, score), place))
    return tag("p", text(lead + lines + more), class_="lead") + tag("div", panels, class_="panels") + numbers


def _health(report: Report, canvas: Canvas, place: str) -> str:
    told = [each for cell in _shown_cells(report) if (each := heat(canvas.store, report.rows, cell)) is not None]
    if not told:
        return ""
    says = {cell: report.outline.told(cell) for cell in report.outline.cells}
    panels = "".join(
        _figure(
            canvas.draw(
                figures.health(each),
                f"How far the blocks of {says[each.cell]} move by step; the table below has its numbers.",
            ),
            title=says[each.cell],
        )
        for each in told
    )
    lead = (
        f"Each block's {told[0].measure} at a step of training, the middle of up to three seeds. About a thousandth is "
        "usual; far darker blocks barely learn, far brighter ones are torn about."
    )
    low, high = figures.HEAT_LOW, figures.HEAT_HIGH
    ends = f"{text(_power_of_ten(low))} <i></i> {text(_power_of_ten(high))}"
    numbers = folded("The numbers of these maps", table(_heat_sheet(told, says), place))
    return (
        tag("p", text(lead), class_="lead")
        + tag("div", ends, class_="scale", aria_hidden="true")
        + tag("div", panels, class_="panels")
        + numbers
    )


def _troubles(report: Report, canvas: Canvas, place: str) -> str:
    if not report.failures and not report.findings:
        return tag("p", text("No trial failed, and no rule found anything."), class_="lead") if report.seconds else ""
    failed = table(failures_sheet(report), place) if report.failures else ""
    found = table(findings_sheet(report), place) if report.findings else ""
    return failed + ("<br>" if failed and found else "") + found


def _costs(report: Report, canvas: Canvas, place: str) -> str:
    fronts = [front for front in report.costs if front.tells]
    if not fronts:
        return ""
    panels = "".join(
        _figure(
            canvas.draw(
                figures.cost(front, report.outline.score).update_layout(showlegend=False),
                f"{report.outline.score} against {figures.cost_name(front.name)}; the table has its numbers.",
            )
        )
        for front in fronts
    )
    lead = "What cells cost beside what they score. Blue, and joined by a line: those that no other beats on both."
    numbers = table(_costs_sheet(report), place)
    return tag("p", text(lead), class_="lead") + tag("div", panels, class_="panels large") + numbers


def _provenance(report: Report, canvas: Canvas, place: str) -> str:
    origins = report.origins
    data = ", ".join(dict.fromkeys(origin.data[:16] for origin in origins if origin.data))
    times = sorted(row.started[:16].replace("T", " ") for row in report.rows if row.started)
    when = f"{times[0]} to {times[-1]} UTC" if times else ""
    command = (
        tag("h3", "To repeat it") + tag("pre", text(report.command), class_="command", tabindex="0")
        if report.command
        else ""
    )
    said = [pair for pair in facts(report) if pair[0] != "repeat"]
    told = terms([*said, ("data hash", data), ("when", when), ("file", report.outline.file)])
    source = (
        folded("The study file", tag("pre", text(report.outline.source), tabindex="0")) if report.outline.source else ""
    )
    versions = origins[0].versions if origins else {}
    packages = "\n".join(f"{name}=={version}" for name, version in versions.items())
    installed = folded("Versions", tag("pre", text(packages), tabindex="0")) if packages else ""
    return command + told + source + installed


SECTIONS: tuple[tuple[str, str, Section], ...] = (
    ("effects", "Effects", _effects),
    ("cells", "Cells", _cells),
    ("tried", "Search", _tried),
    ("interactions", "Interactions", _interactions),
    ("curves", "Learning curves", _curves),
    ("health", "Gradient health", _health),
    ("troubles", "Failures and findings", _troubles),
    ("costs", "Cost", _costs),
    ("provenance", "Where it comes from", _provenance),
)


def _figure(drawn: str, class_: str = "", *, title: str = "") -> str:
    heading = tag("h3", text(title)) if title else ""
    return tag("figure", heading + drawn, **({"class_": class_} if class_ else {}))


def _shown_cells(report: Report) -> list[str]:
    """The base, then the best, then the worst of what is left room for."""
    ranked = [cell.cell for cell in report.ranking.cells]
    ordered = [cell for cell in ranked if cell == report.outline.reference]
    ordered += [cell for cell in ranked if cell != report.outline.reference]
    if len(ordered) <= MOST_PANELS:
        return ordered
    return ordered[: MOST_PANELS - 2] + ordered[-2:]


def _lines(report: Report) -> str:
    return ", ".join(f"{name} {plain(line)}" for name, line in sorted(report.lines.items(), key=lambda item: item[1]))


def _curves_sheet(told: Sequence[Curve], says: dict[str, str], score: str) -> Sheet:
    """Each curve at its start, its quarters and its end."""
    length = max(len(each.epochs) for each in told)
    spots = sorted({round(share * (length - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
    longest = next(each for each in told if len(each.epochs) == length)
    heads = [Head("cell"), *(Head(f"epoch {longest.epochs[spot]}", True) for spot in spots), Head("seeds", True)]
    rows = tuple(
        (
            words(says[each.cell]),
            *(value(each.mean[spot] if spot < len(each.mean) else math.nan, 4) for spot in spots),
            Entry(str(max(each.seeds)), order=max(each.seeds)),
        )
        for each in told
    )
    return Sheet("curves", f"Mean {score} by epoch", tuple(heads), rows)


def _heat_sheet(told: Sequence[Heat], says: dict[str, str]) -> Sheet:
    """Each block at the start, the middle and the end."""
    heads = (Head("cell"), Head("block"), Head("start", True), Head("middle", True), Head("end", True))
    rows = tuple(
        (
            words(says[each.cell]),
            words(block),
            *(value(float(row[spot]), 2) for spot in (0, len(each.steps) // 2, len(each.steps) - 1)),
        )
        for each in told
        for block, row in zip(each.blocks, each.values, strict=True)
    )
    return Sheet("health", f"log10 of {told[0].measure}", heads, rows)


def _costs_sheet(report: Report) -> Sheet:
    cells = [cell for cell in report.ranking.cells if cell.score.n]
    prices = {front.name: {point.cell: point for point in front.points} for front in report.costs}
    heads = (Head("cell"), *(Head(figures.cost_name(name), True) for name in prices), Head(report.outline.score, True))
    rows = tuple(
        (
            words(cell.says),
            *(_price(by_cell, cell.cell) for by_cell in prices.values()),
            value(cell.score.mean, 4),
        )
        for cell in cells
    )
    return Sheet(
        "costs", "Cost and score by cell", heads, rows, "Means over trials that are done; bold is on the front."
    )


def _price(by_cell: dict[str, Point], cell: str) -> Entry:
    point = by_cell.get(cell)
    if point is None:
        return Entry("–", order=math.nan)
    told = f"{point.cost:,.0f}" if point.cost >= 1000 else plain(point.cost)
    return Entry(told, order=point.cost, tone="strong" if point.is_front else "")


def _importance_sheet(name: str, method: str, shares: Mapping[str, float], settings: int) -> Sheet:
    rows = tuple((words(factor), value(share, 2)) for factor, share in shares.items())
    note = f"By {method} over {count(settings, 'setting')}: importances are not effect sizes."
    return Sheet(f"importance{name}", "Importances in the search", (Head("factor"), Head("share", True)), rows, note)


def _power_of_ten(exponent: float) -> str:
    return f"10{number(exponent, 0).translate(str.maketrans('−0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
