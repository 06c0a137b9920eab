"""Lines of means over seeds with the bands of their intervals, as figures of training and of forecasts draw them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from lab.analysis.numbered import Numbered
from lab.report.theme import DASHES, PALETTE, faded


def with_band(told: Numbered, place: int, *, name: str, hover: str, dot: int | None = None) -> Iterator[Any]:
    """A cell's band, where any of its intervals is known, and its line over it; `place` chooses colour and dash.

    Without the size of a `dot` only a mean that stands alone is marked.
    """
    from plotly.graph_objects import Scatter

    colour, band = PALETTE[place % len(PALETTE)], told.band
    spots = [spot for spot, low in enumerate(band.low) if math.isfinite(low)]
    if spots:
        yield Scatter(
            x=[told.at[spot] for spot in (*spots, *reversed(spots))],
            y=[band.high[spot] for spot in spots] + [band.low[spot] for spot in reversed(spots)],
            fill="toself",
            fillcolor=faded(colour),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=told.cell,
        )
    yield Scatter(
        x=list(told.at),
        y=[mean if math.isfinite(mean) else None for mean in band.mean],
        mode="lines" if dot is None and len(told.at) > 1 else "lines+markers",
        name=name,
        legendgroup=told.cell,
        line={"color": colour, "width": 2, "dash": DASHES[place % len(DASHES)]},
        marker=None if dot is None else {"size": dot},
        hovertemplate=f"{hover}<extra>{name}</extra>",
    )
