"""Bootstrap intervals of paired differences: exact up to eight seeds, drawn from a fixed seed beyond."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Literal

import numpy as np

from lab.analysis.estimate import ALPHA
from lab.analysis.table import Floats

Method = Literal["studentised", "bca", "percentile"]

MOST_EXACT = 8
"""Samples up to this size have few enough resamples (6,435) to take every one of them at its chance."""
DRAWS = 4000
"""Resamples of a larger sample; fewer beyond `MOST_DRAWN` numbers, where t and bootstrap are one."""
MOST_DRAWN = 1_000_000
SEED = 20_230_601
LEAST: dict[Method, int] = {"studentised": 4, "bca": 3, "percentile": 2}
"""The smallest sample each method says anything of: with three seeds one studentised resample in nine has no spread."""
DECIMALS = 9
"""Of resampled means, in units of the sample's spread: what differs later differs by rounding."""
NARROW = 1e-12
"""A spread this small beside the mean is rounding."""
ALIKE = 1e-7
"""A resample whose spread is this small beside the sample's holds one value only, but for rounding."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval and the method it is by; none was made where the method is empty."""

    low: float = math.nan
    high: float = math.nan
    method: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is one."""
        return math.isfinite(self.low) and math.isfinite(self.high)


NONE = Interval()


@dataclass(frozen=True)
class Resamples:
    """The resamples of n values: how large a share each value has in them, and how likely each of them is."""

    shares: Floats
    """[resamples, n]"""
    chances: Floats
    """[resamples]"""


@lru_cache(maxsize=64)
def resamples(n: int) -> Resamples:
    """Every multiset of n out of n values with its chance, or many that are drawn from a fixed seed."""
    if n > MOST_EXACT:
        draws = draws_of(n)
        drawn = np.random.default_rng([SEED, n]).multinomial(n, [1 / n] * n, draws)
        return Resamples(drawn / n, np.full(draws, 1 / draws))
    bars = np.array(list(combinations(range(2 * n - 1), n - 1)), dtype=int).reshape(-1, n - 1)
    ends = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, 2 * n - 1)))
    counts = np.diff(ends, axis=1) - 1
    ways = np.array([math.lgamma(count + 1) for count in range(n + 1)])
    return Resamples(counts / n, np.exp(math.lgamma(n + 1) - ways[counts].sum(axis=1) - n * math.log(n)))


def draws_of(n: int) -> int:
    """Resamples that are drawn of n values, where not all of them are taken."""
    return min(DRAWS, max(1000, MOST_DRAWN // n))


def bootstrap(samples: Sequence[Floats], *, method: Method = "studentised", alpha: float = ALPHA) -> list[Interval]:
    """An interval for the mean of each sample; samples of one size share their resamples."""
    told = [NONE] * len(samples)
    sizes = [len(sample) for sample in samples]
    for n in set(sizes):
        if n < LEAST[method]:
            continue
        places = [place for place, size in enumerate(sizes) if size == n]
        ends = interval_ends(np.array([samples[place] for place in places]), method=method, alpha=alpha)
        how = f"{method} paired bootstrap, {_resampling(n)}"
        for place, low, high in zip(places, *ends, strict=True):
            told[place] = Interval(float(low), float(high), how) if math.isfinite(low) and math.isfinite(high) else NONE
    return told


def interval_ends(samples: Floats, *, method: Method, alpha: float = ALPHA) -> tuple[Floats, Floats]:
    """The ends of the intervals of many samples of one size, [samples, n], at once."""
    drawn = resamples(samples.shape[1])
    centre = samples.mean(axis=1, keepdims=True)
    spread = samples.std(axis=1, ddof=1, keepdims=True)
    is_flat = (spread <= NARROW * np.abs(centre)) | (spread == 0)
    scaled = (samples - centre) / np.where(is_flat, 1.0, spread)
    ends = {"studentised": _studentised, "bca": _bca, "percentile": _percentile}[method]
    low, high = ends(np.where(is_flat, 0.0, scaled), drawn, alpha)
    width = np.where(is_flat, 0.0, spread)[:, 0]
    return centre[:, 0] + width * low, centre[:, 0] + width * high


def _percentile(scaled: Floats, drawn: Resamples, alpha: float) -> tuple[Floats, Floats]:
    means = scaled @ drawn.shares.T
    return _quantiles(means, drawn.chances, alpha / 2, 1 - alpha / 2)


def _studentised(scaled: Floats, drawn: Resamples, alpha: float) -> tuple[Floats, Floats]:
    """Each resample's mean in units of its own error, as the t-test has it; one without spread lies beyond all."""
    n = scaled.shape[1]
    means = scaled @ drawn.shares.T
    variances = np.maximum(scaled**2 @ drawn.shares.T - means**2, 0.0)
    errors = np.sqrt(variances / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(errors > ALIKE, means / errors, np.sign(means) * np.inf)
    ratios = np.where(np.isnan(ratios), 0.0, ratios)
    low, high = _quantiles(ratios, drawn.chances, alpha / 2, 1 - alpha / 2)
    return -high / math.sqrt(n), -low / math.sqrt(n)


def _bca(scaled: Floats, drawn: Resamples, alpha: float) -> tuple[Floats, Floats]:
    """Percentiles moved for bias and for a spread that changes with the mean (Efron 1987)."""
    from scipy.special import ndtr, ndtri

    means = scaled @ drawn.shares.T
    square = (scaled**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lean = np.nan_to_num((scaled**3).sum(axis=1) / (6 * square**1.5))
    tied = np.abs(means) <= NARROW
    below = ((means < -NARROW) + 0.5 * tied) @ drawn.chances
    bias = ndtri(np.clip(below, 1e-9, 1 - 1e-9))

    def moved(z: float) -> Floats:
        return np.asarray(ndtr(bias + (bias + z) / (1 - lean * (bias + z))))

    z = float(ndtri(1 - alpha / 2))
    return _quantiles(means, drawn.chances, moved(-z), moved(z))


def _quantiles(values: Floats, chances: Floats, low: Floats | float, high: Floats | float) -> tuple[Floats, Floats]:
    """Two quantiles of weighted values, row by row; values that differ by rounding alone are one."""
    ends = np.empty((2, len(values)))
    shares = np.broadcast_to(np.stack(np.broadcast_arrays(low, high)).reshape(2, -1), ends.shape)
    for row, line in enumerate(np.round(values, DECIMALS)):
        ordered, places = np.unique(line, return_inverse=True)
        steps = np.bincount(places, weights=chances)
        middles = np.cumsum(steps) - steps / 2
        ends[:, row] = [_between(share, middles, ordered) for share in shares[:, row]]
    return ends[0], ends[1]


def _between(share: float, middles: Floats, ordered: Floats) -> float:
    """Interpolate between the middles of two steps; next to a value that is not finite the nearer step counts."""
    above = int(np.searchsorted(middles, share))
    if above == 0 or above == len(ordered):
        return float(ordered[min(above, len(ordered) - 1)])
    low, high = ordered[above - 1], ordered[above]
    part = (share - middles[above - 1]) / (middles[above] - middles[above - 1])
    if not (math.isfinite(low) and math.isfinite(high)):
        return float(high if part > 0.5 else low)
    return float(low + part * (high - low))


def _resampling(n: int) -> str:
    return "all resamples" if n <= MOST_EXACT else f"{draws_of(n):,} resamples"
