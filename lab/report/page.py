"""The page: reports as one self-contained HTML file that needs no network and can be printed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from lab.records.store import Store
from lab.report.article import article
from lab.report.canvas import Canvas, Drawings
from lab.report.markup import tag, text
from lab.report.report import Report

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser lets the page do: show what is in it, and ask nobody for anything."""
WITHOUT_SCRIPT = "The figures need JavaScript; their numbers are in the tables."


def page(store: Store, reports: Sequence[Report]) -> str:
    """The page of one study, or of several below one another."""
    canvas = Canvas(store)
    articles = [article(report, canvas, place) for place, report in enumerate(reports)]
    title = " · ".join(report.outline.name for report in reports)
    return document(title, _contents(reports) + tag("main", *articles), canvas)


def document(title: str, content: str, canvas: Drawings) -> str:
    """A whole file around some content: its looks, its figures, and what draws them."""
    head = (
        '<meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>{_asset('page.css')}</style>"
    )
    body = (
        content
        + f"<noscript>{tag('p', WITHOUT_SCRIPT, class_='note')}</noscript>"
        + f'<script type="application/json" id="figures">{_figures(canvas.figures)}</script>'
        + f'<script type="text/plain" id="plotly">{_library()}</script>'
        + f"<script>{_asset('page.js')}</script>"
    )
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>\n'


def _contents(reports: Sequence[Report]) -> str:
    """Links to the studies, where there are several."""
    if len(reports) < 2:
        return ""
    links = (
        tag("li", tag("a", text(report.outline.name), href=f"#s{place}"), ": ", text(report.outline.question))
        for place, report in enumerate(reports)
    )
    return tag("header", tag("ul", *links), class_="page")


def _figures(figures: Sequence[Figure]) -> str:
    """The figures' data; no text in it can end the element that holds it."""
    told = {f"f{place}": json.loads(figure.to_json()) for place, figure in enumerate(figures)}
    for each in told.values():
        each["layout"].pop("template", None)
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")


@cache
def _library() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")


@cache
def _asset(name: str) -> str:
    return files("lab.report").joinpath("assets", name).read_text(encoding="utf-8")
