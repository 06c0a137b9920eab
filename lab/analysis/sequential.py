"""Looking more than once: what a chance is worth when the same claim is tested again as seeds come in.

Every look uses the same nominal level (Pocock 1977), here for t-tests of few seeds: while nothing is there, the t's of
all looks have one joint distribution whatever the spread of the scores, so it is drawn once and the level is read off.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lab.analysis.table import Floats

NUMBERS = 4_000_000
FEWEST, MOST = 20_000, 200_000
"""Studies that are drawn: as many as about four million numbers make."""
SEED = 19_770_801
Looks = tuple[int, ...]


def overall(p: float, looks: Looks, *, sides: int = 2) -> float:
    """The chance that some look would be as unlikely as this one if there were nothing."""
    if len(looks) < 2:
        return p
    lows = _lowest(looks, sides)
    seen = (int(np.searchsorted(lows, p, side="right")) + 1) / (len(lows) + 1)
    return float(min(max(seen, p), len(looks) * p, 1.0))


def nominal(alpha: float, looks: Looks, *, sides: int = 2) -> float:
    """The level of each look with which all looks together mislead with this chance."""
    if len(looks) < 2:
        return alpha
    lows = _lowest(looks, sides)
    at = int(alpha * (len(lows) + 1)) - 1
    return float(max(lows[at] if at >= 0 else 0.0, alpha / len(looks)))


@lru_cache(maxsize=16)
def _lowest(looks: Looks, sides: int) -> Floats:
    """The lowest p over the looks of many studies in which there is nothing, sorted."""
    return np.sort(_drawn(looks)[sides - 1])


@lru_cache(maxsize=4)
def _drawn(looks: Looks) -> tuple[Floats, Floats]:
    """The lowest p of each drawn study, by one-sided and by two-sided tests."""
    from scipy.special import stdtr

    studies = int(np.clip(NUMBERS // looks[-1], FEWEST, MOST))
    generator = np.random.default_rng([SEED, *looks])
    sums, squares = np.zeros(studies), np.zeros(studies)
    lowest = np.ones((2, studies))
    for seeds in range(1, looks[-1] + 1):
        value = generator.standard_normal(studies)
        sums += value
        squares += value**2
        if seeds in looks:
            spread = squares - sums**2 / seeds
            below = stdtr(seeds - 1, sums / np.sqrt(seeds * spread / (seeds - 1)))
            np.minimum(lowest[0], below, out=lowest[0])
            np.minimum(lowest[1], 2 * np.minimum(below, 1 - below), out=lowest[1])
    return lowest[0], lowest[1]
