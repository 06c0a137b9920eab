"""How much paired differences vary from seed to seed: what decides how small an effect a study can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lab.analysis.cells import scores_of
from lab.analysis.estimate import estimate
from lab.analysis.outline import Outline
from lab.analysis.rows import Row


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a paired difference between two cells, pooled over the cells that are in."""

    sd: float
    cells: int
    """Cells it was seen in."""


def spread(rows: Sequence[Row], outline: Outline) -> Spread | None:
    """The spread of differences to the reference; None before two seeds of a cell and of the reference are in."""
    scores = scores_of(rows, outline)
    base = scores.get(outline.reference, {})
    told = [
        estimate([by_seed[seed] - base[seed] for seed in sorted(by_seed.keys() & base.keys())])
        for cell, by_seed in scores.items()
        if cell != outline.reference
    ]
    seen = [each for each in told if each.n >= 2]
    freedom = sum(each.n - 1 for each in seen)
    if not freedom:
        return None
    return Spread(math.sqrt(math.fsum((each.n - 1) * each.sd**2 for each in seen) / freedom), len(seen))
