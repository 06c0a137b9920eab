"""The figures of a report, in plotly: every number in them is one of the analysis, none is worked out here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.analysis.cells import CellScore
from lab.analysis.costs import CostFront
from lab.analysis.curves import Band, Curve
from lab.analysis.effects import Effect
from lab.analysis.estimate import Estimate
from lab.analysis.heat import Heat
from lab.analysis.margins import Margins
from lab.analysis.numbered import Numbered
from lab.analysis.outline import shown
from lab.report.bands import with_band
from lab.report.numbers import decimals, interval, number
from lab.report.theme import (
    BLUE,
    DASHES,
    GREY,
    MARKS,
    PALETTE,
    ROW,
    VERMILION,
    broken,
    figure,
    whiskers,
    words,
)

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

LABEL = 15
"""Pixels of a line of a label."""
MOST_ROWS = 40
"""Rows of one figure; the table has them all."""
HEAT_LOW, HEAT_HIGH = -4.5, -1.5
"""log10 of a block's step over its weights at the ends of the colours: a thousandth is in the middle."""
HEAT_COLOURS = "Cividis"


def forest(effects: Sequence[Effect], score: str) -> Figure:
    """Each effect as a point with its 95 % interval; filled where it is told apart from nothing."""
    told = [
        (f"{effect.factor.rsplit('.', 1)[-1]}\n{shown(effect.against)} → {shown(effect.level)}", effect)
        for effect in effects
        if effect.difference.n
    ]
    return changes([(label, effect.difference, effect.told_apart) for label, effect in told], score)


def changes(told: Sequence[tuple[str, Estimate, bool]], score: str) -> Figure:
    """Differences by name with their 95 % intervals, around zero; filled where they are told apart from it."""
    from plotly.graph_objects import Scatter

    rows = told[:MOST_ROWS]
    traces = []
    for place, (label, each, is_told) in enumerate(rows):
        colour = BLUE if is_told else GREY
        traces.append(
            Scatter(
                x=[each.mean],
                y=[place],
                mode="markers",
                error_x=_reach([each], colour),
                marker={"color": colour, "size": 10, "symbol": "circle" if is_told else "circle-open"},
                hovertemplate=_hover(label.replace("\n", ": "), each, signed=True),
            )
        )
    drawn = figure(*traces, height=_tall(len(rows), ROW))
    drawn.add_vline(x=0, line={"color": GREY, "width": 1.2})
    drawn.update_xaxes(title_text=f"difference in {words(score)}", range=_around_zero([each for _, each, _ in rows]))
    return _rows(drawn, ["<br>".join(map(broken, label.split("\n"))) for label, _, _ in rows])


def cells(ranked: Sequence[CellScore], score: str, lines: Mapping[str, float]) -> Figure:
    """Each cell's mean score with its 95 % interval, the best first, over the data set's known scores."""
    from plotly.graph_objects import Scatter

    told = [cell for cell in ranked if cell.score.n][:MOST_ROWS]
    traces = [
        Scatter(
            x=[cell.score.mean],
            y=[place],
            mode="markers",
            error_x=_reach([cell.score], BLUE if cell.could_be_best else GREY),
            marker={
                "color": BLUE if cell.could_be_best else GREY,
                "size": 10,
                "symbol": "diamond" if cell.is_reference else "circle",
            },
            hovertemplate=_hover(cell.says, cell.score),
        )
        for place, cell in enumerate(told)
    ]
    drawn = figure(*traces, height=_tall(len(told), ROW))
    low, high = _span([cell.score for cell in told])
    air = 0.35 * (high - low)
    near = sorted((value, name) for name, value in lines.items() if low - air <= value <= high + air)
    for place, (value, name) in enumerate(near):
        drawn.add_vline(x=value, line={"color": VERMILION, "width": 1, "dash": "dot"})
        drawn.add_annotation(
            x=value,
            y=1,
            yref="paper",
            yshift=LABEL * place,
            yanchor="bottom",
            text=words(name),
            showarrow=False,
            xanchor="right" if value > (low + high) / 2 else "left",
            font={"size": 11},
        )
    drawn.update_layout(margin={"l": 8, "r": 12, "t": 12 + LABEL * len(near), "b": 8})
    drawn.update_xaxes(title_text=words(score))
    return _rows(drawn, [broken(cell.says) for cell in told])


def interaction(margins: Margins, score: str) -> Figure:
    """The mean score by the levels of one factor, a line for each level of the other: parallel lines add up."""
    from plotly.graph_objects import Scatter

    first, second = (factor.rsplit(".", 1)[-1] for factor in margins.factors)
    marks = [words(shown(level)) for level in margins.levels[0]]
    traces = []
    for place, level in enumerate(margins.levels[1]):
        told = [row[place] for row in margins.scores]
        colour = PALETTE[place % len(PALETTE)]
        traces.append(
            Scatter(
                x=[spot + 0.03 * (place - (len(margins.levels[1]) - 1) / 2) for spot in range(len(marks))],
                y=[each.mean for each in told],
                mode="lines+markers",
                name=f"{words(second)} = {words(shown(level))}",
                error_y=_reach(told, colour),
                line={"color": colour, "width": 2, "dash": DASHES[place % len(DASHES)]},
                marker={"size": 9, "symbol": MARKS[place % len(MARKS)]},
                hovertemplate="%{y:.4g}<extra>" + f"{words(second)} = {words(shown(level))}</extra>",
            )
        )
    drawn = figure(*traces, height=300, showlegend=True, legend=_legend())
    drawn.update_xaxes(
        title_text=words(first), tickvals=list(range(len(marks))), ticktext=marks, range=[-0.35, len(marks) - 0.65]
    )
    drawn.update_yaxes(title_text=words(score))
    return drawn


def curves(drawn_curves: Sequence[Curve], says: Mapping[str, str], score: str, lines: Mapping[str, float]) -> Figure:
    """Mean score by epoch, a line a cell with the band of its 95 % interval; known scores of the data are dotted."""
    traces = [trace for place, curve in enumerate(drawn_curves) for trace in _curve(curve, says, place)]
    drawn = figure(*traces, height=260, showlegend=len(drawn_curves) > 1, legend=_legend())
    for name, value in lines.items():
        drawn.add_hline(
            y=value,
            line={"color": VERMILION, "width": 1, "dash": "dot"},
            annotation={"text": words(name), "font": {"size": 10, "color": VERMILION}, "xanchor": "right"},
            annotation_position="top right",
        )
    drawn.update_xaxes(title_text="epoch", rangemode="tozero")
    drawn.update_yaxes(title_text=words(score))
    return drawn


def panel(curve: Curve, base: Curve | None, among: Sequence[Curve], score: str, lines: Mapping[str, float]) -> Figure:
    """One cell's curve beside the base's, on the scale of all curves of the page."""
    beside = [base] if base is not None and base.cell != curve.cell else []
    drawn = curves([curve, *beside], {}, score, {})
    low, high = _seen(among)
    air = 0.06 * (high - low) or 0.5
    for value in lines.values():
        if low - air <= value <= high + air:
            drawn.add_hline(y=value, line={"color": VERMILION, "width": 1, "dash": "dot"})
    drawn.update_layout(height=210, showlegend=False)
    drawn.update_yaxes(range=[low - air, high + air], title_text="", nticks=6)
    drawn.update_xaxes(title_text="")
    return drawn


def health(heat: Heat) -> Figure:
    """Blocks by time: how far a block moves at a step, against the size of its weights."""
    from plotly.graph_objects import Heatmap

    drawn = figure(
        Heatmap(
            x=list(heat.steps),
            y=[words(block) for block in heat.blocks],
            z=[[value if math.isfinite(value) else None for value in row] for row in heat.values.tolist()],
            zmin=HEAT_LOW,
            zmax=HEAT_HIGH,
            colorscale=HEAT_COLOURS,
            showscale=False,
            hovertemplate="%{y}, step %{x}: 10<sup>%{z:.1f}</sup><extra></extra>",
        ),
        height=_tall(len(heat.blocks), 20),
    )
    drawn.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 11})
    drawn.update_xaxes(title_text="step", showgrid=False)
    return drawn


def cost(front: CostFront, score: str) -> Figure:
    """Score against price; the line joins the cells that nothing beats on both."""
    from plotly.graph_objects import Scatter

    best = [point for point in front.points if point.is_front]
    rest = [point for point in front.points if not point.is_front]
    traces = [
        Scatter(
            x=[point.cost for point in points],
            y=[point.score.mean for point in points],
            mode=mode,
            name=name,
            line={"color": BLUE, "width": 1.5, "shape": "hv"},
            marker={"color": colour, "size": 9, "symbol": symbol},
            error_y=_reach([point.score for point in points], colour),
            customdata=[words(point.says) for point in points],
            hovertemplate="%{customdata}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        )
        for points, mode, name, colour, symbol in (
            (rest, "markers", "beaten on both", GREY, "circle-open"),
            (best, "lines+markers", "beaten by none", BLUE, "circle"),
        )
        if points
    ]
    drawn = figure(*traces, height=300, showlegend=True, legend=_legend())
    prices = [point.cost for point in front.points if point.cost > 0]
    is_wide = len(prices) == len(front.points) and prices and max(prices) > 20 * min(prices)
    drawn.update_xaxes(title_text=words(cost_name(front.name)), type="log" if is_wide else "linear")
    drawn.update_yaxes(title_text=words(score))
    return drawn


def cost_name(name: str) -> str:
    """A cost as a reader says it."""
    known = {
        "cost.seconds": "seconds a run",
        "cost.step_ms": "milliseconds a step",
        "cost.peak_mb": "peak memory, MB",
        "cost.saved_mb": "kept for the backward pass, MB",
        "cost.rss_mb": "peak memory of the process, MB",
        "cost.params": "parameters",
    }
    return known.get(name, name.removeprefix("cost."))


def _curve(curve: Curve, says: Mapping[str, str], place: int) -> Iterable[Any]:
    band = Band(curve.mean, curve.low, curve.high, curve.seeds)
    name = words(says.get(curve.cell, curve.cell))
    return with_band(Numbered(curve.cell, curve.epochs, band), place, name=name, hover="epoch %{x}: %{y:.4g}")


def _reach(told: Sequence[Estimate], colour: str) -> dict[str, Any]:
    ends = [(each.low, each.high) if each.has_interval else (each.mean, each.mean) for each in told]
    return whiskers([low for low, _ in ends], [each.mean for each in told], [high for _, high in ends], colour)


def _hover(name: str, told: Estimate, *, signed: bool = False) -> str:
    digits = decimals([told])
    said = f"{number(told.mean, digits, signed=signed)} {interval(told, digits, signed=signed)}, n = {told.n}"
    return f"{broken(name, 48)}<br>{said}<extra></extra>".replace("%{", "% {")


def _rows(drawn: Figure, labels: Sequence[str]) -> Figure:
    """Name the rows from above, and make them as tall as the longest of their names."""
    lines = max((label.count("<br>") + 1 for label in labels), default=1)
    margin = drawn.layout.margin
    drawn.update_layout(height=_tall(len(labels), max(ROW, LABEL * lines + 5)) + margin.t - 12)
    drawn.update_yaxes(
        ticklabelstandoff=6,
        tickvals=list(range(len(labels))),
        ticktext=list(labels),
        range=[len(labels) - 0.4, -0.6],
        showgrid=False,
    )
    return drawn


def _tall(rows: int, row: int) -> int:
    return 72 + row * max(rows, 1)


def _legend() -> dict[str, Any]:
    return {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"}


def _span(told: Sequence[Estimate]) -> tuple[float, float]:
    ends = [end for each in told for end in (each.low, each.mean, each.high) if math.isfinite(end)]
    return (min(ends), max(ends)) if ends else (0.0, 0.0)


def _seen(drawn: Sequence[Curve]) -> tuple[float, float]:
    """The lowest and the highest mean of some curves; a wild band must not flatten them all."""
    means = [value for each in drawn for value in each.mean if math.isfinite(value)]
    return (min(means), max(means)) if means else (0.0, 1.0)


def _around_zero(told: Sequence[Estimate]) -> list[float]:
    """A range that has zero in it and air at both ends."""
    low, high = _span(told)
    low, high = min(low, 0.0), max(high, 0.0)
    air = 0.08 * (high - low) or 1.0
    return [low - air, high + air]
