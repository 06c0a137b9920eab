"""What simple forecasts of links reach: the lines that every model is read against.

Windows are looked at a few at a time, so that memory grows with the pairs that are ranked and not with the graphs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.data.batch import AnySplit, Dataset
from lab.data.links.pair_numbers import entries_of, numbers_of
from lab.data.links.pairs import Pairs, asked_pairs
from lab.exact.block_ceilings import ranked
from lab.exact.ranking import Ranking
from lab.spec.tasks import HELD_OUT, lines_on

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_WINDOWS = 20_000
"""Windows of a split that are scored; of more, evenly spaced ones are."""
MOST_SCORED = 5_000_000
"""Pairs of all these windows together, at most."""
MOST_FITTED = 1_000
"""Training windows that a logistic regression is fitted to, at most."""
MOST_FITTED_PAIRS = 1_000_000
"""Pairs of all of them together, at most."""
CHUNK = 4_000_000
"""Entries of adjacency matrices that are looked at together."""


@dataclass(frozen=True)
class Windows:
    """What simple forecasts look at, a few windows at a time."""

    seen: Tensor
    """[windows, frames, nodes, nodes] as the data have them."""
    pairs: Pairs
    next: Flags
    """[windows, pairs] the answer."""

    @property
    def last(self) -> Flags:
        """[windows, nodes, nodes] the last frame."""
        return (self.seen[:, -1] != 0).numpy()

    @property
    def mean(self) -> Numbers:
        """[windows, pairs] the mean over the window."""
        return self.at((self.seen != 0).double().mean(1))

    @property
    def five(self) -> Numbers:
        """[windows, pairs, 5] last value, window mean, common neighbours, sum and log product of the degrees."""
        return self.at(numbers_of("pair_logit", entries_of(self.seen, torch.float64)))

    @property
    def keys(self) -> list[bytes]:
        """A digest of each last frame."""
        rows = np.packbits(self.last.reshape(len(self.next), -1), axis=1)
        return [blake2b(row.tobytes(), digest_size=16).digest() for row in rows]

    def at(self, matrices: Tensor) -> Numbers:
        """[windows, pairs, ...] of [windows, nodes, nodes, ...]."""
        told: Numbers = matrices[:, self.pairs[0], self.pairs[1]].numpy()
        return told


Rule = Callable[[Windows], Numbers]
"""From windows to scores, [windows, pairs]."""


def link_lines(dataset: Dataset) -> dict[str, float]:
    """AUC and AP of simple forecasts by held-out split, ties broken at random; none where nothing can be ranked."""
    pairs = asked_pairs(dataset.splits["train"])
    rules = fitted(dataset.splits["train"], pairs)
    told = {"auc: chance": 0.5, "auc_macro: chance": 0.5}
    for name in HELD_OUT:
        told |= lines_on(name, _lines_of(dataset.splits[name], rules, pairs))
    return {name: value for name, value in told.items() if not np.isnan(value)}


def _lines_of(split: AnySplit, rules: Mapping[str, Rule], pairs: Pairs) -> dict[str, float]:
    most = min(MOST_WINDOWS, MOST_SCORED // len(pairs[0]))
    links = np.concatenate([windows.next for windows in windows_of(split, pairs, most)])
    told = {"ap: chance": float(links.mean())}
    for name, rule in rules.items():
        scores = np.concatenate([rule(windows).astype(np.float32) for windows in windows_of(split, pairs, most)])
        auc, ap = of_order(scores, links)
        told |= {f"auc: {name}": auc, f"ap: {name}": ap, f"auc_macro: {name}": auc_by_graph(scores, links)}
    return told


def windows_of(split: AnySplit, pairs: Pairs, most: int | None = None) -> Iterator[Windows]:
    """The windows of a split a few at a time, evenly spaced ones where there are more than `most`."""
    every = -(-len(split) // max(1, most or len(split)))
    nodes = int(split.sizes.max())
    frames = split.batch(torch.zeros(1, dtype=torch.int64), nodes).adjacency.numel()
    for index in torch.split(torch.arange(0, len(split), every), max(1, CHUNK // frames)):
        batch = split.batch(index, nodes)
        seen = batch.adjacency if batch.adjacency.ndim == 4 else batch.adjacency[:, None]
        yield Windows(seen, pairs, (batch.y[:, pairs[0], pairs[1]] != 0).numpy())


def fitted(train: AnySplit, pairs: Pairs) -> dict[str, Rule]:
    """Simple forecasts by name; the higher their scores, the likelier is a link."""
    followed = Followed.fitted(train, pairs)
    return {
        "copy last": lambda windows: windows.last[:, pairs[0], pairs[1]].astype(np.float64),
        "window mean": lambda windows: windows.mean,
        "pair marginal": lambda windows: np.broadcast_to(followed.marginal, windows.next.shape),
        "successor lookup": followed.looked_up,
        "pair logit": PairLogit.fitted(train, pairs),
    }


@dataclass(frozen=True)
class Followed:
    """What came next in training."""

    marginal: Numbers
    """[pairs] on average."""
    behind: Mapping[bytes, list[bytes]]
    """The bits of what followed each frame, by the frame's digest."""

    @classmethod
    def fitted(cls, train: AnySplit, pairs: Pairs) -> Self:
        """Look at every training window once."""
        total, behind = np.zeros(len(pairs[0])), dict[bytes, list[bytes]]()
        for windows in windows_of(train, pairs):
            total += windows.next.sum(0)
            for key, row in zip(windows.keys, np.packbits(windows.next, axis=1), strict=True):
                behind.setdefault(key, []).append(row.tobytes())
        return cls(total / len(train), behind)

    def looked_up(self, windows: Windows) -> Numbers:
        """The mean of what followed the same frame in training, to the bit; for a frame that is new, the pair's mean.

        Where it is good, the next frame has been seen: data leak, or their seeds repeat.
        """
        return np.stack([self._mean(self.behind[key]) if key in self.behind else self.marginal for key in windows.keys])

    def _mean(self, packed: list[bytes]) -> Numbers:
        rows = np.frombuffer(b"".join(packed), np.uint8).reshape(len(packed), -1)
        mean: Numbers = np.unpackbits(rows, axis=1, count=len(self.marginal)).mean(0)
        return mean


@dataclass(frozen=True)
class PairLogit:
    """A logistic regression on five numbers of a pair: its past, and what its nodes share."""

    centre: Numbers
    width: Numbers
    weight: Numbers
    bias: float

    @classmethod
    def fitted(cls, train: AnySplit, pairs: Pairs) -> Self:
        """Fit it to some training windows; where nothing is to be told apart, all pairs are alike."""
        from sklearn.linear_model import LogisticRegression  # a second of import that cached data never pay

        some = windows_of(train, pairs, min(MOST_FITTED, MOST_FITTED_PAIRS // len(pairs[0])))
        told = [(windows.five, windows.next.ravel()) for windows in some]
        x, y = np.concatenate([x.reshape(-1, x.shape[-1]) for x, _ in told]), np.concatenate([y for _, y in told])
        centre, width = x.mean(0), np.maximum(x.std(0), 1e-12)
        if y.all() or not y.any():
            return cls(centre, width, np.zeros(len(centre)), 0.0)
        model = LogisticRegression().fit((x - centre) / width, y)
        return cls(centre, width, model.coef_[0], float(model.intercept_[0]))

    def __call__(self, windows: Windows) -> Numbers:
        """Log odds, [windows, pairs]."""
        told: Numbers = (windows.five - self.centre) / self.width @ self.weight + self.bias
        return told


def of_order(scores: NDArray[np.floating], links: Flags) -> tuple[float, float]:
    """AUC and AP of all pairs ranked together."""
    order = ranked(scores.ravel().astype(np.float64), np.ones(scores.size), links.ravel().astype(np.float64))
    return order.auc, order.ap


def auc_by_graph(scores: NDArray[np.floating], links: Flags) -> float:
    """The mean of the AUCs of single graphs, those with links and with other pairs."""
    parts = -(-scores.size // CHUNK)
    told = [_aucs(*each) for each in zip(np.array_split(scores, parts), np.array_split(links, parts), strict=True)]
    found = np.concatenate(told)
    return float(found.mean()) if len(found) else float("nan")


def _aucs(scores: NDArray[np.floating], links: Flags) -> Numbers:
    ranking = Ranking.of(scores, links)
    return ranking.auc()[~ranking.is_single]
