"""The view: one trial, or two beside one another on shared scales, and the canvas that they are drawn on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.analysis.probed import Probed
from lab.report.canvas import Canvas, panels
from lab.report.probe_page.lines import scale
from lab.report.theme import words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

Draw = Callable[[Probed], "Figure | None"]


@dataclass(frozen=True)
class View:
    """What a probe page is of."""

    sides: tuple[Probed, ...]
    canvas: Canvas

    @property
    def is_pair(self) -> bool:
        """Whether there are two trials."""
        return len(self.sides) > 1

    def name(self, probed: Probed) -> str:
        """How a side is told apart from the other; empty where it is alone."""
        return ("A", "B")[self.sides.index(probed)] if self.is_pair else ""

    def small(self, title: str, says: str, draw: Draw) -> list[str]:
        """A figure a side, to stand among others; nothing where no side has anything to show."""
        return self._drawn(title, says, draw)

    def large(self, title: str, says: str, draw: Draw) -> str:
        """A figure over the whole width, or one a side next to one another."""
        drawn = self._drawn(title, says, draw)
        return panels(drawn, large=True) if self.is_pair and drawn else "".join(drawn)

    def _drawn(self, title: str, says: str, draw: Draw) -> list[str]:
        told = [draw(probed) for probed in self.sides]
        share([figure for figure in told if figure is not None])
        if not any(figure is not None for figure in told):
            return []
        return [
            self.canvas.draw(figure or _empty(), self._of(probed, says), title=self._of(probed, title))
            for probed, figure in zip(self.sides, told, strict=True)
        ]

    def _of(self, probed: Probed, words: str) -> str:
        return " · ".join(part for part in (words, self.name(probed)) if part)


def share(figures: Sequence[Figure]) -> None:
    """Put figures of one kind on one scale: their heights, their colours, and what both axes reach over."""
    heats = [trace for figure in figures for trace in figure.data if trace.type == "heatmap" and trace.zmin is not None]
    for heat in heats:
        heat.update(zmin=min(each.zmin for each in heats), zmax=max(each.zmax for each in heats))
    if not heats:
        scale([figure for figure in figures if figure.layout.yaxis.range is None])
    if len(figures) < 2:
        return
    highest = max(figures, key=lambda each: each.layout.margin.t).layout
    ends = [each.layout.xaxis.range for each in figures if each.layout.xaxis.range]
    for figure in figures:
        height = max(each.layout.height for each in figures)
        figure.update_layout(height=height, margin_t=highest.margin.t, legend_y=highest.legend.y)
        figure.update_traces(colorbar_y=_bar_of(figures), selector={"type": "heatmap"})
        if len(ends) == len(figures):
            figure.update_xaxes(range=[min(low for low, _ in ends), max(high for _, high in ends)])


def _bar_of(figures: Sequence[Figure]) -> float | None:
    """How high the highest scale of colours stands."""
    told = [trace.colorbar.y for figure in figures for trace in figure.data if trace.type == "heatmap"]
    return max((each for each in told if each is not None), default=None)


def _empty() -> Figure:
    """The place of a figure that only the other side has."""
    from lab.report.theme import GREY, figure

    drawn = figure(height=120)
    drawn.update_xaxes(visible=False)
    drawn.update_yaxes(visible=False)
    drawn.add_annotation(
        text=words("not measured"), showarrow=False, font={"color": GREY}, x=0.5, y=0.5, xref="paper", yref="paper"
    )
    return drawn
