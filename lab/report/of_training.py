"""What training tells, as sections of the page: curves, gradients, failures, costs, and where it all comes from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lab.analysis.alerts import trials_to_probe
from lab.analysis.costs import Point
from lab.analysis.curves import Curve, curve
from lab.analysis.heat import Heat, heat
from lab.report import figures
from lab.report.canvas import Canvas, lead, panels
from lab.report.contents import failures_sheet, findings_sheet
from lab.report.markup import folded, table, tag, terms, text
from lab.report.numbers import NONE, count, plain
from lab.report.of_scores import lines_of
from lab.report.report import Report
from lab.report.sheets import Entry, Head, Sheet, value, words
from lab.report.text import facts

MOST_PANELS = 12
"""Cells with a learning curve and a map of their own."""


def curves(report: Report, canvas: Canvas, place: str) -> str:
    """Learning curves, a panel a cell."""
    score, says = report.outline.score, _says(report)
    found = [curve(canvas.store, report.rows, cell, score) for cell in _shown_cells(report)]
    told = [each for each in found if each is not None and any(map(math.isfinite, each.mean))]
    if not told:
        return ""
    base = next((each for each in told if each.cell == report.outline.reference), None)
    drawn = [
        canvas.draw(
            figures.panel(each, base, told, score, report.lines),
            f"{score} by epoch of {says[each.cell]}; the table below has its numbers.",
            title=says[each.cell],
        )
        for each in told
    ]
    said = "Mean over seeds with the band of its 95 % interval; blue is the cell, dashed orange the base."
    known = f" Dotted: {lines_of(report)}." if report.lines else ""
    left = len(report.ranking.scored) - len(told)
    more = f" {count(left, 'other cell')} not drawn." if left > 0 else ""
    numbers = folded("The numbers of these curves", table(_curves_sheet(told, says, score), place))
    return lead(said + known + more) + panels(drawn) + numbers


def health(report: Report, canvas: Canvas, place: str) -> str:
    """Maps of how far blocks move, a panel a cell."""
    says = _says(report)
    told = [each for cell in _shown_cells(report) if (each := heat(canvas.store, report.rows, cell)) is not None]
    if not told:
        return ""
    drawn = [
        canvas.draw(
            figures.health(each),
            f"How far the blocks of {says[each.cell]} move by step; the table below has its numbers.",
            title=says[each.cell],
        )
        for each in told
    ]
    said = (
        f"Each block's {told[0].measure} at a step of training, the middle of up to three seeds. About a thousandth is "
        "usual; far darker blocks barely learn, far brighter ones are torn about."
    )
    ends = (f"1 / {float(f'{10**-end:.0e}'):,.0f}" for end in (figures.HEAT_LOW, figures.HEAT_HIGH))
    scale = tag("div", " <i></i> ".join(map(text, ends)), class_="scale", aria_hidden="true")
    numbers = folded("The numbers of these maps", table(_heat_sheet(told, says), place), class_="bulk")
    return lead(said) + scale + panels(drawn) + numbers


def troubles(report: Report, canvas: Canvas, place: str) -> str:
    """What failed, and what rules found."""
    told = [failures_sheet(report)] if report.failures else []
    told += [findings_sheet(report)] if report.findings else []
    told += [sheet for sheet in (_probe_sheet(report),) if sheet.rows]
    if told:
        return "".join(table(sheet, place) for sheet in told)
    return lead("No trial failed, and no rule found anything.") if report.seconds else ""


def costs(report: Report, canvas: Canvas, place: str) -> str:
    """Score against price."""
    score, fronts = report.outline.score, [front for front in report.costs if front.tells]
    if not fronts:
        return ""
    drawn = [
        canvas.draw(
            figures.cost(front, score).update_layout(showlegend=False),
            f"{score} against {figures.cost_name(front.name)}; the table has its numbers.",
        )
        for front in fronts
    ]
    said = "What cells cost beside what they score. Blue, and joined by a line: those that no other beats on both."
    return lead(said) + panels(drawn, large=True) + table(_costs_sheet(report), place)


def provenance(report: Report, canvas: Canvas, place: str) -> str:
    """Code, machine, data, when, and the command that repeats it."""
    origins = report.origins
    command = tag("h3", "To repeat it") + tag("pre", text(report.command), class_="command", tabindex="0")
    data = ", ".join(dict.fromkeys(origin.data[:16] for origin in origins if origin.data))
    times = sorted(row.started[:16].replace("T", " ") for row in report.rows if row.started)
    when = f"{times[0]} to {times[-1]} UTC" if times else ""
    said = [pair for pair in facts(report) if pair[0] != "repeat"]
    told = terms([*said, ("data hash", data), ("when", when), ("file", report.outline.file)])
    packages = "\n".join(f"{name}=={version}" for name, version in (origins[0].versions if origins else {}).items())
    files = (("The study file", report.outline.source, ""), ("Versions", packages, "bulk"))
    folds = (folded(head, tag("pre", text(words), tabindex="0"), class_=kind) for head, words, kind in files if words)
    return (command if report.command else "") + told + "".join(folds)


def _probe_sheet(report: Report) -> Sheet:
    """The command that shows the worst trial of each cell that something is wrong with."""
    says = _says(report)
    rows = tuple(
        (
            words(says.get(row.cell, row.label)),
            words(found.rule.replace("_", " ") if found is not None else row.status.replace("_", " "), "bad"),
            Entry(
                f"{found.step:,}" if found is not None else NONE, order=found.step if found is not None else math.nan
            ),
            words(f"lab probe {row.trial}"),
        )
        for row, found in trials_to_probe(report.rows)
        if row.study
    )
    heads = (Head("cell"), Head("what"), Head("step", True), Head("to see it"))
    return Sheet("probe", "Where to look closer", heads, rows, "the worst trial of each cell, the worst cell first")


def _says(report: Report) -> dict[str, str]:
    return {cell: report.outline.told(cell) for cell in report.outline.cells}


def _shown_cells(report: Report) -> list[str]:
    """The base, then the best, then the worst of what is left room for."""
    ranked = [cell.cell for cell in report.ranking.cells]
    ordered = [cell for cell in ranked if cell == report.outline.reference]
    ordered += [cell for cell in ranked if cell != report.outline.reference]
    if len(ordered) <= MOST_PANELS:
        return ordered
    return ordered[: MOST_PANELS - 2] + ordered[-2:]


def _curves_sheet(told: Sequence[Curve], says: Mapping[str, str], score: str) -> Sheet:
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


def _heat_sheet(told: Sequence[Heat], says: Mapping[str, str]) -> Sheet:
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


def _price(by_cell: Mapping[str, Point], cell: str) -> Entry:
    point = by_cell.get(cell)
    if point is None:
        return Entry(NONE, order=math.nan)
    told = f"{point.cost:,.0f}" if point.cost >= 1000 else plain(point.cost)
    return Entry(told, order=point.cost, tone="strong" if point.is_front else "")
