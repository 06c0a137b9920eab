"""A report as Markdown or as LaTeX: the same sentences and tables as the page has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

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


def markdown(report: Report, *, only: Iterable[str] = ()) -> str:
    """A report as Markdown; `only` names the tables to keep, all of them where it names none."""
    kept = frozenset(only)
    lines = [f"# {safe(report.outline.question or report.outline.name)}", ""]
    if warning := banner(report):
        lines += [f"> **{safe(warning)}**", ""]
    lines += [safe(" ".join(summary(report))), ""]
    for sheet in sheets(report):
        if not kept or sheet.name in kept:
            lines += [f"## {safe(sheet.title)}", "", *_md_table(sheet), ""]
            lines += [f"*{safe(sheet.note)}*", ""] if sheet.note else []
    if report.command:
        fence = "`" * (3 + max(map(len, re.findall(r"`+", report.command)), default=0))
        lines += ["To repeat it:", "", fence, report.command, fence, ""]
    return "\n".join(lines)


def latex(report: Report) -> str:
    """A report's tables as LaTeX, for the booktabs package; an unfinished study says so in every caption."""
    name = report.outline.name
    head = [f"% {_tex_comment(name)}: {_tex_comment(report.outline.question)}", "% needs \\usepackage{booktabs}", ""]
    warning = banner(report)
    head += [f"% {_tex_comment(sentence)}" for sentence in (warning, *summary(report)) if sentence]
    tables = [line for sheet in sheets(report) for line in ("", *_tex_table(sheet, name, warning))]
    return "\n".join([*head, *tables, ""])


def _md_table(sheet: Sheet) -> Iterator[str]:
    yield _row(safe(head.text) or " " for head in sheet.heads)
    yield _row("---:" if head.is_number else "---" for head in sheet.heads)
    for row in sheet.rows[:MOST_ROWS]:
        yield _row(_strong(safe(entry.text), entry.tone) for entry in row)
    if len(sheet.rows) > MOST_ROWS:
        yield ""
        yield f"... and {len(sheet.rows) - MOST_ROWS:,} more rows."


def _tex_table(sheet: Sheet, study: str, warning: str) -> Iterator[str]:
    align = "".join("r" if head.is_number else "l" for head in sheet.heads)
    caption = _tex(" ".join(part for part in (f"{sheet.title}.", warning) if part))
    yield r"\begin{table}"
    yield r"  \centering"
    yield rf"  \caption{{{caption}}}"
    yield rf"  \label{{tab:{re.sub('[^A-Za-z0-9-]', '-', study)}-{sheet.name}}}"
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


def _tex_comment(text: str) -> str:
    return " ".join(text.split())
