"""What simple forecasts of links reach: the lines that every model is read against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import AnySplit, Dataset
from lab.exact.block_ceilings import ranked
from lab.exact.ranking import Ranking
from lab.spec.tasks import HELD_OUT, lines_on

Numbers = NDArray[np.float64]
Graphs = NDArray[np.bool_]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

Entry = TypeVar("Entry", bound=np.generic)

MOST_WINDOWS = 20_000
"""Windows of a split that are scored; of more, evenly spaced ones are."""
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


Rule = Callable[[Windows], Numbers]
"""From windows to scores, [windows, nodes, nodes]."""


def link_lines(dataset: Dataset) -> dict[str, float]:
    """AUC and AP of simple forecasts by held-out split, ties broken at random; none where nothing can be ranked."""
    train = gathered(dataset.splits["train"], len(dataset.splits["train"]))
    pairs = asked_pairs(train.next)
    rules = fitted(train, pairs)
    told = {"auc: chance": 0.5, "auc_macro: chance": 0.5}
    for name in HELD_OUT:
        told |= lines_on(name, _lines_of(gathered(dataset.splits[name], MOST_WINDOWS), rules, pairs))
    return {name: value for name, value in told.items() if not np.isnan(value)}


def _lines_of(windows: Windows, rules: Mapping[str, Rule], pairs: Pairs) -> dict[str, float]:
    links = at(windows.next, pairs)
    told = {"ap: chance": float(links.mean())}
    for name, rule in rules.items():
        scores = at(rule(windows), pairs)
        auc, ap = of_order(scores, links)
        told |= {f"auc: {name}": auc, f"ap: {name}": ap, f"auc_macro: {name}": auc_by_graph(scores, links)}
    return told


def fitted(train: Windows, pairs: Pairs) -> dict[str, Rule]:
    """Simple forecasts by name; the higher their scores, the likelier is a link."""
    marginal = train.next.mean(0)
    return {
        "copy last": lambda windows: windows.last.astype(np.float64),
        "window mean": lambda windows: windows.mean,
        "pair marginal": lambda windows: np.broadcast_to(marginal, windows.mean.shape),
        "successor lookup": successor_lookup(train, marginal),
        "pair logit": pair_logit(train, pairs),
    }


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
    ranking = Ranking.of(scores, links)
    told = ranking.auc()[~ranking.is_single]
    return float(told.mean()) if len(told) else float("nan")


def successor_lookup(train: Windows, otherwise: Numbers) -> Rule:
    """The mean of what followed the same frame in training, to the bit; for a frame that is new, the pair's mean.

    Where it is good, the next frame has been seen: data leak, or their seeds repeat.
    """
    totals: dict[bytes, Numbers] = {}
    counts: dict[bytes, int] = {}
    for key, after in zip(_keys(train.last), train.next, strict=True):
        totals[key] = totals.get(key, 0) + after.astype(np.float64)
        counts[key] = counts.get(key, 0) + 1

    def looked_up(windows: Windows) -> Numbers:
        keys = _keys(windows.last)
        return np.stack([totals[key] / counts[key] if key in counts else otherwise for key in keys])

    return looked_up


def _keys(frames: Graphs) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(frames.reshape(len(frames), -1), axis=1)]


def pair_logit(train: Windows, pairs: Pairs) -> Rule:
    """A logistic regression on five numbers of a pair: its past, and what its nodes share."""
    from sklearn.linear_model import LogisticRegression  # a second of import that cached data never pay

    every = -(-len(train.next) // MOST_FITTED)
    fit = Windows(train.last[::every], train.mean[::every], train.next[::every])
    x, y = _five(fit, pairs), at(fit.next, pairs).ravel()
    if y.all() or not y.any():
        return lambda windows: np.zeros(windows.mean.shape)
    centre, width = x.mean(0), np.maximum(x.std(0), 1e-12)
    model = LogisticRegression().fit((x - centre) / width, y)

    def weighed(windows: Windows) -> Numbers:
        scores = np.zeros(windows.mean.shape)
        told = model.decision_function((_five(windows, pairs) - centre) / width)
        scores[:, pairs[0], pairs[1]] = told.reshape(len(scores), -1)
        return scores

    return weighed


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
