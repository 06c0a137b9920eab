"""The canvas: where the figures of a page are gathered while its sections are written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.records.store import Store
from lab.report.markup import tag, text

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass
class Drawings:
    """The figures of a page so far."""

    figures: list[Figure] = field(default_factory=list, kw_only=True)

    def draw(self, figure: Figure, says: str, *, title: str = "", class_: str = "") -> str:
        """A figure's place; `says` is read to those who cannot see it."""
        self.figures.append(figure)
        name, height = f"f{len(self.figures) - 1}", f"height:{figure.layout.height}px"
        place = tag("div", class_="plot", data_figure=name, role="img", aria_label=says, style=height)
        heading = tag("h3", text(title)) if title else ""
        return tag("figure", heading + place, **({"class_": class_} if class_ else {}))


@dataclass
class Canvas(Drawings):
    """What a report is drawn on: its figures, and where readings come from."""

    store: Store


def lead(words: str) -> str:
    """What a reader is told before a figure."""
    return tag("p", text(words), class_="lead")


def panels(drawn: list[str], *, large: bool = False) -> str:
    """Figures beside one another, as many as fit."""
    return tag("div", *drawn, class_="panels large" if large else "panels")
