"""What the probe page says in sentences: how a run is, what is not in yet, and what was not measured."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lab.analysis.probed import Probed
from lab.records.record import FAILED
from lab.report.numbers import count
from lab.report.probe_page.lines import BAND

LEVELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("light", {"evaluation": "recall and predicted share by class", "inputs": "the inputs and the mode"}),
    ("normal", {"activations": "activations", "attention": "attention", "padding": "padding and invariance"}),
)
"""The level that switches probes on, and what each of them shows."""


def sentences(probed: Probed) -> tuple[str, ...]:
    """What rules found, and the two ratios that sum a run up."""
    return tuple(each for each in (_found(probed), _ratios(probed)) if each)


def unfinished(probed: Probed) -> str:
    """That a run is under way."""
    if not probed.is_running:
        return ""
    return f"This trial has no record yet: readings up to step {probed.steps - 1:,}, as its last checkpoint has them."


def wrong(probed: Probed) -> str:
    """That a run failed, and what it said."""
    if probed.status not in FAILED:
        return ""
    said = (probed.error.strip().splitlines() or ["no error was told"])[0]
    return f"This trial ended as {probed.status.replace('_', ' ')}: {said}"


def missing(probed: Probed) -> str:
    """What no probe of a level has read, and the level that would; what a model has none of is not missing."""
    left = [(level, probes) for level, probes in LEVELS if not probed.probes & probes.keys()]
    if not left:
        return ""
    told = [says for _, probes in left for says in probes.values()]
    return (
        f"Nothing was read of {', '.join(told[:-1])} and {told[-1]}. `probes: {left[-1][0]}` in the experiment's file "
        "adds what the model has of it; `probes: full` reads it at every step."
    )


def _found(probed: Probed) -> str:
    told = [alert for alert in probed.alerts if not alert.is_remark]
    if not told:
        so_far = " so far" if probed.is_running else ""
        return f"No rule found anything in {count(probed.steps, 'step')}{so_far}."
    first = told[0].finding
    where = f" in {first.scope}" if first.scope and first.scope not in first.rule else ""
    says = first.says.rstrip(".") or first.rule.replace("_", " ")
    others, symptoms = len(told) - 1, sum(len(alert.symptoms) for alert in told)
    more = f"; {count(others, 'other alert')}" if others else ""
    folded = f"; {count(symptoms, 'symptom')} explained" if symptoms else ""
    return f"{first.rule.replace('_', ' ').capitalize()}{where} from step {first.step:,}: {says}{more}{folded}."


def _ratios(probed: Probed) -> str:
    """Medians over the weight matrices and the second half of the run."""
    told = []
    for statistic, name in (("update_weight", "update over weight"), ("grad_weight", "gradient over weight")):
        value = _middle(probed, statistic)
        if math.isfinite(value):
            told.append(f"{name} {value:.2g}")
    if not told:
        return ""
    ratio = _middle(probed, "grad_weight")
    inside = f" ({'inside' if BAND[0] <= ratio <= BAND[1] else 'outside'} {BAND[0]:g} to {BAND[1]:g})"
    return f"Median over the second half of the run: {', '.join(told)}{inside if math.isfinite(ratio) else ''}."


def _middle(probed: Probed, statistic: str) -> float:
    grid = probed.grid("gradients", statistic)
    own = grid.only(probed.matrices.__contains__) if grid is not None else None
    late = own.values[:, own.steps >= probed.steps // 2] if own is not None else np.empty(0)
    told = late[np.isfinite(late)]
    return float(np.median(told)) if told.size else math.nan
