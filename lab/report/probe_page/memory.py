"""The memory of one step on the probe page: what is alive module by module, and which modules keep most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from lab.analysis.probed import Probed
from lab.report.canvas import lead, panels
from lab.report.numbers import count
from lab.report.probe_page.view import View
from lab.report.theme import BLUE, GREY, ORANGE, ROW, figure, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Drawn: TypeAlias = "Figure | None"
MEGABYTE = 2**20
WAYS = {"forward": BLUE, "backward": ORANGE}
OTHERS = "all others"


def section(view: View) -> str:
    """What one step held, weighed when the run was over."""
    told = [probed for probed in view.sides if probed.memory.timeline]
    if not told:
        return ""
    said = (
        "One training step, weighed beside the run: what is alive after each module on the way forward and back, "
        "weights aside, and the modules that keep most for the way back. An inner module's share is not its owner's."
    )
    drawn = [
        *view.small("Alive", "Megabytes alive, module by module through one step", timeline),
        *view.small("Kept for the way back", "Megabytes that each module keeps, the largest first", saved),
    ]
    return lead(" ".join([said, *(_sizes(view, probed) for probed in told)])) + panels(drawn, large=True)


def timeline(probed: Probed) -> Drawn:
    """The most that is alive until each module is through."""
    from plotly.graph_objects import Scatter

    moments = probed.memory.timeline
    if not moments:
        return None
    traces: list[Any] = []
    for way, colour in WAYS.items():
        spots = [spot for spot, moment in enumerate(moments) if moment.way == way]
        traces.append(
            Scatter(
                x=spots,
                y=[moments[spot].alive / MEGABYTE for spot in spots],
                customdata=[words(moments[spot].module) for spot in spots],
                mode="lines",
                name=way,
                fill="tozeroy",
                line={"color": colour, "width": 1.5, "shape": "vh"},
                hovertemplate="%{customdata}: %{y:.4g} MB<extra>" + way + "</extra>",
            )
        )
    drawn = figure(*traces, height=260, showlegend=True)
    drawn.update_layout(legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "xanchor": "left"})
    highest = max(moment.alive for moment in moments) / MEGABYTE
    drawn.update_yaxes(title_text="MB", range=[0, 1.05 * highest])
    drawn.update_xaxes(title_text="modules that are through", showticklabels=False)
    return drawn


def saved(probed: Probed) -> Drawn:
    """What each of the modules keeps that keep most, and all others together."""
    from plotly.graph_objects import Bar

    memory = probed.memory
    if not memory.saved:
        return None
    rest = memory.saved_bytes - sum(size for _, size in memory.saved)
    told = [*memory.saved, *([(OTHERS, rest)] if rest > 0 else [])]
    places = list(range(len(told)))
    bars = Bar(
        x=[size / MEGABYTE for _, size in told],
        y=places,
        orientation="h",
        marker={"color": [GREY if name == OTHERS else BLUE for name, _ in told]},
        customdata=[words(name) for name, _ in told],
        hovertemplate="%{customdata}: %{x:.4g} MB<extra></extra>",
    )
    drawn = figure(bars, height=72 + ROW * len(told))
    drawn.update_yaxes(
        tickvals=places, ticktext=[words(name) for name, _ in told], range=[len(told) - 0.4, -0.6], showgrid=False
    )
    drawn.update_xaxes(title_text="MB", rangemode="tozero")
    return drawn


def _sizes(view: View, probed: Probed) -> str:
    memory = probed.memory
    side = f"{view.name(probed)}: " if view.is_pair else ""
    highest = max(moment.alive for moment in memory.timeline) / MEGABYTE
    kept = memory.saved_bytes / MEGABYTE
    return f"{side}{count(memory.graphs, 'graph')}, {highest:.3g} MB at most, {kept:.3g} MB kept."
