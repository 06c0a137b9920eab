"""The page of ceilings: what can be known of the next frame of a block model, by what a forecast looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lab.exact.block_ceilings import SIGHTS, Ceiling, Sight
from lab.report.canvas import Drawings, lead
from lab.report.markup import table, tag, text
from lab.report.page import document
from lab.report.sheets import Head, Sheet, value, words
from lab.report.theme import MARKS, PALETTE, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Told = Mapping[str, Mapping[Sight, Ceiling]]
Degrees = Mapping[str, Mapping[str, float]]
NAMED = {"row_degree": "degree of one node", "degree_sum": "degrees of both nodes"}


def page(told: Told, degrees: Degrees, window: int) -> str:
    """One self-contained file: a picture of the best AUCs by preset and by what is seen, and all scores as a table."""
    canvas = Drawings()
    parts = [
        tag("h1", text("What can be known of the next frame")),
        lead(
            f"The persistent block model, windows of {window} frames, pairs off the diagonal. Each mark is an AUC that "
            "forecasts which see only so much cannot exceed. Where marks fall together, seeing more is worth nothing."
        ),
        canvas.draw(_aucs(told, degrees), "Best AUC by preset, a mark for everything that a forecast may look at."),
        table(_sheet(told), "ceilings"),
    ]
    return document("Ceilings of psbm_links", tag("main", tag("article", *parts)), canvas)


def _aucs(told: Told, degrees: Degrees) -> Figure:
    from plotly.graph_objects import Scatter

    rows = [(says, [told[name][sight].auc for name in told]) for sight, says in SIGHTS.items()]
    rows += [(says, [degrees[name][which] for name in told]) for which, says in NAMED.items()]
    marks = [
        Scatter(
            x=list(told),
            y=values,
            name=says,
            mode="markers",
            marker={"symbol": MARKS[at % len(MARKS)], "size": 10, "color": PALETTE[at % len(PALETTE)]},
        )
        for at, (says, values) in enumerate(rows)
    ]
    drawn = figure(*marks, height=460, showlegend=True)
    drawn.update_yaxes(title_text="best AUC")
    return drawn


def _sheet(told: Told) -> Sheet:
    heads = (Head("preset"), Head("sees"), *(Head(name, True) for name in ("AUC", "AP", "F1", "NLL")))
    rows = tuple(
        (words(name), words(says), *(value(number, 4) for number in (best.auc, best.ap, best.f1, best.nll)))
        for name, by_sight in told.items()
        for sight, says in SIGHTS.items()
        for best in [by_sight[sight]]
    )
    return Sheet("ceilings", "Best possible scores", heads, rows, "")
