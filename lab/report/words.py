"""A report as Markdown or as LaTeX: the same sentences and tables as the page has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.report.contents import sheets
from lab.report.report import Report
from lab.report.sheets import Sheet
from lab.report.summary import banner, summary

MOST_ROWS = 100
"""Rows of a table; the data file has the rest."""
LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "→": r"$\to$", "×": r"$\times$",
    "η": r"$\eta$", "²": "$^2$", "±": r"$\pm$", "–": "--", "“": "``", "”": "''", "<": r"\textless{}",
    ">": r"\textgreater{}", "★": r"$\star$", "…": r"\ldots{}", "=": "=",
}  # fmt: skip


@dataclass(frozen=True)
class Words:
    """What stands above the tables, and the command below them."""

    title: str
    cautions: tuple[str, ...]
    sentences: tuple[str, ...]
    command: str = ""


def markdown(report: Report, *, only: Iterable[str] = ()) -> str:
    """A report as Markdown; `only` names the tables to keep, all of them where it names none."""
    kept = frozenset(only)
    return markdown_of(_words(report), [sheet for sheet in sheets(report) if not kept or sheet.name in kept])


def brief(report: Report, longest: int = 5800) -> str:
    """The answer and the tables that matter most, as Markdown no longer than a description may be."""
    for only in (("verdicts", "cells", "effects"), ("verdicts", "effects"), ("effects",), ("none",)):
        told = markdown(report, only=only)
        if len(told) <= longest:
            return told
    return told[: longest - 1] + "…"


def latex(report: Report) -> str:
    """A report's tables as LaTeX, for the booktabs package; an unfinished study says so in every caption."""
    return latex_of(_words(report), list(sheets(report)))


def markdown_of(said: Words, tables: Sequence[Sheet]) -> str:
    """Sentences and tables as Markdown."""
    lines = [f"# {safe(said.title)}", ""]
    for caution in said.cautions:
        lines += [f"> **{safe(caution)}**", ""]
    lines += [safe(" ".join(said.sentences)), ""]
    for sheet in tables:
        lines += [f"## {safe(sheet.title)}", "", *_md_table(sheet), ""]
        lines += [f"*{safe(sheet.remark)}*", ""] if sheet.note else []
    if said.command:
        fence = "`" * (3 + max(map(len, re.findall(r"`+", said.command)), default=0))
        lines += ["To repeat it:", "", fence, said.command, fence, ""]
    return "\n".join(lines)


def latex_of(said: Words, tables: Sequence[Sheet]) -> str:
    """Sentences as comments and tables as LaTeX."""
    told = [said.title, "needs \\usepackage{booktabs}", *said.cautions, *said.sentences]
    lines = [f"% {' '.join(sentence.split())}" for sentence in told]
    for sheet in tables:
        lines += ["", *_tex_table(sheet, said)]
    return "\n".join([*lines, ""])


def _words(report: Report) -> Words:
    outline = report.outline
    warning = banner(report)
    cautions = (warning,) if warning else ()
    return Words(outline.question or outline.name, cautions, summary(report), report.command)


def _md_table(sheet: Sheet) -> Iterator[str]:
    yield _row(safe(head.text) or " " for head in sheet.heads)
    yield _row("---:" if head.is_number else "---" for head in sheet.heads)
    for row in sheet.rows[:MOST_ROWS]:
        yield _row(_strong(safe(entry.text), entry.tone) for entry in row)
    if len(sheet.rows) > MOST_ROWS:
        yield ""
        yield f"... and {len(sheet.rows) - MOST_ROWS:,} more rows."


def _tex_table(sheet: Sheet, said: Words) -> Iterator[str]:
    align = "".join("r" if head.is_number else "l" for head in sheet.heads)
    caption = _tex(" ".join([f"{sheet.title}.", *said.cautions]))
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{caption}}}"
    yield rf"  \label{{tab:{sheet.name}}}"
    yield rf"  \begin{{tabular}}{{{align}}}"
    yield r"    \toprule"
    yield "    " + " & ".join(_tex(head.text) for head in sheet.heads) + r" \\"
    yield r"    \midrule"
    for row in sheet.rows[:MOST_ROWS]:
        yield "    " + " & ".join(_bold(_tex(entry.text), entry.tone) for entry in row) + r" \\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _strong(text: str, tone: str) -> str:
    return f"**{text}**" if tone == "strong" and text else text


def _bold(text: str, tone: str) -> str:
    return rf"\textbf{{{text}}}" if tone == "strong" and text else text


def safe(text: str) -> str:
    """A text that Markdown shows as it is, on one line, markup of any sort included."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>|#~!])", r"\\\1", flat).replace("\\<", "&lt;").replace("\\>", "&gt;")


def _tex(text: str) -> str:
    """A text that LaTeX shows as it is; a row must not begin with a bracket, which would be an option of the last."""
    told = "".join(LATEX.get(letter, letter) for letter in " ".join(text.split()))
    return f"{{{told}}}" if told.startswith("[") else told
