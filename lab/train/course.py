"""The course of a run in a few numbers: whether its scores rose steadily or jumped about, and for how long it went."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import median

from lab.train.schedule import Goal

FLIP = 0.3
"""How much of a class must be gained or lost from one epoch to the next to be a flip."""
OF_A_CLASS = re.compile(r"valid\.acc_\d+")


def course_of(
    history: Mapping[str, Sequence[float]], ratios: Sequence[float], *, main: str, goal: Goal
) -> dict[str, float]:
    """Flips of the validation classes, the largest fall of the main validation score, the epochs there were, and the
    usual grad/weight; what was not seen is left out.
    """
    scores = history.get(f"valid.{main}", ())
    if not scores:
        return {}
    usual = [ratio for ratio in ratios if math.isfinite(ratio)]
    sign = 1 if goal == "max" else -1
    falls = [sign * (before - after) for before, after in pairwise(scores)]
    classes = [values for name, values in history.items() if OF_A_CLASS.fullmatch(name)]
    told = {"course.epochs": float(len(scores)), "course.largest_fall": max([0.0, *filter(math.isfinite, falls)])}
    told |= {"course.flips": float(_flips(classes))} if classes else {}
    return told | ({"course.grad_weight": median(usual)} if usual else {})


def _flips(classes: Sequence[Sequence[float]]) -> int:
    """Epochs in which some class was found far more or far less often than in the one before."""
    moves = [[abs(after - before) for before, after in pairwise(values)] for values in classes]
    return sum(any(move > FLIP for move in together) for together in zip(*moves, strict=True))
