"""Other tools' default rules, written anew from their published conditions and judged on the same series.

Each is a function from a log to whether it would have said anything. They are partial: what needs histograms or
whole tensors is left out, and a mean of absolute values is taken from the 2-norm as for normal numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks.faults.training import Log
from lab.records.chunk import TOTAL

BAND = (1e-3, 1e-1)
BAND_STEPS = 50
NORMAL = math.sqrt(2 / math.pi)
"""Mean absolute value of standard normal numbers."""


def _longest(is_so: np.ndarray) -> int:
    """The longest run of steps on which something holds."""
    longest = now = 0
    for each in is_so:
        now = now + 1 if each else 0
        longest = max(longest, now)
    return longest


def _matrices(log: Log, statistic: str) -> pd.DataFrame:
    """A statistic of the weight matrices."""
    told = log.series("gradients", statistic)
    return told[[name for name in told if name in log.matrices]]


def _total(log: Log, statistic: str) -> np.ndarray:
    told = log.series("gradients", statistic)
    return told[TOTAL].to_numpy() if TOTAL in told else np.zeros(0)


def _outside(ratios: np.ndarray) -> bool:
    return _longest((ratios < BAND[0]) | (ratios > BAND[1])) >= BAND_STEPS


def band_of_the_median(log: Log) -> bool:
    """Grad/weight, as a median over the matrices, lies outside its band for 50 steps."""
    return _outside(_matrices(log, "grad_weight").median(axis="columns").to_numpy())


def band_of_any_matrix(log: Log) -> bool:
    """Grad/weight of any one matrix lies outside the band for 50 steps."""
    ratios = _matrices(log, "grad_weight")
    return any(_outside(ratios[name].to_numpy()) for name in ratios)


def _broken(log: Log) -> bool:
    losses, norms = _total(log, "loss"), log.series("gradients", "grad_norm").to_numpy()
    return not (np.isfinite(losses).all() and np.isfinite(norms).all()) or log.status == "diverged"


def _mean_gradients(log: Log) -> pd.DataFrame:
    """Mean absolute gradient of every matrix, as its 2-norm tells it."""
    norms = _matrices(log, "grad_norm")
    sizes = np.array([log.sizes[name] for name in norms])
    return norms * NORMAL / np.sqrt(sizes)


def _any_over(log: Log, probe: str, statistic: str, bound: float) -> bool:
    told = log.series(probe, statistic).to_numpy()
    return bool((told[np.isfinite(told)] > bound).any())


def _recalls(log: Log) -> pd.DataFrame:
    return log.series("evaluation", "recall")


def sagemaker_without_its_loss_rule(log: Log) -> bool:
    """Vanishing, non-finite, update ratio, dead ReLU, saturation, class imbalance, all zero."""
    ratios = _matrices(log, "update_weight").to_numpy()
    recalls = _recalls(log).to_numpy()
    gradients = _mean_gradients(log).to_numpy()
    return (
        _broken(log)
        or bool((gradients < 1e-7).any())
        or bool(((ratios > 10) | (ratios < 1e-8)).any())
        or _any_over(log, "activations", "dead_units", 0.5)
        or _any_over(log, "activations", "sat", 0.5)
        or bool((recalls[-1:] < 0.3).any())
    )


def sagemaker(log: Log) -> bool:
    """The same with LossNotDecreasing: less than 0.1 % down over 10 steps of the batch loss."""
    losses = _total(log, "loss")[::10]
    falls = (losses[:-1] - losses[1:]) / np.abs(losses[:-1])
    return sagemaker_without_its_loss_rule(log) or bool((falls < 1e-3).any())


def autotrainer(log: Log) -> bool:
    """Vanishing, exploding, oscillation, slow convergence; all but NaN only while the accuracy is under 0.6."""
    if _broken(log) or bool((_total(log, "loss") > 1e3).any()):
        return True
    scores = _recalls(log).mean(axis="columns").to_numpy()
    if not len(scores) or scores[-1] >= 0.6:
        return False
    norms = _matrices(log, "grad_norm").to_numpy()
    ratio = norms[:, 0] / (norms[:, -1] + 1e-12)
    vanishes = bool(((ratio < 1e-3) & (norms[:, 0] < 1e-4)).any())
    changes = np.diff(scores)
    swings = np.abs(np.diff(np.sign(changes))) > 0
    oscillates = (swings & (np.abs(changes[1:]) >= 0.03)).sum() >= 0.2 * len(scores)
    return vanishes or bool((ratio > 70).any()) or bool(oscillates) or bool((changes < 0.01).all())


def deepchecker_without_its_update_band(log: Log) -> bool:
    """Non-finite, gradients out of range, dead ReLU, saturation, initial loss, loss that does not fall."""
    losses = _total(log, "loss")
    gradients = _mean_gradients(log).to_numpy()
    return (
        _broken(log)
        or bool((gradients > 1e6).any())
        or _any_over(log, "activations", "dead_units", 0.5)
        or _any_over(log, "activations", "sat", 0.85)
        or not 0.5 <= losses[0] / math.log(log.classes) <= 1.5
        or bool(losses[-20:].mean() > 0.95 * losses[:20].mean())
    )


def deepchecker(log: Log) -> bool:
    """The same with its band for the update of every matrix: log10 of update/weight in [-4, -1]."""
    ratios = _matrices(log, "update_weight").to_numpy()[::10]
    return deepchecker_without_its_update_band(log) or bool(((ratios < 1e-4) | (ratios > 1e-1)).any())


PEERS: dict[str, Callable[[Log], bool]] = {
    "the notes' band, median over matrices": band_of_the_median,
    "the notes' band, any matrix": band_of_any_matrix,
    "SageMaker Debugger, subset": sagemaker,
    "the same without LossNotDecreasing": sagemaker_without_its_loss_rule,
    "AutoTrainer, subset": autotrainer,
    "TheDeepChecker, subset": deepchecker,
    "the same without its update band": deepchecker_without_its_update_band,
}
