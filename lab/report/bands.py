"""Bands around lines, and lines of means over seeds with their bands: figures of training, forecasts and probes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from lab.analysis.numbered import Numbered
from lab.report.theme import DASHES, PALETTE, faded


def band_of(at: Sequence[float], low: Sequence[float], high: Sequence[float], *, colour: str, group: str = "") -> Any:
    """The area between two lines, which nobody points at."""
    from plotly.graph_objects import Scatter

    return Scatter(
        x=[*at, *reversed(at)],
        y=[*high, *reversed(low)],
        fill="toself",
        fillcolor=faded(colour),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=group or None,
    )


def with_band(told: Numbered, place: int, *, name: str, hover: str, dot: int | None = None) -> Iterator[Any]:
    """A cell's band, where any of its intervals is known, and its line over it; `place` chooses colour and dash.

    Without the size of a `dot` only a mean that stands alone is marked.
    """
    from plotly.graph_objects import Scatter

    colour, band = PALETTE[place % len(PALETTE)], told.band
    spots = [spot for spot, low in enumerate(band.low) if math.isfinite(low)]
    if spots:
        at, low, high = ([each[spot] for spot in spots] for each in (told.at, band.low, band.high))
        yield band_of(at, low, high, colour=colour, group=told.cell)
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
