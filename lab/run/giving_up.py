"""Giving up cells: which ones are so clearly worse than the reference that their other seeds are not worth running."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import fmean, stdev

from lab.plan.asked import cells_of
from lab.plan.plan import Cell, Plan
from lab.run.standing import Standing
from lab.spec.study import Prune

CONFIDENCE = 0.975
"""Upper end of a two-sided 95 % interval."""


def hopeless(plan: Plan, standing: Standing, after: str) -> dict[str, str]:
    """Cells to give up now that a trial of the cell `after` has ended, each with the reason."""
    prune = plan.study.prune
    if prune is None or prune.rule == "off":
        return {}
    cells = plan.cells if after == plan.reference.id else [cell for cell in plan.cells if cell.id == after]
    judged = ((cell.id, _verdict(standing.worse(cell.id, plan.reference.id), prune)) for cell in _open(plan, cells))
    return {cell: why for cell, why in judged if why}


def _open(plan: Plan, cells: Iterable[Cell]) -> Iterable[Cell]:
    """The cells that may be given up: never the reference, nor those the study keeps."""
    assert plan.study.prune is not None
    kept = {plan.reference.id, *plan.study.prune.keep}
    kept |= cells_of(plan.claims) if "claims" in kept else frozenset()
    return (each for each in cells if not kept & {each.id, each.name, each.label})


def _verdict(worse: list[float], prune: Prune) -> str:
    """Why these paired differences are hopeless, or nothing."""
    pairs = len(worse)
    if pairs < prune.after_seeds:
        return ""
    mean, reach = fmean(worse), _half_width(worse)
    if mean <= prune.worse_by or mean - reach <= 0:
        return ""
    return (
        f"given up after {pairs} seeds: worse than the reference by {mean:.4g} "
        f"[{mean - reach:.4g}, {mean + reach:.4g}], more than {prune.worse_by:g}"
    )


def _half_width(values: list[float]) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, CONFIDENCE)) * stdev(values) / math.sqrt(len(values))
