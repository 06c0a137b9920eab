"""A film of attention as pictures that move: GIFs for anywhere, figures with a play button for a page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lab.analysis.movement import ends
from lab.report.theme import PALETTE, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = "Cividis"
WIDE, GAP, FOOT = 320, 8, 18
"""Pixels of a matrix in a GIF, between two of them, and of the line below."""
MILLISECONDS = 250
LARGEST = 60
"""Nodes of a matrix that a page shows cell by cell; larger ones are averaged over blocks."""

Weights = NDArray[np.floating]


def gif(weights: Weights, captions: Sequence[str]) -> bytes:
    """[panels, time, nodes, nodes] as a GIF: panels side by side on one scale, a caption for every time."""
    from PIL import Image, ImageDraw

    zoom = max(1, WIDE // weights.shape[-1])
    scale = ends(weights)
    shades = np.clip((weights - scale["low"]) / (scale["high"] - scale["low"]), 0, 1)
    levels = np.round(shades * 253).astype(np.uint8).repeat(zoom, -2).repeat(zoom, -1)
    side = levels.shape[-1]
    pictures = []
    for time, caption in enumerate(captions):
        canvas = np.full((side + FOOT, len(levels) * (side + GAP) - GAP), PAPER, np.uint8)
        for place, panel in enumerate(levels[:, time]):
            canvas[:side, place * (side + GAP) : place * (side + GAP) + side] = panel
        picture = Image.fromarray(canvas)
        picture.putpalette(_palette())
        ImageDraw.Draw(picture).text((2, side + 3), caption, fill=INK)
        pictures.append(picture)
    sink = io.BytesIO()
    first, *others = pictures
    first.save(sink, "GIF", save_all=True, append_images=others, duration=MILLISECONDS, loop=0)
    return sink.getvalue()


PAPER, INK = 255, 254
"""Places of the palette behind the colours of the scale."""


def _palette() -> list[int]:
    from plotly.colors import sample_colorscale

    colours = sample_colorscale(COLOURS, np.linspace(0, 1, 254).tolist(), colortype="tuple")
    return [round(255 * part) for colour in colours for part in colour] + [40, 40, 40, 255, 255, 255]


def movie(weights: Weights, captions: Sequence[str], *, order: Sequence[int], word: str) -> Figure:
    """[time, nodes, nodes] as a heat map with a play button and a slider; the scale stays as it is."""
    from plotly.graph_objects import Frame, Heatmap

    scale, blocks = ends(weights), _blocks(weights)
    names = [str(node) for node in order] if blocks.shape[-1] == len(order) else None
    looks = {
        "x": names,
        "y": names,
        "zmin": scale["low"],
        "zmax": scale["high"],
        "colorscale": COLOURS,
        "hovertemplate": "%{y} reads %{x}: %{z:.3f}<extra></extra>",
    }
    told = [Heatmap(z=np.round(each, 4), **looks) for each in blocks]
    drawn = figure(told[0], height=460)
    drawn.frames = [Frame(data=[each], name=caption) for each, caption in zip(told, captions, strict=True)]
    drawn.update_yaxes(autorange="reversed", scaleanchor="x", title_text="node that reads", type="category")
    drawn.update_xaxes(title_text="node that is read", constrain="domain", type="category")
    return drawn.update_layout(updatemenus=[_buttons()], sliders=[_slider(captions, word)], margin={"b": 8, "t": 48})


def _blocks(weights: Weights) -> Weights:
    """Matrices a page can hold: means over blocks of nodes where there are too many."""
    nodes = weights.shape[-1]
    if nodes <= LARGEST:
        return weights
    starts = np.linspace(0, nodes, LARGEST, endpoint=False).astype(int)
    counts = np.diff([*starts, nodes])
    sums = np.add.reduceat(np.add.reduceat(weights, starts, -2), starts, -1)
    told: Weights = sums / counts[:, None] / counts
    return told


def _buttons() -> dict[str, object]:
    timing = {"frame": {"duration": MILLISECONDS, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": True}
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    play = {"label": "play", "method": "animate", "args": [None, timing]}
    pause = {"label": "pause", "method": "animate", "args": [[None], still]}
    place = {"x": 0, "y": 1.0, "xanchor": "left", "yanchor": "bottom", "pad": {"b": 6}}
    return {"type": "buttons", "direction": "right", "showactive": False, "buttons": [play, pause]} | place


def _slider(captions: Sequence[str], word: str) -> dict[str, object]:
    still = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate", "transition": {"duration": 0}}
    steps = [{"label": caption, "method": "animate", "args": [[caption], still]} for caption in captions]
    return {"steps": steps, "currentvalue": {"prefix": f"{word} "}, "pad": {"t": 36}}


def lines(at: Sequence[int], series: dict[str, NDArray[np.float64]], *, word: str, told: str) -> Figure:
    """One derived number over time, a line a layer."""
    from plotly.graph_objects import Scatter

    traces = [
        Scatter(x=list(at), y=np.round(values, 5).tolist(), name=name, mode="lines+markers", line={"color": colour})
        for (name, values), colour in zip(series.items(), PALETTE * (1 + len(series)), strict=False)
    ]
    drawn = figure(*traces, height=250, showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"})
    drawn.update_layout(margin={"t": 44})
    drawn.update_xaxes(title_text=word)
    return drawn.update_yaxes(title_text=told)
