"""The figures of forecasts: lines over steps or levels, a cell each, with the band of their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.analysis.numbered import Numbered
from lab.report.bands import with_band
from lab.report.theme import GREY, VERMILION, figure, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

OfCell = Callable[[str], Numbered | None]
"""What there is to draw of a cell."""
LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"}


def by_step(
    told: Sequence[Numbered], says: Mapping[str, str], score: str, lines: Mapping[str, Sequence[float]]
) -> Figure:
    """A score at each step of the forecast, over what is known of the data at each."""
    drawn = figure(
        *_lines(told, says, "step %{x}: %{y:.4g}"),
        *_known(told[0].at, lines),
        height=320,
        showlegend=True,
        legend=LEGEND,
    )
    last = max(told[0].at)
    drawn.update_xaxes(title_text="step of the forecast", range=[0.8, last + 0.2], tick0=1, dtick=math.ceil(last / 12))
    drawn.update_yaxes(title_text=words(score))
    return drawn


def calibration(told: Sequence[Numbered], says: Mapping[str, str]) -> Figure:
    """The share of what came that fell into central intervals, against what was said; the diagonal is right."""
    from plotly.graph_objects import Scatter

    right = Scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="as said", line={"color": GREY, "width": 1}, hoverinfo="skip"
    )
    drawn = figure(
        right, *_lines(told, says, "%{x:.0%} said, %{y:.1%} seen"), height=320, showlegend=True, legend=LEGEND
    )
    drawn.update_xaxes(title_text="share that was said", range=[0, 1], tickformat=".0%")
    drawn.update_yaxes(title_text="share that was seen", range=[0, 1], tickformat=".0%")
    return drawn


def _lines(told: Sequence[Numbered], says: Mapping[str, str], hover: str) -> Iterator[Any]:
    for place, each in enumerate(told):
        yield from with_band(each, place, name=words(says[each.cell]), hover=hover, dot=5)


def _known(at: Sequence[float], lines: Mapping[str, Sequence[float]]) -> Iterator[Any]:
    """Known values of the data, each named at its last step."""
    from plotly.graph_objects import Scatter

    for name, values in lines.items():
        spots = [spot for spot, known in enumerate(values) if math.isfinite(known)]
        is_left = 2 * spots[-1] < len(at) - 1
        yield Scatter(
            x=[at[spot] for spot in spots],
            y=[values[spot] for spot in spots],
            mode="lines+markers+text",
            text=["" for _ in spots[1:]] + [words(name)],
            textposition="top right" if is_left else "top left",
            textfont={"size": 10, "color": VERMILION},
            line={"color": VERMILION, "width": 1, "dash": "dot"},
            marker={"size": 3},
            showlegend=False,
            hovertemplate="%{y:.4g}<extra>" + words(name) + "</extra>",
        )
