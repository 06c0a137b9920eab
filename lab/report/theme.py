"""How figures look: one palette that colour-blind readers can tell apart, thin lines, and no paper of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY)
"""Okabe and Ito's colours, without the yellow and the black, which vanish on one kind of paper or the other."""
GREY = "#8a8f98"
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x")
"""Lines differ in these too: a figure must also be read in print and without colours."""
GRID, INK = "rgba(128,134,145,0.22)", "#3b4048"
ROW = 32
"""Pixels of a row in a figure of rows."""
LONGEST_LINE = 30
"""Characters of a label before it is broken."""


def figure(*traces: Any, height: int, **layout: Any) -> Figure:
    """A figure with the house's look; the page gives it the colours of its paper."""
    from plotly.graph_objects import Figure

    looks: dict[str, Any] = {
        "template": "none",
        "height": height,
        "margin": {"l": 8, "r": 12, "t": 12, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "hoverlabel": {"font": {"size": 12}, "align": "left"},
        "colorway": list(PALETTE),
        "showlegend": False,
    }
    drawn = Figure(data=list(traces), layout=looks | layout)
    drawn.update_xaxes(automargin=True, gridcolor=GRID, zeroline=False, showline=False, ticks="", fixedrange=True)
    drawn.update_yaxes(automargin=True, gridcolor=GRID, zeroline=False, showline=False, ticks="", fixedrange=True)
    return drawn


def words(text: object) -> str:
    """A text as a figure shows it: names are only names, whatever markup they contain."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def broken(text: str, longest: int = LONGEST_LINE) -> str:
    """A label over several lines, broken after commas and at blanks."""
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + len(word) + 1 > longest:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "<br>".join(words(_cut(each, longest)) for each in [*lines, line])


def faded(colour: str, share: float = 0.18) -> str:
    """A colour of the palette as a band's filling."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def whiskers(lows: Sequence[float], means: Sequence[float], highs: Sequence[float], colour: str) -> dict[str, Any]:
    """Intervals as plotly draws them: how far they reach on either side."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - mean for mean, high in zip(means, highs, strict=True)],
        "arrayminus": [mean - low for low, mean in zip(lows, means, strict=True)],
        "thickness": 2,
        "width": 0,
        "color": colour,
    }


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest + 8 else text[: longest + 7] + "…"
