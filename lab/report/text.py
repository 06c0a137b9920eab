"""`lab report`: what a study says, as a person reads it on a terminal or as a script reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.analysis.alerts import trials_to_probe
from lab.analysis.health import Failure, RuleFindings
from lab.analysis.spread import spread
from lab.plan.power import smallest_effect
from lab.records.store import Store
from lab.report.answer import answer, caution
from lab.report.data import report_data
from lab.report.numbers import count, duration, plain
from lab.report.report import Report, study_report
from lab.report.tables import cells_table, effects_table, tried_table
from lab.report.verdicts import verdicts_text

PLAIN_WIDTH = 100
"""Columns where there is no terminal to ask."""
COLOURS = {"fatal": "bold red", "warn": "yellow", "info": "dim"}
MOST_FAILURES = 8
MOST_SCOPES = 3
MOST_PROBED = 3
"""Cells whose worst trial is named."""


def show_report(store: Store, study: str, *, as_json: bool = False) -> int:
    """Print a study's report; 0 whatever it says."""
    report = study_report(store, study)
    if as_json:
        sys.stdout.write(json.dumps(report_data(report), indent=1, allow_nan=False) + "\n")
    else:
        terminal().print(report_text(report))
    return 0


def terminal() -> Console:
    """Where text goes: the terminal at its own width, a pipe or a file at a hundred columns."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def report_text(report: Report) -> RenderableType:
    """The report, laid out for however wide the console turns out to be."""
    return _Page(report)


@dataclass(frozen=True)
class _Page:
    report: Report

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        report = self.report
        yield Text(report.outline.question, style="bold")
        for words, style in ((caution(report), "bold yellow"), (answer(report), "bold green")):
            if words:
                yield Text(words, style=style)
        yield from _titled("Claims", verdicts_text(report))
        yield from _titled(_score_title(report), self._cells(options.max_width))
        yield from _titled("Effects, all other factors equal; mean ± 95 % interval", self._effects())
        yield from _titled(
            "Settings a search tried, the best first: the best of many owes some of it to luck", self._tried()
        )
        yield from _titled("Failed trials", failures_table(report.failures) if report.failures else None)
        yield from _titled("Findings", _findings(report))
        yield from _titled("Where to look closer", _to_probe(report))
        yield Text()
        yield _provenance(report)

    def _cells(self, width: int) -> RenderableType | None:
        return cells_table(self.report, width=width) if self.report.outline.cells else None

    def _effects(self) -> RenderableType | None:
        return effects_table(self.report.effects) if self.report.effects else None

    def _tried(self) -> RenderableType | None:
        return tried_table(self.report.tried, self.report.outline) if self.report.tried else None


def _score_title(report: Report) -> str:
    outline = report.outline
    told = "more is better" if outline.goal == "max" else "less is better"
    return f"Score by cell: {outline.score} at the {outline.at.replace('_', ' ')}, {told}; mean ± 95 % interval"


def _titled(title: str, body: RenderableType | None) -> Iterator[RenderableType]:
    if body is not None:
        yield Text()
        yield Text(title, style="bold cyan")
        yield Padding(body, (0, 0, 0, 1))


def failures_table(failures: Sequence[Failure]) -> Table:
    """Failed trials by class, with what the first of each said."""
    table = Table.grid(padding=(0, 2))
    for failure in failures[:MOST_FAILURES]:
        number = count(len(failure.trials), "trial")
        table.add_row(Text(failure.status, style="red"), number, Text(failure.error or "no error was told"))
        table.add_row("", "", Text(f"first: {failure.trials[0]}", style="dim"))
    left = len(failures) - MOST_FAILURES
    if left > 0:
        table.add_row("", "", Text(f"... and {count(left, 'other error')}", style="dim"))
    return table


def _findings(report: Report) -> RenderableType | None:
    """What stands by itself with its remedy, then, in fewer words, what that explains and what is only information."""
    if not report.findings:
        return None
    table = Table.grid(padding=(0, 2))
    for each in report.findings:
        table.add_row(Text(each.rule, style=COLOURS.get(each.level, "")), count(each.trials, "trial"), _said(each))
    return table


def _said(each: RuleFindings) -> Text:
    names = ", ".join(each.scopes[:MOST_SCOPES])
    more = f" and {len(each.scopes) - MOST_SCOPES} more" if len(each.scopes) > MOST_SCOPES else ""
    words = ": ".join(part for part in (names + more, each.says) if part)
    if not each.own:
        return Text(f"explained by {' and '.join(each.causes)}: {words}", style="dim")
    told = Text(f"{each.where}, from step {each.step}: " if each.is_headline and each.where else "", style="bold")
    told.append(words, style="not bold")
    for word, part in (("likely", each.means), ("try", each.remedy)):
        told.append(f"\n{word}: {part}" if part and each.is_headline else "", style="not bold dim")
    return told


def _to_probe(report: Report) -> RenderableType | None:
    """The commands that show the worst trials of the worst cells."""
    told = [(row, found) for row, found in trials_to_probe(report.rows) if row.study]
    if not told:
        return None
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    for row, found in told[:MOST_PROBED]:
        says = report.outline.told(row.cell) if row.cell in report.outline.cells else row.label
        table.add_row(f"lab probe {row.trial}", Text(f"{says}: {found.rule if found is not None else row.status}"))
    if len(told) > MOST_PROBED:
        table.add_row("", Text(f"... and {count(len(told) - MOST_PROBED, 'other cell')}", style="dim"))
    return table


def _provenance(report: Report) -> RenderableType:
    """Where it comes from and what repeats it."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for head, words in facts(report):
        if words:
            table.add_row(head, Text(words))
    return table


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Where a report comes from, head by head; words are empty where there is nothing to tell."""
    yield "data", _known_lines(report)
    yield "noise", _floor(report)
    yield "shows", power(report)
    yield "trials", _trials(report)
    yield "code", "; ".join(_codes(report))
    yield "notes", "\n".join(report.outline.notes)
    yield "repeat", report.command


def _known_lines(report: Report) -> str:
    told = {"known scores of it": report.lines, f"of {report.outline.final}": report.final_lines}
    said = {head: ", ".join(f"{name} {plain(value)}" for name, value in lines.items()) for head, lines in told.items()}
    return "; ".join(f"{head}: {lines}" for head, lines in said.items() if lines)


def _floor(report: Report) -> str:
    if report.floor is None:
        return ""
    repeats = count(report.floor.repeats, "repeat")
    return f"{repeats} of the base with one seed: differ from it by at most {plain(report.floor.largest)}"


def power(report: Report) -> str:
    """What so many seeds can show at all: no difference seen is not no difference."""
    seeds = max((cell.score.n for cell in report.ranking.cells), default=0)
    seen = spread(report.rows, report.outline)
    if seen is None or seeds < 2 or not seen.sd:
        return ""
    smallest = f"{smallest_effect(seeds, seen.sd):.2g}"
    return (
        f"differences above {smallest}, with {seeds} paired seeds (alpha 0.05, power 0.8; sd of pairs {plain(seen.sd)})"
    )


def _trials(report: Report) -> str:
    told = ", ".join(f"{number:,} {status}" for status, number in sorted(report.statuses.items()))
    strangers = f"; {report.strangers} records are of cells or seeds no longer planned" if report.strangers else ""
    return f"{told}; {duration(report.seconds)} of training in all{strangers}"


def _codes(report: Report) -> Iterator[str]:
    seen = set()
    for origin in report.origins:
        state = f"commit {origin.commit[:10]}" if origin.commit else "no commit"
        changed = " with uncommitted changes" if origin.dirty else ""
        torch = f"torch {origin.versions['torch']}" if "torch" in origin.versions else ""
        words = ", ".join(part for part in (state + changed, torch, origin.device, origin.host) if part)
        if words not in seen:
            seen.add(words)
            yield words
