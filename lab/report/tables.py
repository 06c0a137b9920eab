"""The tables of a report, for a terminal: cells by score, effects by factor, settings a search tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.analysis.cells import CellScore
from lab.analysis.effects import Effect
from lab.analysis.estimate import Estimate
from lab.analysis.outline import Outline, shown
from lab.analysis.rows import MISSING
from lab.report.numbers import NONE, count, decimals, number, with_reach
from lab.report.report import Report

BEST, OPEN = "★", "•"
UNPAIRED = "~"
WIDE = 98
"""Columns from which intervals are also drawn."""
STRIP = 14
"""Columns of a drawn interval."""
NARROWEST = 22
"""Columns that words are given at least."""
MOST_CELLS = 40
MOST_TRIED = 10
"""Settings of a search that are shown."""


@dataclass(frozen=True)
class Column:
    """A column of the cell table: its head and what stands in it."""

    head: str
    of: Callable[[CellScore], RenderableType]


def cells_table(report: Report, *, width: int) -> RenderableType:
    """Score by cell, best mean first, with the mark that the seeds allow."""
    cells = report.ranking.cells
    columns = list(_columns(report, width))
    table = table_of(*(column.head for column in columns))
    for cell in cells[:MOST_CELLS]:
        table.add_row(*(column.of(cell) for column in columns))
    left = len(cells) - MOST_CELLS
    more = [Text(f"... and {left} more; --json has them all", style="dim")] if left > 0 else []
    return Group(table, *more, *_legend(report))


def _columns(report: Report, width: int) -> Iterable[Column]:
    """The columns there is something to put into."""
    ranking, outline = report.ranking, report.outline
    digits = decimals(cell.score for cell in ranking.scored)
    yield Column("", lambda cell: _mark(cell, alone=ranking.best is not None))
    yield Column("cell", _told)
    yield Column("n", _n)
    yield Column(outline.score, lambda cell: with_reach(cell.score, digits))
    if width >= WIDE and any(cell.score.has_interval for cell in ranking.scored):
        ends = _ends([cell.score for cell in ranking.scored])
        yield Column(" " * STRIP, lambda cell: strip(cell.score, *ends))
    if outline.final is not None and any(cell.final.n for cell in ranking.cells):
        yield Column(outline.final, lambda cell: number(cell.final.mean, digits))
    if any(cell.against.n for cell in ranking.cells):
        gaps = decimals(cell.against for cell in ranking.cells)
        yield Column("to the base", lambda cell: _difference(cell.against, gaps))
    if width >= WIDE and report.lines:
        yield Column("better than", lambda cell: Text(report.passed(cell.score.mean), style="dim"))


def effects_table(effects: Sequence[Effect]) -> Table:
    """What each level does against the base's, all other factors equal."""
    digits = decimals(effect.difference for effect in effects)
    table = table_of("factor", "level", "difference", "n", "pairs", "")
    last = ""
    for effect in effects:
        table.add_row(
            Text(effect.factor if effect.factor != last else ""),
            Text(f"{shown(effect.against)} → {shown(effect.level)}"),
            _difference(effect.difference, digits),
            str(effect.difference.n or NONE),
            _pairs(effect),
            _verdict(effect),
        )
        last = effect.factor
    return table


def tried_table(tried: Sequence[CellScore], outline: Outline) -> Table:
    """The best settings that a search tried."""
    digits = decimals(cell.score for cell in tried[:MOST_TRIED])
    final = [outline.final] if outline.final else []
    table = table_of("", "setting", "n", outline.score, *final)
    for place, cell in enumerate(tried[:MOST_TRIED], start=1):
        beside = [number(cell.final.mean, digits)] if outline.final else []
        table.add_row(str(place), _told(cell), _n(cell), with_reach(cell.score, digits), *beside)
    return table


def table_of(*heads: str) -> Table:
    """An airy table: words to the left, where they may wrap, numbers to the right, where they may not."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for head in heads:
        if head in ("cell", "setting"):
            table.add_column(head, min_width=NARROWEST, overflow="fold")
        elif head == "level":
            table.add_column(head, overflow="fold")
        else:
            table.add_column(head, justify="left" if head in ("factor", "") else "right", no_wrap=True)
    return table


def strip(told: Estimate, low: float, high: float) -> Text:
    """An interval drawn to scale between two ends."""
    if not told.n or high <= low:
        return Text(" " * STRIP)
    ends = (told.low, told.high) if told.has_interval else (told.mean, told.mean)
    first, middle, last = (round((value - low) / (high - low) * (STRIP - 1)) for value in (ends[0], told.mean, ends[1]))
    drawn = ["─" if first <= spot <= last else " " for spot in range(STRIP)]
    drawn[middle] = "●"
    return Text("".join(drawn), style="cyan")


def _ends(among: Sequence[Estimate]) -> tuple[float, float]:
    """The lowest and the highest end of some intervals."""
    low = min(each.low if each.has_interval else each.mean for each in among)
    high = max(each.high if each.has_interval else each.mean for each in among)
    return low, high


def _mark(cell: CellScore, *, alone: bool) -> Text:
    if not cell.could_be_best:
        return Text(" ")
    return Text(BEST, style="bold green") if alone else Text(OPEN, style="green")


def _told(cell: CellScore) -> Text:
    """The cell's words; under them, how the trials ended that gave no score."""
    said = Text(cell.says, style="bold" if cell.is_reference else "")
    others = ", ".join(
        f"{number} {status}" for status, number in cell.statuses.items() if status not in ("done", MISSING)
    )
    return said.append(f"\n{others}", style="dim red") if others else said


def _n(cell: CellScore) -> str:
    return str(cell.score.n) if cell.score.n == cell.planned else f"{cell.score.n}/{cell.planned}"


def _difference(told: Estimate, digits: int) -> str:
    if not told.n:
        return NONE
    return ("" if told.paired else UNPAIRED) + with_reach(told, digits, signed=True)


def _pairs(effect: Effect) -> str:
    if effect.is_contrast:
        return "all cells"
    return str(effect.pairs) if effect.pairs == effect.planned else f"{effect.pairs} of {effect.planned}"


def _verdict(effect: Effect) -> Text:
    if not effect.difference.n:
        return Text("not in", style="dim")
    return Text("told apart", style="bold") if effect.told_apart else Text("not told apart", style="dim")


def _legend(report: Report) -> list[Text]:
    """What the marks mean, where they are used."""
    ranking = report.ranking
    compared = len(ranking.scored) - 1
    if compared < 1:
        return []
    test = f"paired t-tests over seeds, 5 %, Holm over {count(compared, 'comparison')}"
    if ranking.best is not None:
        lines = [f"{BEST} told apart from every other cell ({test})"]
    else:
        lines = [f"{OPEN} could be best: not told apart from the leading cell ({test})"]
    if any(cell.against.n and not cell.against.paired for cell in ranking.cells):
        lines.append(f"{UNPAIRED} too few common seeds: compared as two groups (Welch)")
    return [Text(line, style="dim") for line in lines]
