"""A report as a notebook: it loads the study anew, draws its figures, and is there to be gone on with."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lab.report.report import Report
from lab.report.summary import banner, summary
from lab.report.words import safe

FIGURES = (
    ("Effects", "study.figures.forest()"),
    ("Cells", "study.figures.cells()"),
    ("Interactions", "study.figures.interactions()"),
    ("Learning curves", "study.figures.curves()"),
    ("Gradient health of the base", "study.figures.health()"),
    ("Cost against score", "study.figures.costs()"),
)


def notebook(reports: Sequence[Report], store: str) -> str:
    """A notebook of one study or of several, in the fourth version of Jupyter's format."""
    cells = [_code("import lab")]
    for report in reports:
        cells += _study(report, store)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    told = {
        "cells": [{"id": f"cell-{place}"} | cell for place, cell in enumerate(cells)],
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _study(report: Report, store: str) -> list[dict[str, object]]:
    outline = report.outline
    warning = banner(report)
    said = [f"# {safe(outline.question or outline.name)}", *([f"> **{safe(warning)}**"] if warning else [])]
    told = _text("\n\n".join([*said, safe(" ".join(summary(report)))]))
    loaded = _code(f"study = lab.load({outline.name!r}, store={store!r})\nstudy.frame.head()")
    tables = [
        _text("## Effects and cells as tables"),
        _code("study.effects_frame"),
        _code("study.cells_frame"),
    ]
    drawn = [cell for title, call in FIGURES for cell in (_text(f"## {title}"), _code(call))]
    return [told, loaded, *tables, *drawn]


def _text(source: str) -> dict[str, object]:
    return {"cell_type": "markdown", "metadata": {}, "source": source.splitlines(keepends=True)}


def _code(source: str) -> dict[str, object]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": lines}
