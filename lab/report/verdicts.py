"""Claims and their verdicts, as a table for a terminal, as a sheet for a page and as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.analysis.claims import Verdict
from lab.analysis.estimate import Estimate
from lab.report.claim_words import amendments, rule, spoken
from lab.report.numbers import NONE, decimals, interval, number
from lab.report.report import Report
from lab.report.sheets import Entry, Head, Sheet, chance, words
from lab.report.tables import table_of

TONES = {"supported": "strong", "refuted": "bad", "undecided": "quiet", "not testable here": "quiet"}
STYLES = {"supported": "bold green", "refuted": "bold red", "undecided": "yellow", "not testable here": "magenta"}
NARROWEST = 24


def verdicts_text(report: Report) -> RenderableType | None:
    """The verdicts for a terminal, under what was done to the claims since; nothing without any."""
    asking = report.outline.asking
    edits = [Text(sentence, style="bold yellow") for sentence in amendments(asking)]
    if not report.verdicts:
        return Group(*edits) if edits else None
    table = table_of("verdict", "claim", "seen", "n", "p")
    table.columns[0].justify = table.columns[1].justify = "left"
    table.columns[1].no_wrap, table.columns[1].overflow, table.columns[1].min_width = False, "fold", NARROWEST
    for verdict in report.verdicts:
        _add(table, verdict, report.outline.score)
    return Group(*edits, table, Text(rule(asking), style="dim"))


def verdicts_sheet(report: Report) -> Sheet:
    """The verdicts for a page."""
    heads = (
        Head("claim"), Head("says"), Head("verdict"), Head("seen", True), Head("interval", True), Head("n", True),
        Head("p", True), Head("expected"), Head(""),
    )  # fmt: skip
    rows = tuple(
        (
            words(each.name, "strong"),
            words(spoken(each, report.outline.score)),
            words(each.verdict, TONES[each.verdict]),
            Entry(_mean(each), order=each.effect.mean),
            Entry(_interval(each), order=each.effect.low),
            Entry(str(each.effect.n or NONE), order=each.effect.n),
            chance(each.p),
            words(each.expects),
            words("; ".join(filter(None, (each.reason, each.why))), "quiet"),
        )
        for each in report.verdicts
    )
    return Sheet("verdicts", "Claims", heads, rows, rule(report.outline.asking))


def verdicts_data(report: Report) -> Mapping[str, object]:
    """All of it as plain data; what is not known is null."""
    asking = report.outline.asking
    return {
        "test": asking.test.options(),
        "looks": list(asking.looks),
        "rate": asking.rate,
        "rule": rule(asking) if asking.claims else "",
        "history": [dict(each) for each in asking.history],
        "amendments": list(amendments(asking)),
        "verdicts": [_known(asdict(each)) for each in report.verdicts],
    }


def _add(table: Table, verdict: Verdict, score: str) -> None:
    said = Text.assemble((verdict.name, "bold"), f"\n{spoken(verdict, score)}")
    for head, line in (("", verdict.reason), ("expected: ", verdict.expects), ("why: ", verdict.why)):
        if line:
            said.append(f"\n{head}{line}", style="dim")
    mean = Text(_mean(verdict))
    if verdict.effect.has_interval:
        mean.append(f"\n{_interval(verdict)}", style="dim")
    style = STYLES[verdict.verdict]
    table.add_row(Text(verdict.verdict, style=style), said, mean, str(verdict.effect.n or NONE), chance(verdict.p).text)


def _estimate(verdict: Verdict) -> Estimate:
    effect = verdict.effect
    return Estimate(effect.n, effect.mean, effect.sd, effect.low, effect.high)


def _mean(verdict: Verdict) -> str:
    told = _estimate(verdict)
    return number(told.mean, decimals([told]), signed=not verdict.is_level)


def _interval(verdict: Verdict) -> str:
    told = _estimate(verdict)
    return interval(told, decimals([told]), signed=not verdict.is_level)


def _known(said: Mapping[str, object]) -> dict[str, object]:
    """The same with null for what is not a finite number."""
    return {
        key: _known(value) if isinstance(value, dict) else value if not _is_unknown(value) else None
        for key, value in said.items()
    }


def _is_unknown(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
