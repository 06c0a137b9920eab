"""From sums over a split to the scores of forecasts: roots are taken last, and nothing is a mean of means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from lab.exact.levels import LEVELS
from lab.spec.forecast_scores import PIT_BINS
from lab.train.tasks.forecast_sums import FINE
from lab.train.tasks.task import ratio

Steps = dict[str, list[float]]
"""Name of a sum -> its value at each step."""


def error_scores(steps: Steps) -> dict[str, float]:
    """Errors over all steps, at each, and over all up to each."""
    total = {name: math.fsum(values) for name, values in steps.items()}
    mse = ratio(total["squared"], total["count"])
    told = {
        "mae": ratio(total["absolute"], total["count"]),
        "rmse": math.sqrt(mse),
        "mse": mse,
        "mape": 100 * ratio(total["share"], total["shared"]),
        "wape": 100 * ratio(total["absolute"], total["target"]),
        "scaled_mae": ratio(total["scaled_absolute"], total["count"]),
        "scaled_rmse": math.sqrt(ratio(total["scaled_squared"], total["count"])),
        "plain_mae": ratio(total["plain_absolute"], total["plain_count"]),
        "plain_rmse": math.sqrt(ratio(total["plain_squared"], total["plain_count"])),
        "doc_mape": 100 * ratio(total["plain_share"], total["plain_count"]),
    }
    return told | dict(_by_step(steps))


def _by_step(steps: Steps) -> Iterator[tuple[str, float]]:
    means = _means(steps["absolute"], steps["count"]), _means(steps["squared"], steps["count"])
    so_far = {name: list(accumulate(steps[name])) for name in ("absolute", "squared", "count")}
    to = _means(so_far["absolute"], so_far["count"]), _means(so_far["squared"], so_far["count"])
    for step, (absolute, squared) in enumerate(zip(*means, strict=True), 1):
        yield f"mae_{step}", absolute
        yield f"rmse_{step}", math.sqrt(squared)
    for step, share in enumerate(_means(steps["share"], steps["shared"]), 1):
        yield f"mape_{step}", 100 * share
    for step, (absolute, squared) in enumerate(zip(*to, strict=True), 1):
        yield f"mae_to_{step}", absolute
        yield f"rmse_to_{step}", math.sqrt(squared)


def sure_scores(steps: Steps, counts: Sequence[float], *, has_density: bool) -> dict[str, float]:
    """What only forecasts have that tell probabilities; `counts` is the histogram of the probability of what came."""
    named = {
        "mae_of_mean": "of_mean",
        "crps": "crps",
        "scaled_crps": "scaled_crps",
        "width_90": "width",
        "scaled_width_90": "scaled_width",
        **({"nll": "nll", "scaled_nll": "scaled_nll"} if has_density else {}),
    }
    count = math.fsum(steps["count"])
    told = {name: ratio(math.fsum(steps[of]), count) for name, of in named.items()}
    for name in ("crps", "nll") if has_density else ("crps",):
        told |= {f"{name}_{step}": mean for step, mean in enumerate(_means(steps[name], steps["count"]), 1)}
    return told | calibration_scores(counts)


def calibration_scores(counts: Sequence[float]) -> dict[str, float]:
    """How evenly the probabilities of what came are spread: coverages, their mean error, distance and shares."""
    whole, below = math.fsum(counts), [0.0, *accumulate(counts)]
    covered = {level: ratio(_within(below, level), whole) for level in LEVELS}
    told = {f"coverage_{level}": share for level, share in covered.items()}
    told["calibration"] = math.fsum(abs(share - level / 100) for level, share in covered.items()) / len(LEVELS)
    told["pit_ks"] = max(abs(ratio(passed, whole) - place / FINE) for place, passed in enumerate(below))
    width = FINE // PIT_BINS
    for place in range(PIT_BINS):
        told[f"pit_{place + 1}"] = ratio(below[(place + 1) * width] - below[place * width], whole)
    return told


def _within(below: Sequence[float], level: int) -> float:
    """How many fell in the central interval of a level in percent."""
    tail = FINE * (100 - level) // 200
    return below[FINE - tail] - below[tail]


def _means(parts: Sequence[float], wholes: Sequence[float]) -> list[float]:
    return [ratio(part, whole) for part, whole in zip(parts, wholes, strict=True)]
