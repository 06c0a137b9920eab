"""What simple forecasts of links reach: the lines that every model is read against."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import AnySplit, Dataset
from lab.exact.block_ceilings import ranked

Numbers = NDArray[np.float64]
Graphs = NDArray[np.bool_]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

Entry = TypeVar("Entry", bound=np.generic)

MOST_WINDOWS = 20_000
"""Test windows that are scored; of more, evenly spaced ones are."""
MOST_FITTED = 1_000
"""Training windows that a logistic regression is fitted to."""
CHUNK = 512


@dataclass(frozen=True)
class Windows:
    """What simple forecasts look at, window by window."""

    last: Graphs
    """[windows, nodes, nodes] the last frame."""
    mean: Numbers
    """[windows, nodes, nodes] the mean over the window."""
    next: Graphs
    """[windows, nodes, nodes] the answer."""


def link_lines(dataset: Dataset) -> dict[str, float]:
    """AUC and AP of simple forecasts on the test windows, ties broken at random; none where nothing can be ranked."""
    train = gathered(dataset.splits["train"], len(dataset.splits["train"]))
    test = gathered(dataset.splits["test"], MOST_WINDOWS)
    pairs = asked_pairs(test.next)
    links = at(test.next, pairs)
    told = {"auc: chance": 0.5, "auc_macro: chance": 0.5, "ap: chance": float(links.mean())}
    for name, every in forecasts(train, test, pairs):
        scores = at(every, pairs)
        auc, ap = of_order(scores, links)
        told |= {f"auc: {name}": auc, f"ap: {name}": ap, f"auc_macro: {name}": auc_by_graph(scores, links)}
    return {name: value for name, value in told.items() if not np.isnan(value)}


def forecasts(train: Windows, test: Windows, pairs: Pairs) -> Iterator[tuple[str, Numbers]]:
    """Scores [windows, nodes, nodes] by name; the higher, the likelier is a link."""
    yield "copy last", test.last.astype(np.float64)
    yield "window mean", test.mean
    marginal = train.next.mean(0)
    yield "pair marginal", np.broadcast_to(marginal, test.mean.shape)
    yield "successor lookup", successor_lookup(train, test.last, marginal)
    yield "pair logit", pair_logit(train, test, pairs)


def gathered(split: AnySplit, most: int) -> Windows:
    """The windows of a split, evenly spaced where there are more than `most`."""
    every = -(-len(split) // most)
    parts = []
    for index in torch.split(torch.arange(0, len(split), every), CHUNK):
        batch = split.batch(index, int(split.sizes.max()))
        seen = (batch.adjacency != 0).numpy()
        parts.append((seen[:, -1], seen.mean(1), (batch.y != 0).numpy()))
    return Windows(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def asked_pairs(answers: Graphs) -> Pairs:
    """Pairs above the diagonal, or all ordered pairs of two nodes where an edge may lead one way only."""
    nodes = answers.shape[1]
    ordered = ~np.eye(nodes, dtype=bool)
    rows, columns = np.nonzero(np.triu(ordered) if _is_symmetric(answers) else ordered)
    return rows, columns


def _is_symmetric(graphs: Graphs) -> bool:
    return bool((graphs == graphs.swapaxes(1, 2)).all())


def at(matrices: NDArray[Entry], pairs: Pairs) -> NDArray[Entry]:
    """[windows, pairs] of [windows, nodes, nodes]."""
    return matrices[:, pairs[0], pairs[1]]


def of_order(scores: Numbers, links: Graphs) -> tuple[float, float]:
    """AUC and AP of all pairs ranked together."""
    order = ranked(scores.ravel(), np.ones(scores.size), links.ravel().astype(np.float64))
    return order.auc, order.ap


def auc_by_graph(scores: Numbers, links: Graphs) -> float:
    """The mean of the AUCs of single graphs, those with links and with other pairs."""
    from scipy.stats import rankdata

    count, pairs = links.sum(1), links.shape[1]
    above = (rankdata(scores, axis=1) * links).sum(1) - count * (count + 1) / 2
    told = (count > 0) & (count < pairs)
    return float((above[told] / (count * (pairs - count))[told]).mean()) if told.any() else float("nan")


def successor_lookup(train: Windows, last: Graphs, otherwise: Numbers) -> Numbers:
    """The mean of what followed the same frame in training, to the bit; for a frame that is new, the pair's mean.

    Where it is good, the next frame has been seen: data leak, or their seeds repeat.
    """
    totals: dict[bytes, Numbers] = {}
    counts: dict[bytes, int] = {}
    for key, after in zip(_keys(train.last), train.next, strict=True):
        totals[key] = totals.get(key, 0) + after.astype(np.float64)
        counts[key] = counts.get(key, 0) + 1
    return np.stack([totals[key] / counts[key] if key in counts else otherwise for key in _keys(last)])


def _keys(frames: Graphs) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(frames.reshape(len(frames), -1), axis=1)]


def pair_logit(train: Windows, test: Windows, pairs: Pairs) -> Numbers:
    """A logistic regression on five numbers of a pair: its past, and what its nodes share."""
    from sklearn.linear_model import LogisticRegression  # a second of import that cached data never pay

    every = -(-len(train.next) // MOST_FITTED)
    fit = Windows(train.last[::every], train.mean[::every], train.next[::every])
    x, y = _five(fit, pairs), at(fit.next, pairs).ravel()
    scores = np.zeros(test.mean.shape)
    if y.all() or not y.any():
        return scores
    centre, width = x.mean(0), np.maximum(x.std(0), 1e-12)
    model = LogisticRegression().fit((x - centre) / width, y)
    told = model.decision_function((_five(test, pairs) - centre) / width)
    scores[:, pairs[0], pairs[1]] = told.reshape(len(scores), -1)
    return scores


def _five(windows: Windows, pairs: Pairs) -> Numbers:
    """[windows * pairs, 5]: last value, window mean, common neighbours, sum and log product of the degrees."""
    mean = windows.mean
    common = mean @ mean
    leaving, entering = mean.sum(2)[:, pairs[0]], mean.sum(1)[:, pairs[1]]
    told = (
        at(windows.last, pairs),
        at(mean, pairs),
        at(common, pairs),
        leaving + entering,
        np.log1p(leaving) + np.log1p(entering),
    )
    return np.stack([each.reshape(-1).astype(np.float64) for each in told], axis=1)
