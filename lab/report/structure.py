"""Pictures of exact structure: the kinds of walk vectors in a pyramid, how they multiply, how far a stack reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.exact.lattices import Integers, Lattice, pyramid
from lab.exact.look_up import look_ups
from lab.exact.walk_classes import Row, kinds, tallies
from lab.exact.walks import integers, residues, scale
from lab.report.theme import BLUE, DASHES, GREY, MARKS, PALETTE, VERMILION, figure

if TYPE_CHECKING:
    from plotly.graph_objects import Figure, Scatter

FIRST_SHOWN = 4
POWERS = range(1, 13)
SYMBOLS = {"alike": "circle", "apart": "square", "ambiguous": "star", "out of reach": "x-thin-open"}


@dataclass(frozen=True)
class View:
    """What one node sees of all others, with powers 0 .. field."""

    kind: Integers
    """[nodes]: the kind of the pair with each node."""
    pairs: Integers
    """[nodes]: how many ordered pairs of the graph are of that kind."""
    standing: list[str]
    """Of each pair: alike, apart, ambiguous or out of reach."""


def view(base: int, field: int) -> Figure:
    """A pyramid as its middle node sees it; a slider changes the receptive field."""
    lattice = pyramid(base)
    source = _middle(lattice)
    keys = residues(lattice, field)
    views = [_view(lattice, source, kinds(key)[0], reach[source]) for key, reach in keys]
    vectors = _vectors(lattice, source, field)
    shown = min(FIRST_SHOWN, field)
    traces = [_seen(lattice, each, vectors, at, is_shown=at == shown) for at, each in enumerate(views)]
    steps = [
        {
            "label": str(at),
            "method": "restyle",
            "args": ["visible", [True, *(at == other for other in range(field + 1))]],
        }
        for at in range(field + 1)
    ]
    slider = {"active": shown, "currentvalue": {"prefix": "receptive field "}, "steps": steps, "pad": {"t": 24}}
    drawn = figure(_lines(lattice), *traces, height=560, sliders=[slider], margin={"l": 8, "r": 12, "t": 12, "b": 72})
    drawn.update_xaxes(visible=False)
    drawn.update_yaxes(visible=False, scaleanchor="x")
    return drawn


def multiplied(rows: Sequence[Row], trap: Sequence[Row]) -> Figure:
    """The number of kinds by field: exact as lines, in float32 as crosses."""
    from plotly.graph_objects import Scatter

    exact = [_by_field(each, [row.kinds for row in each], at) for at, each in enumerate(_by_base(rows))]
    rounded = [
        Scatter(
            x=[row.field for row in each],
            y=[row.kinds for row in each],
            name=f"base {each[0].base}, float32",
            mode="markers",
            marker={"symbol": "x", "size": 9, "color": PALETTE[at % len(PALETTE)]},
        )
        for at, each in enumerate(_by_base(trap))
    ]
    drawn = figure(*exact, *rounded, height=380, showlegend=True)
    drawn.update_xaxes(title_text="receptive field")
    drawn.update_yaxes(title_text="kinds of walk vectors", type="log")
    return drawn


def reached(rows: Sequence[Row]) -> Figure:
    """The share of ordered pairs within the field, by field."""
    lines = [_by_field(each, [row.share for row in each], at) for at, each in enumerate(_by_base(rows))]
    drawn = figure(*lines, height=320, showlegend=True)
    drawn.update_xaxes(title_text="receptive field")
    drawn.update_yaxes(title_text="share of pairs in the field", range=[0, 1.05])
    return drawn


def looked_up(base: int) -> Figure:
    """What a look-up table learns of a pyramid, and what it knows of the next larger one, by number of powers."""
    from plotly.graph_objects import Scatter

    told = look_ups([pyramid(base)], [pyramid(base + 1)], POWERS).values()
    named = (
        ("learnt", [each.learnt for each in told]),
        ("right on the larger one", [each.found for each in told]),
        ("known of the larger one", [each.known for each in told]),
    )
    lines = [
        Scatter(
            x=list(POWERS),
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": PALETTE[at], "width": 2, "dash": DASHES[at]},
            marker={"symbol": MARKS[at], "size": 8, "color": PALETTE[at]},
        )
        for at, (name, values) in enumerate(named)
    ]
    drawn = figure(*lines, height=320, showlegend=True)
    drawn.update_xaxes(title_text="powers")
    drawn.update_yaxes(title_text="share of ordered pairs", range=[0, 1.05])
    return drawn


def _by_base(rows: Sequence[Row]) -> list[list[Row]]:
    bases = dict.fromkeys(row.base for row in rows)
    return [[row for row in rows if row.base == base] for base in bases]


def _by_field(rows: Sequence[Row], values: Sequence[float], at: int) -> Scatter:
    from plotly.graph_objects import Scatter

    colour = PALETTE[at % len(PALETTE)]
    return Scatter(
        x=[row.field for row in rows],
        y=list(values),
        name=f"base {rows[0].base}",
        mode="lines+markers",
        line={"color": colour, "width": 2, "dash": DASHES[at % len(DASHES)]},
        marker={"symbol": MARKS[at % len(MARKS)], "size": 8, "color": colour},
    )


def _middle(lattice: Lattice) -> int:
    away = lattice.places - lattice.places.mean(axis=0)
    return int((away**2).sum(axis=1).argmin())


def _view(lattice: Lattice, source: int, kind: Integers, reach: np.ndarray[Any, np.dtype[np.bool_]]) -> View:
    alike, apart = tallies(kind, lattice.alike)
    mine = kind[source]
    standing = [
        "out of reach" if not seen else "ambiguous" if both else "alike" if same else "apart"
        for seen, both, same in zip(
            reach.tolist(),
            ((alike[mine] > 0) & (apart[mine] > 0)).tolist(),
            lattice.alike[source].tolist(),
            strict=True,
        )
    ]
    return View(mine, (alike + apart)[mine], standing)


def _vectors(lattice: Lattice, source: int, field: int) -> list[list[float]]:
    """[nodes][field + 1]: the walk vectors of the source's pairs."""
    whole = scale(lattice)
    columns = [
        [int(each) / whole**power for each in walks[source]] for power, walks in enumerate(integers(lattice, field))
    ]
    return [list(vector) for vector in zip(*columns, strict=True)]


def _seen(lattice: Lattice, told: View, vectors: list[list[float]], field: int, *, is_shown: bool) -> Scatter:
    from plotly.graph_objects import Scatter

    x, y = _plane(lattice)
    hover = [
        f"row {row}, column {column}: {standing}<br>{pairs:,} pairs share it<br>"
        + " ".join(f"{number:.4g}" for number in vector[: field + 1])
        for (row, column), standing, pairs, vector in zip(
            lattice.places.tolist(), told.standing, told.pairs.tolist(), vectors, strict=True
        )
    ]
    is_out = np.array([standing == "out of reach" for standing in told.standing])
    outline = [VERMILION if standing == "ambiguous" else GREY for standing in told.standing]
    return Scatter(
        x=x,
        y=y,
        mode="markers",
        visible=is_shown,
        hovertext=hover,
        hoverinfo="text",
        marker={
            "symbol": [SYMBOLS[standing] for standing in told.standing],
            "size": max(8, 26 - lattice.nodes // 20),
            "color": np.where(is_out, np.nan, np.log10(told.pairs)).tolist(),
            "colorscale": "Cividis",
            "showscale": True,
            "cmin": 0,
            "cmax": float(np.log10(lattice.nodes * 6)),
            "colorbar": {"title": {"text": "pairs that share it, log10"}, "thickness": 12},
            "line": {"color": outline, "width": 1.5},
        },
    )


def _lines(lattice: Lattice) -> Scatter:
    from plotly.graph_objects import Scatter

    x, y = _plane(lattice)
    ends = [(a, b) for a, b in lattice.edges.tolist()]
    return Scatter(
        x=[at for a, b in ends for at in (x[a], x[b], None)],
        y=[at for a, b in ends for at in (y[a], y[b], None)],
        mode="lines",
        hoverinfo="skip",
        line={"color": BLUE, "width": 0.6},
        opacity=0.4,
    )


def _plane(lattice: Lattice) -> tuple[list[float], list[float]]:
    row, column = lattice.places.T
    return (column - row / 2).tolist(), (-row * 3**0.5 / 2).tolist()
