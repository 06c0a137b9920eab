"""What moves in a film of attention: how wide rows read, how much they change, how well they tell the true graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lab.exact.ranking import Ranking

Numbers = NDArray[np.float64]
TINY = 1e-12


def movement(
    weights: NDArray[np.floating], *, kept: int, truth: NDArray[np.floating] | None = None
) -> dict[str, Numbers]:
    """Series over the first axis of [time, nodes, nodes]; `kept` is how many nodes count as those a row reads most.

    Changes are from one time to the next, so that their first entry is not a number.
    """
    told = weights.astype(np.float64)
    entropy = -(told * np.log(np.maximum(told, TINY))).sum(-1)
    series = {
        "entropy": entropy.mean(-1),
        "effective neighbours": np.exp(entropy).mean(-1),
        "self weight": np.diagonal(told, axis1=-2, axis2=-1).mean(-1),
        "total variation": _from_second(np.abs(np.diff(told, axis=0)).sum(-1).mean(-1) / 2),
        "top jaccard": _from_second(jaccard(told[:-1], told[1:], kept)),
    }
    if truth is not None:
        series["auroc"] = np.array([auroc(each, truth) for each in told])
    return series


def _from_second(changes: Numbers) -> Numbers:
    return np.concatenate([[np.nan], changes])


def jaccard(one: Numbers, other: Numbers, kept: int) -> Numbers:
    """Shared part of the nodes that rows read most, mean over the rows of [..., nodes, nodes]."""
    kept = min(kept, one.shape[-1])
    both = [_most(each, kept) for each in (one, other)]
    shared = (both[0] & both[1]).sum(-1)
    told: Numbers = (shared / (2 * kept - shared)).mean(-1)
    return told


def _most(weights: Numbers, kept: int) -> NDArray[np.bool_]:
    order = np.argsort(-weights, axis=-1, kind="stable")[..., :kept]
    found = np.zeros(weights.shape, bool)
    np.put_along_axis(found, order, True, -1)
    return found


def auroc(scores: NDArray[np.floating], truth: NDArray[np.floating]) -> float:
    """Chance that a true edge scores above another pair, the diagonal left out; NaN where there is but one kind."""
    apart = ~np.eye(len(truth), dtype=bool)
    return float(Ranking.of(scores.astype(np.float64)[apart][None], (truth != 0)[apart][None]).auc()[0])


def spectral_order(mean: NDArray[np.floating]) -> NDArray[np.int64]:
    """An order of the nodes in which those that read one another stand together: along the second eigenvector."""
    both = mean.astype(np.float64) + mean.astype(np.float64).T
    np.fill_diagonal(both, 0)
    laplacian = np.diag(both.sum(1)) - both
    second = np.linalg.eigh(laplacian)[1][:, min(1, len(both) - 1)]
    return np.argsort(second * np.sign(second[np.abs(second).argmax()]), kind="stable")


def head_diversity(weights: NDArray[np.floating]) -> Numbers:
    """Mean Jensen-Shannon divergence, in nats, of two heads' rows in [..., heads, nodes, nodes]; 0 of one head."""
    told = weights.astype(np.float64)
    heads = told.shape[-3]
    pairs = [(one, other) for one in range(heads) for other in range(one)]
    if not pairs:
        return np.zeros(told.shape[:-3])
    apart = [_divergence(told[..., one, :, :], told[..., other, :, :]) for one, other in pairs]
    mean: Numbers = np.mean(apart, axis=0)
    return mean


def _divergence(one: Numbers, other: Numbers) -> Numbers:
    """Mean over the rows."""
    middle = (one + other) / 2
    entropies = [-(each * np.log(np.maximum(each, TINY))).sum(-1) for each in (middle, one, other)]
    told: Numbers = (entropies[0] - (entropies[1] + entropies[2]) / 2).mean(-1)
    return told


def by_layer(film_attention: NDArray[np.floating]) -> Numbers:
    """[layers, frames, nodes, nodes]: the mean over windows and heads of [windows, layers, heads, frames, ...]."""
    told: Numbers = film_attention.astype(np.float64).mean((0, 2))
    return told


def ends(weights: NDArray[np.floating]) -> Mapping[str, float]:
    """The fixed scale of a film: from the least to the 99.5th percentile, so that a few bright cells do not dim all."""
    high = float(np.quantile(weights, 0.995))
    return {"low": float(weights.min()), "high": high if high > weights.min() else float(weights.max()) + TINY}
