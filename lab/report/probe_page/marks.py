"""The time axis that all figures of a trial share, with its alerts marked on it by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.analysis.alerts import Alert
from lab.analysis.probed import Probed
from lab.report.theme import GREY, ORANGE, VERMILION, words

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

OVER_STEPS = "steps"
"""What a figure's `meta` says where its x axis is the run: the page zooms those together."""
LINES = {"fatal": VERMILION, "warn": ORANGE}
CHIPS = {"fatal": "#a84300", "warn": "#8a5a00"}
"""The papers of the white numbers: dark enough on either kind of page."""
MOST_MARKS = 12
"""Alerts that are marked: the first of the list."""
NEAR = 0.035
"""How near, as a share of the run, marks share one number."""
HEADROOM = 24
"""Pixels above a figure for the numbers."""


def over_steps(drawn: Figure, probed: Probed) -> Figure:
    """Give a figure the run as its x axis, and mark the run's alerts on it."""
    drawn.update_xaxes(title_text="step", range=reach(probed.steps), fixedrange=False, hoverformat=",d")
    shown = [alert for alert in probed.alerts if not alert.is_remark][:MOST_MARKS]
    _make_room(drawn, HEADROOM if shown else 0)
    lines = [_line(alert.finding.step, LINES.get(alert.finding.level, ORANGE), "solid") for alert in shown]
    dots = [_line(symptom.finding.step, GREY, "dot") for alert in shown for symptom in alert.symptoms]
    chips = [_chip(together) for together in _clusters(shown, probed.steps)]
    drawn.update_layout(
        meta=OVER_STEPS, shapes=[*drawn.layout.shapes, *dots, *lines], annotations=[*drawn.layout.annotations, *chips]
    )
    return drawn


def reach(steps: int) -> list[float]:
    """The ends of an axis over so many steps, with a little air for marks."""
    return [-0.01 * max(1, steps), 1.01 * max(1, steps)]


def _make_room(drawn: Figure, pixels: int) -> None:
    """Lift what stands above a figure, so that the numbers fit below it."""
    margin, height = drawn.layout.margin, drawn.layout.height
    inner = height - 80
    drawn.update_layout(margin_t=margin.t + pixels, height=height + pixels, legend_y=1 + (pixels + 6) / inner)
    drawn.update_traces(colorbar_y=1 + (pixels + 10) / inner, selector={"type": "heatmap"})


def _line(step: int, colour: str, dash: str) -> dict[str, Any]:
    line = {"color": colour, "width": 1.2 if dash == "solid" else 0.8, "dash": dash}
    return {"type": "line", "x0": step, "x1": step, "y0": 0, "y1": 1, "yref": "paper", "line": line, "opacity": 0.85}


def _chip(together: Sequence[Alert]) -> dict[str, Any]:
    """One number, or the numbers of marks that stand too near to one another."""
    gravest = min(together, key=lambda alert: list(CHIPS).index(alert.finding.level))
    return {
        "x": sum(alert.finding.step for alert in together) / len(together),
        "y": 1,
        "yref": "paper",
        "yshift": 3,
        "yanchor": "bottom",
        "text": _numbers([alert.number for alert in together]),
        "hovertext": "<br>".join(_said(alert) for alert in together),
        "showarrow": False,
        "bgcolor": CHIPS[gravest.finding.level],
        "borderpad": 2,
        "font": {"size": 10, "color": "#ffffff"},
    }


def _clusters(shown: Sequence[Alert], steps: int) -> list[list[Alert]]:
    """Alerts whose marks would lie over one another."""
    clusters: list[list[Alert]] = []
    for alert in sorted(shown, key=lambda each: each.finding.step):
        if clusters and alert.finding.step - clusters[-1][-1].finding.step <= NEAR * steps:
            clusters[-1].append(alert)
        else:
            clusters.append([alert])
    return clusters


def _numbers(numbers: Sequence[int]) -> str:
    ordered = sorted(numbers)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f" {ordered[0]}–{ordered[-1]} "
    return f" {', '.join(map(str, ordered))} "


def _said(alert: Alert) -> str:
    finding = alert.finding
    where = f" in {finding.scope}" if finding.scope else ""
    return words(f"{alert.number}: {finding.rule.replace('_', ' ')}{where} at step {finding.step:,}: {finding.says}")
