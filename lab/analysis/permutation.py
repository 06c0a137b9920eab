"""The paired permutation test: how often a difference this large comes about when signs are only luck."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from lab.analysis.table import Floats

MOST_EXACT = 16
"""Samples up to this size are turned in every way (65,536); larger ones in many that are drawn."""
DRAWS = 20_000
MOST_DRAWN = 2_000_000
"""Signs that are drawn at most."""
SEED = 19_350_101
ROUNDING = 1e-9
"""Sums this close, beside the largest possible one, count as equal."""


def permutation_p(values: Floats) -> float:
    """Two-sided p of a mean of zero: every difference could as well have had the other sign (Fisher 1935)."""
    n = len(values)
    if n == 0:
        return math.nan
    bound = float(np.abs(values).sum())
    seen = abs(float(values.sum())) - ROUNDING * bound
    sums = _signs(n) @ values
    as_large = int((np.abs(sums) >= seen).sum())
    if n <= MOST_EXACT:
        return as_large / len(sums)
    return (as_large + 1) / (len(sums) + 1)  # what was seen is one of the ways


def permutation_above(values: Floats) -> float:
    """One-sided p of a mean of zero or less."""
    n = len(values)
    if n == 0:
        return math.nan
    seen = float(values.sum()) - ROUNDING * float(np.abs(values).sum())
    sums = _signs(n) @ values
    as_large = int((sums >= seen).sum())
    if n <= MOST_EXACT:
        return (as_large + int((-sums >= seen).sum())) / (2 * len(sums))  # and each pattern's opposite
    return (as_large + 1) / (len(sums) + 1)


@lru_cache(maxsize=32)
def _signs(n: int) -> Floats:
    """Sign patterns, [patterns, n]; of each pair of opposite ones the exact list needs only one."""
    if n > MOST_EXACT:
        draws = min(DRAWS, max(2000, MOST_DRAWN // n))
        return np.random.default_rng([SEED, n]).choice([-1.0, 1.0], size=(draws, n))
    bits = np.arange(2 ** (n - 1))[:, None] >> np.arange(n - 1)[None, :] & 1
    return np.hstack([np.ones((len(bits), 1)), 1.0 - 2.0 * bits])
