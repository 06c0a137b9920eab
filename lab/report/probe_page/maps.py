"""Maps of the probe page: names from the input to the read-out, over the time of training."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.analysis.probed import Grid, Probed
from lab.analysis.table import Truths
from lab.analysis.timeline import Map, between, edges_of, map_of
from lab.records.blocks import block_of
from lab.report.probe_page.lines import own_words
from lab.report.probe_page.marks import over_steps, reach
from lab.report.theme import BLUE, GREY, VERMILION, figure, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

COLOURS = "Cividis"
APART = [[0.0, BLUE], [0.5, "rgba(128,134,145,0.10)"], [1.0, VERMILION]]
"""Below, alike, above: what is alike shows the paper."""
TALLEST = 800
"""Pixels of a map: it must fit a sheet of paper."""
ROW, NAMED_ROW = 15, 11
"""Pixels of a row where there is room, and the least that a name of its own needs."""
RATIOS = {"update_weight": ("update / weight", -5.0, -1.0), "grad_weight": ("gradient / weight", -4.5, 0.5)}
"""How each ratio is told, and log10 at the ends of the colours; what is usual lies in the middle."""


def ratios(probed: Probed, statistic: str) -> Figure | None:
    """Tensors by time: log10 of a ratio; grey where exactly nothing moved, a cross where something was not finite."""
    grid = probed.grid("gradients", statistic)
    if grid is None:
        return None
    told = map_of(grid, edges_of(probed.steps))
    _, low, high = RATIOS[statistic]
    drawn = _map(_logs(told), (low, high), _powers(range(round(low), round(high) + 1)), "10<sup>%{z:.2f}</sup>")
    drawn.add_traces([_layer(told, told.values == 0, GREY, "exactly nothing"), *_not_finite(probed, told)])
    return over_steps(drawn, probed)


def difference(one: Probed, other: Probed, statistic: str) -> Figure | None:
    """Tensors by time: how many times the other's ratio is the one's."""
    grids = [probed.grid("gradients", statistic) for probed in (one, other)]
    told = between(grids[0], grids[1]) if grids[0] is not None and grids[1] is not None else None
    if told is None or not np.isfinite(told.values).any():
        return None
    bar = {"tickvals": [-1, 0, 1], "ticktext": ["a tenth", "alike", "tenfold"]}
    drawn = _map(told, (-1.5, 1.5), bar, "10<sup>%{z:+.2f}</sup> times", colours=APART)
    drawn.update_xaxes(title_text="step", range=reach(int(told.edges[-1])), fixedrange=False)
    return drawn.update_layout(meta="steps")


def heads(probed: Probed) -> Figure | None:
    """Attention heads by time: how many nodes a node reads, effectively."""
    grid = probed.grid("attention", "n_eff")
    if grid is None:
        return None
    told = map_of(replace(grid, names=_heads(grid.names)), edges_of(probed.steps))
    most = float(np.nanmax(told.values)) if np.isfinite(told.values).any() else 1.0
    marks = [mark for mark in (1, 2, 5, 10, 20, 50, 100, 200, 500) if mark <= max(2.0, most)]
    bar = {"tickvals": np.log10(marks).tolist(), "ticktext": list(map(str, marks))}
    share = probed.grid("attention", "n_eff_share")
    beside = map_of(share, told.edges).values if share is not None and share.names == grid.names else None
    says = "%{customdata[0]:.3g} nodes" + (", %{customdata[1]:.1%} of what it may read" if beside is not None else "")
    drawn = _map(_logs(told), (0.0, max(np.log10(most), 0.3)), bar, says)
    drawn.data[0].customdata = np.dstack([told.values, told.values if beside is None else beside])
    return over_steps(drawn, probed)


def shares(probed: Probed, grid: Grid) -> Figure:
    """Names by time: a share between nothing and all."""
    bar = {"tickvals": [0, 0.5, 1], "ticktext": ["0", "0.5", "1"]}
    drawn = _map(map_of(grid, edges_of(probed.steps)), (0.0, 1.0), bar, "%{z:.3f}")
    return over_steps(drawn, probed)


def _heads(names: tuple[str, ...]) -> tuple[str, ...]:
    """Heads by their number and as much of their module's name as tells it apart."""
    parted = [name.rpartition("#")[::2] for name in names]
    modules = list(dict.fromkeys(module for module, _ in parted))
    short = dict(zip(modules, own_words(modules), strict=True))
    return tuple(f"{short[module]} head {head}" for module, head in parted)


def _map(told: Map, ends: tuple[float, float], bar: dict[str, Any], says: str, *, colours: Any = COLOURS) -> Figure:
    from plotly.graph_objects import Heatmap

    rows = len(told.names)
    row = min(ROW, TALLEST / rows)
    heat = Heatmap(
        x=told.edges,
        y=[words(name) for name in told.names],
        z=np.round(told.values, 3),
        zmin=ends[0],
        zmax=ends[1],
        colorscale=colours,
        colorbar=_bar(row * rows) | bar,
        hovertemplate=f"%{{y}}, step %{{x:,.0f}}: {says}<extra></extra>",
        hoverongaps=False,
    )
    drawn = figure(heat, height=round(row * rows) + 96, margin={"l": 8, "r": 12, "t": 34, "b": 8})
    places, labels = _labels(told.names, row)
    drawn.update_yaxes(
        type="category",
        range=[rows - 0.5, -0.5],
        tickvals=[words(told.names[place]) for place in places],
        ticktext=labels,
        tickfont={"size": 10},
        showgrid=False,
    )
    drawn.update_xaxes(showgrid=False)
    return drawn


def _labels(names: tuple[str, ...], row: float) -> tuple[list[int], list[str]]:
    """A label a row where there is room, else one a block, at its first row."""
    if row >= NAMED_ROW:
        return list(range(len(names))), [words(_short(name)) for name in names]
    first = {block_of(name): place for place, name in reversed(list(enumerate(names)))}
    ordered = sorted(first.items(), key=lambda item: item[1])
    apart = max(1, math.ceil(NAMED_ROW / row))
    kept: list[tuple[str, int]] = []
    for block, place in ordered:
        if not kept or place - kept[-1][1] >= apart:
            kept.append((block, place))
    return [place for _, place in kept], [words(_short(block)) for block, _ in kept]


def _short(name: str, longest: int = 38) -> str:
    """A long name without its middle: its block and its own word matter most."""
    return name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 :]}"


def _bar(height: float) -> dict[str, Any]:
    """The scale of the colours, above the map at its right end."""
    return {
        "orientation": "h", "thickness": 8, "len": 180, "lenmode": "pixels", "x": 1, "xanchor": "right", "xpad": 0,
        "y": 1 + 10 / height, "yanchor": "bottom", "ypad": 0, "outlinewidth": 0, "tickangle": 0,
        "tickfont": {"size": 10},
    }  # fmt: skip


def _powers(exponents: range) -> dict[str, Any]:
    told = [exponent for exponent in exponents if exponent % 2 or len(exponents) < 6]
    texts = [f"10<sup>{exponent}</sup>".replace("-", "\N{MINUS SIGN}") for exponent in told]
    return {"tickvals": told, "ticktext": texts}


def _logs(told: Map) -> Map:
    with np.errstate(all="ignore"):
        values = np.log10(told.values)
    return Map(told.names, told.edges, np.where(np.isfinite(values), values, np.nan))


def _layer(told: Map, here: Truths, colour: str, says: str) -> Any:
    """One colour over the places that have no logarithm."""
    from plotly.graph_objects import Heatmap

    return Heatmap(
        x=told.edges,
        y=[words(name) for name in told.names],
        z=[[1 if each else None for each in row] for row in here.tolist()],
        colorscale=[[0, colour], [1, colour]],
        opacity=0.35 if colour == GREY else 1.0,
        showscale=False,
        hoverongaps=False,
        hovertemplate=f"%{{y}}, step %{{x:,.0f}}: {says}<extra></extra>",
    )


def _not_finite(probed: Probed, told: Map) -> list[Any]:
    """A layer over what was not finite, where anything was."""
    grid = probed.grid("gradients", "nonfinite")
    if grid is None or grid.names != told.names:
        return []
    here = map_of(grid, told.edges, worst=True).values > 0
    return [_layer(told, here, VERMILION, "not finite")] if here.any() else []
