"""The list of alerts: causes first, each with its words, its evidence and what to do, its symptoms folded under it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from lab.analysis.alerts import Alert
from lab.analysis.behind import Series, behind
from lab.analysis.probed import Probed
from lab.report.markup import folded, tag, terms, text
from lab.report.numbers import count, plain
from lab.spec.rules import Finding

WORDS = {"fatal": "fatal", "warn": "warning", "info": "for information"}
WIDTH, HEIGHT = 150, 34
"""Pixels of the small curve behind an alert."""
MOST_SCOPES = 4
"""Further scopes that an alert names."""
WIDE = 50.0
"""The ratio of readings from which a curve is drawn over its logarithms."""


def alert_list(probed: Probed) -> str:
    """All alerts of a trial; a sentence where there are none."""
    if not probed.alerts:
        return tag("p", "No rule found anything.", class_="lead")
    return tag("ol", *(_alert(probed, alert) for alert in probed.alerts), class_="alerts")


def _alert(probed: Probed, alert: Alert) -> str:
    finding = alert.finding
    chip = tag("span", "i" if alert.is_remark else text(alert.number), class_=f"chip {finding.level}")
    head = tag("p", chip, " ", tag("b", text(_rule(finding))), " ", _where(finding), class_="said")
    told = terms([("Likely", _sentence(finding.means)), ("To do", _sentence(finding.remedy))])
    body = tag("p", text(_sentence(finding.says)) + _elsewhere(alert)) + _curve(finding, behind(probed, finding)) + told
    body += _replay(probed, finding)
    return tag("li", head, body, _symptoms(alert.symptoms), class_=finding.level)


def _elsewhere(alert: Alert) -> str:
    """Where else the same rule found something."""
    scopes = list(dict.fromkeys(each.scope for each in alert.elsewhere if each.scope))
    if not scopes:
        return ""
    more = f" and {len(scopes) - MOST_SCOPES} more" if len(scopes) > MOST_SCOPES else ""
    return text(f" Also in {', '.join(scopes[:MOST_SCOPES])}{more}.")


def _symptoms(symptoms: Sequence[Alert]) -> str:
    """What the cause above explains."""
    if not symptoms:
        return ""
    rows = (
        tag(
            "li",
            tag("b", text(_rule(each.finding))),
            " ",
            _where(each.finding),
            " ",
            text(_sentence(each.finding.says)),
            _elsewhere(each),
        )
        for each in symptoms
    )
    return folded(f"explains {count(len(symptoms), 'other alert')}", tag("ul", *rows, class_="symptoms"))


def _rule(finding: Finding) -> str:
    words = finding.rule.replace("_", " ")
    return words[:1].upper() + words[1:]


def _where(finding: Finding) -> str:
    parts = [WORDS.get(finding.level, finding.level), f"step {finding.step:,}", finding.scope]
    return tag("span", text(" · ".join(part for part in parts if part)), class_="where")


def _replay(probed: Probed, finding: Finding) -> str:
    """The command that takes the step again; a finding for information needs none."""
    if finding.level == "info":
        return ""
    command = shlex.join(["lab", "replay", probed.trial, "--step", str(finding.step)])
    return tag("pre", text(command), class_="go", tabindex="0")


def _sentence(words: str) -> str:
    """Words with a capital and a full stop."""
    told = words.strip()
    return f"{told[:1].upper()}{told[1:]}{'' if not told or told[-1] in '.!?' else '.'}"


def _curve(finding: Finding, series: Series) -> str:
    """The readings behind a finding as a small curve: the threshold dashed, a dot where the rule spoke."""
    told = [(step, value) for step, value in series if math.isfinite(value)]
    if len(told) < 2:
        return ""
    steps, values = zip(*told, strict=True)
    is_log = min(values) > 0 and max(values) > WIDE * min(values)
    limit = finding.threshold
    is_drawn = limit is not None and (limit > 0 or not is_log) and _is_near(limit, values)
    heights = [math.log10(each) if is_log else each for each in (*values, *([limit] if is_drawn else []))]
    low, span = min(heights), (max(heights) - min(heights)) or 1.0
    across = [3 + (WIDTH - 6) * (step - steps[0]) / max(1, steps[-1] - steps[0]) for step in steps]
    down = [3 + (HEIGHT - 6) * (1 - (each - low) / span) for each in heights]
    spoke = min(range(len(steps)), key=lambda place: abs(steps[place] - finding.step))
    dashed = tag("line", x1="0", x2=str(WIDTH), y1=f"{down[-1]:.1f}", y2=f"{down[-1]:.1f}") if is_drawn else ""
    line = tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=False)))
    dot = tag("circle", cx=f"{across[spoke]:.1f}", cy=f"{down[spoke]:.1f}", r="3")
    says = f"from {plain(values[0])} at step {steps[0]:,} to {plain(values[-1])} at step {steps[-1]:,}"
    says += f"; threshold {plain(limit)}" if limit is not None and math.isfinite(limit) else ""
    drawing = tag("svg", dashed, line, dot, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=says)
    return tag("p", drawing, tag("span", text(says)), class_="spark")


def _is_near(limit: float, values: Sequence[float]) -> bool:
    """Whether the threshold can be drawn without flattening the curve."""
    reach = (max(values) - min(values)) or abs(max(values)) or 1.0
    return min(values) - 2 * reach <= limit <= max(values) + 2 * reach
