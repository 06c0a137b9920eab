"""Lines of the probe page: what one number, or a few, did over the time of training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lab.analysis.probed import Grid, Probed
from lab.analysis.table import Floats
from lab.analysis.timeline import profiles, thinned
from lab.report.bands import band_of
from lab.report.probe_page.marks import over_steps
from lab.report.theme import BLUE, DASHES, GREEN, GREY, MARKS, ORANGE, PALETTE, VERMILION, figure, words
from lab.spec.rules.gradients import GradWeightBand, UpdateHigh, UpdateLow

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Drawn: TypeAlias = "Figure | None"
Reading = Callable[[Probed], Grid | None]
"""What is drawn of a trial."""
TALL = 250
BAND = (GradWeightBand().low, GradWeightBand().high)
"""Where the median of gradient over weight lies in a run that learns well."""
MOVES = (UpdateLow().under, UpdateHigh().lasting)
"""Where the median of update over weight lies in a run that learns at all and is not torn about."""
WIDE = 20.0
"""The ratio of heights from which an axis goes by powers of ten."""
FEW = 2.5
"""Powers of ten that an axis needs marks between."""
MOST_LINES = 12
"""Lines of one figure."""
DEPTHS = (BLUE, "#3f8fbf", "#7fa6ad", "#b3a56f", "#d9a12b", "#e08a16", VERMILION)
"""From the first block to the last, or from the start to the end; none vanishes on either kind of paper."""


def loss(probed: Probed) -> Drawn:
    """The loss of each step, and that of the validation graphs by epoch."""
    grid, traces = probed.total("gradients", "loss"), []
    if grid is not None:
        traces += list(_banded(thinned(grid), 0, GREY, "training"))
    if told := probed.history.get("valid.loss", ()):
        steps = [step for step, _ in zip(probed.epoch_ends, told, strict=False)]
        traces.append(_line(steps, list(told), BLUE, "validation", mark=MARKS[0] if len(told) < 40 else ""))
    if not traces:
        return None
    if math.isfinite(guess := probed.facts.label_entropy):
        traces.append(_line([0, probed.steps - 1], [guess, guess], GREY, "of guessing", dash="dot"))
    return over_steps(_drawn(traces), probed)


def rate(probed: Probed) -> Drawn:
    """The learning rate as it was applied."""
    grid = probed.total("gradients", "lr")
    return _of_total(grid, "learning rate", probed) if grid is not None else None


def noise(probed: Probed) -> Drawn:
    """The gradient's noise scale: the batch size at which noise and signal are equal."""
    grid = probed.total("noise", "noise_scale")
    return _of_total(grid, "noise scale, graphs", probed) if grid is not None else None


def link_ratio(probed: Probed) -> Drawn:
    """How many pairs without a link a batch has for each with one, as a power of e."""
    grid = probed.total("inputs", "link_ratio")
    if grid is None or not np.isfinite(grid.values).any():
        return None
    return _of_total(grid, "log ratio", probed).update_yaxes(type="linear")


def norm(probed: Probed) -> Drawn:
    """The norm of the whole gradient as it was found, and as the update used it where it was clipped."""
    grid, clip = probed.total("gradients", "total_norm"), probed.total("gradients", "clip_coef")
    if grid is None:
        return None
    traces = list(_banded(thinned(grid), 0, BLUE, "as found"))
    if clip is not None and (clip.low < 0.999).any() and np.array_equal(clip.steps, grid.steps):
        used = thinned(Grid(grid.names, grid.steps, *([grid.values * clip.values] * 3)))
        traces.append(_line(used.steps, used.values[0], ORANGE, "as used, after clipping", dash="dash"))
    return over_steps(_drawn(traces), probed)


def ratio(probed: Probed, statistic: str) -> Drawn:
    """The middle over the weight matrices with what lies between 5 % and 95 % of them, over what is usual."""
    grid = probed.grid("gradients", statistic)
    own = grid.only(probed.matrices.__contains__) if grid is not None else None
    if own is None:
        return None
    fewer = thinned(own)
    kept = np.where(np.isfinite(fewer.values), fewer.values, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, middle, high = np.nanquantile(kept, [0.05, 0.5, 0.95], axis=0, keepdims=True)
    told = Grid(("median",), fewer.steps, middle, low, high)
    name = "gradient / weight" if statistic == "grad_weight" else "update / weight"
    drawn = _drawn(list(_banded(told, 0, BLUE, f"median of {name}")))
    usual = BAND if statistic == "grad_weight" else MOVES
    drawn.add_hrect(y0=usual[0], y1=usual[1], fillcolor=GREEN, opacity=0.10, line_width=0, layer="below")
    for edge in usual:
        drawn.add_hline(y=edge, line={"color": GREEN, "width": 1, "dash": "dot"})
    return over_steps(drawn.update_layout(showlegend=False), probed)


def depth(probed: Probed, *, read: Reading) -> Drawn:
    """A profile over the depth of the model at a few moments, the first dark and the last bright."""
    from plotly.graph_objects import Scatter

    grid = read(probed)
    if grid is None or len(grid.names) < 2:
        return None
    told = profiles(grid, probed.steps)
    traces = [
        Scatter(
            x=[words(each) for each in grid.names],
            y=_known(values),
            mode="lines+markers",
            name=f"step {step:,}",
            line={"color": colour, "width": 2},
            marker={"size": 7, "symbol": MARKS[place % len(MARKS)]},
            hovertemplate=f"%{{x}}, step {step:,}: %{{y:.3g}}<extra></extra>",
        )
        for place, ((step, values), colour) in enumerate(zip(told, _depths(len(told)), strict=True))
    ]
    drawn = _drawn(traces)
    drawn.update_xaxes(title_text="from the input to the read-out", type="category", nticks=12)
    return drawn


def by_name(probed: Probed, *, read: Reading, is_share: bool) -> Drawn:
    """A line a module, coloured from the input to the read-out; of many, those that reach the highest."""
    grid = read(probed)
    if grid is None or not np.isfinite(grid.values).any():
        return None
    with np.errstate(all="ignore"):
        peaks = np.nan_to_num(np.where(np.isfinite(grid.high), grid.high, np.nan), nan=-np.inf).max(axis=1)
    kept = sorted(np.argsort(-peaks, kind="stable")[:MOST_LINES].tolist())
    told = thinned(grid.rows([place for place in kept if np.isfinite(peaks[place])]))
    said = zip(own_words(told.names), _depths(len(told.names)), strict=True)
    traces = [
        _line(told.steps, told.values[place], colour, each, dash=DASHES[place % 3])
        for place, (each, colour) in enumerate(said)
    ]
    return over_steps(_drawn(traces, is_share=is_share), probed)


def classes(probed: Probed, told: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """A share a class by step: lines that cross again and again are a see-saw."""
    traces = [
        _line(steps, list(values), PALETTE[place % len(PALETTE)], f"class {label}", mark=_mark(place, values))
        for place, (label, (steps, values)) in enumerate(told.items())
    ]
    drawn = _drawn(traces, is_share=True)
    drawn.update_yaxes(range=[-0.03, 1.03])
    return over_steps(drawn, probed)


def scale(figures: Sequence[Figure]) -> None:
    """Put figures on one scale of heights: powers of ten where they may, and where equal steps show too little."""
    is_free = all(each.layout.yaxis.type == "log" for each in figures)
    told = [value for each in figures for value in _heights(each) if value > 0 or not is_free]
    if not told:
        return
    low, high = min(told), max(told)
    is_wide = is_free and high > WIDE * low
    ends = [math.log10(low), math.log10(high)] if is_wide else [low, high or 1.0]
    air = 0.06 * (ends[1] - ends[0]) or 0.1 * abs(ends[1])
    for each in figures:
        each.update_yaxes(type="log" if is_wide else "linear", range=[ends[0] - air, ends[1] + air])
        if is_wide:
            each.update_yaxes(**_powers(*ends))


def _powers(low: float, high: float) -> dict[str, Any]:
    """Marks at powers of ten, no more than a handful; between them too where there are few."""
    first, last = math.floor(low), math.ceil(high)
    if high - low <= FEW:
        told = [each * 10.0**power for power in range(first, last + 1) for each in (1, 2, 5)]
        return {"tickvals": told, "ticktext": [f"{each:g}" for each in told]}
    powers = range(first, last + 1, max(1, round((last - first) / 6)))
    texts = [f"10<sup>{power}</sup>".replace("-", "\N{MINUS SIGN}") for power in powers]
    return {"tickvals": [10.0**power for power in powers], "ticktext": texts}


def _heights(drawn: Figure) -> Iterator[float]:
    """Every height that a figure draws, that of the lines and bands across it included."""
    for trace in drawn.data:
        yield from (float(y) for y in trace.y if y is not None and math.isfinite(y))
    for shape in drawn.layout.shapes:
        if shape.yref == "y":
            yield from (float(shape.y0), float(shape.y1))


def _of_total(grid: Grid, name: str, probed: Probed) -> Figure:
    drawn = _drawn(list(_banded(thinned(grid), 0, BLUE, name)))
    return over_steps(drawn.update_layout(showlegend=False), probed)


def _drawn(traces: Sequence[Any], *, is_share: bool = False) -> Figure:
    shown = [trace for trace in traces if trace.showlegend is not False]
    legend = {"orientation": "h", "x": 0, "y": 1.04, "yanchor": "bottom", "xanchor": "left", "font": {"size": 11}}
    drawn = figure(*traces, height=TALL, showlegend=len(shown) > 1, legend=legend)
    return drawn.update_yaxes(type="linear" if is_share else "log")


def _banded(grid: Grid, row: int, colour: str, name: str) -> Iterator[Any]:
    """A line with the band of the extremes of what each of its points stands for."""
    low, high = grid.low[row], grid.high[row]
    there = np.isfinite(low) & np.isfinite(high)
    if (low[there] < high[there]).any():
        steps, least, most = (told[there].tolist() for told in (grid.steps, low, high))
        yield band_of(steps, least, most, colour=colour)
    yield _line(grid.steps, grid.values[row], colour, name)


def _line(steps: Any, values: Any, colour: str, name: str, *, dash: str = "solid", mark: str = "") -> Any:
    from plotly.graph_objects import Scatter

    return Scatter(
        x=list(map(int, steps)),
        y=_known(values),
        mode="lines+markers" if mark else "lines",
        name=words(name),
        line={"color": colour, "width": 1.8, "dash": dash},
        marker={"size": 6, "symbol": mark or None},
        hovertemplate="step %{x:,.0f}: %{y:.4g}<extra>" + words(name) + "</extra>",
    )


def own_words(names: Sequence[str]) -> list[str]:
    """Names without the words that all of them end with."""
    parts = [name.split(".") for name in names]
    shared = 0
    while len(names) > 1 and len({tuple(each[len(each) - shared - 1 :]) for each in parts}) == 1:
        shared += 1
    return [".".join(each[: len(each) - shared]) or name for each, name in zip(parts, names, strict=True)]


def _mark(place: int, values: Sequence[float]) -> str:
    return MARKS[place % len(MARKS)] if len(values) < 60 else ""


def _known(values: Sequence[float] | Floats) -> list[float | None]:
    """Numbers that can be drawn; a gap for every other."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values]


def _depths(count: int) -> list[str]:
    """Colours from dark to bright, as many as are asked for."""
    last = len(DEPTHS) - 1
    return [DEPTHS[round(place * last / max(1, count - 1))] for place in range(count)]
