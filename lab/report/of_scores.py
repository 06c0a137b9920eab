"""What scores tell, as sections of the page: verdicts, effects, cells, a search's settings, interactions."""

from __future__ import annotations

from collections.abc import Mapping

from lab.analysis.margins import margins
from lab.report import figures
from lab.report.canvas import Canvas, lead, panels
from lab.report.contents import cells_sheet, effects_sheet, interactions_sheet, tried_sheet, variance_sheet
from lab.report.markup import folded, table
from lab.report.numbers import count, plain
from lab.report.report import Report
from lab.report.sheets import Head, Sheet, value, words
from lab.report.verdicts import verdicts_sheet

MOST_PAIRS = 6
"""Interaction plots, the strongest first."""


def verdicts(report: Report, canvas: Canvas, place: str) -> str:
    """What was claimed beforehand, and what became of it."""
    if not report.verdicts:
        return ""
    told = "What the study file claims, each held to one error rate over all claims."
    return lead(told) + table(verdicts_sheet(report), place)


def effects(report: Report, canvas: Canvas, place: str) -> str:
    """The forest of effects, and where the variance comes from."""
    if not report.effects:
        return ""
    score = report.outline.score
    drawn = ""
    if any(effect.difference.n for effect in report.effects):
        says = f"Forest plot of {count(len(report.effects), 'effect')} on {score}; the table has its numbers."
        drawn = canvas.draw(figures.forest(report.effects, score), says, class_="wide")
    told = "What changing one level does while all else stays equal. Filled: told apart from nothing; hollow: not."
    variance = variance_sheet(report)
    more = folded("Where the variance comes from", table(variance, place)) if variance is not None else ""
    return lead(told) + drawn + table(effects_sheet(report.effects, score), place) + more


def cells(report: Report, canvas: Canvas, place: str) -> str:
    """Score by cell."""
    if not report.outline.cells:
        return ""
    ranked, score = report.ranking.cells, report.outline.score
    drawn = ""
    if report.ranking.scored:
        says = f"Mean {score} of each cell with its interval, best first; the table has its numbers."
        drawn = canvas.draw(figures.cells(ranked, score, report.lines), says, class_="wide")
    told = "Blue: best, or could be best as far as the seeds can tell. A diamond is the base."
    known = f" Known scores of the data: {lines_of(report)}." if report.lines else ""
    final = f" Of {report.outline.final}: {in_words(report.final_lines)}." if report.final_lines else ""
    return lead(told + known + final) + drawn + table(cells_sheet(report), place)


def tried(report: Report, canvas: Canvas, place: str) -> str:
    """What a search tried."""
    if not report.tried:
        return ""
    shares = (
        table(_importances(f"importances{number}", each.method, each.shares, each.settings), place)
        for number, each in enumerate(report.importances)
    )
    return table(tried_sheet(report), place) + "".join(shares)


def interactions(report: Report, canvas: Canvas, place: str) -> str:
    """Pairs of factors, the strongest interaction first."""
    told = sorted(
        (each for each in report.interactions if each.difference.n), key=lambda each: -abs(each.difference.mean)
    )
    if not told:
        return ""
    pairs = list(dict.fromkeys(each.factors for each in told))[:MOST_PAIRS]
    drawn = [
        canvas.draw(
            figures.interaction(grid, report.outline.score),
            f"Mean score by {' and '.join(grid.factors)}; the table has the interaction.",
            title=" × ".join(factor.rsplit(".", 1)[-1] for factor in grid.factors),
        )
        for pair in pairs
        if (grid := margins(report.table, *pair)) is not None
    ]
    said = "Parallel lines: two changes simply add up. Lines that cross or part: what one does depends on the other."
    return lead(said) + panels(drawn, large=True) + table(interactions_sheet(report.interactions), place)


def lines_of(report: Report) -> str:
    """The known scores of the data in words, the lowest first."""
    return in_words(report.lines)


def in_words(lines: Mapping[str, float]) -> str:
    """Known scores by name, the lowest first."""
    return ", ".join(f"{name} {plain(line)}" for name, line in sorted(lines.items(), key=lambda item: item[1]))


def _importances(name: str, method: str, shares: Mapping[str, float], settings: int) -> Sheet:
    rows = tuple((words(factor), value(share, 2)) for factor, share in shares.items())
    note = f"By {method} over {count(settings, 'setting')}: importances are not effect sizes."
    return Sheet(name, "Importances in the search", (Head("factor"), Head("share", True)), rows, note)
