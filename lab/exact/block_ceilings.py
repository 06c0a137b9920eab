"""The best possible scores on a persistent block model: exact sums over all histories of a pair, no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.exact.block_process import BlockProcess

Numbers = NDArray[np.float64]
Integers = NDArray[np.int64]
Graphs = NDArray[np.bool_]
Sight = Literal["full", "own", "orderless_comm", "orderless", "last_comm", "last", "comm"]
"""What a forecast may look at."""

SIGHTS: Mapping[Sight, str] = MappingProxyType(
    {
        "full": "own history and community",
        "own": "own history",
        "orderless_comm": "number of ones and community",
        "orderless": "number of ones",
        "last_comm": "last frame and community",
        "last": "last frame",
        "comm": "community",
    }
)
LONGEST = 20
"""Frames of the longest window whose histories are enumerated."""
SAME = 12
"""Decimals to which two probabilities must agree to be one score."""


@dataclass(frozen=True)
class Ranked:
    """How well an order of pairs finds the edges, ties broken at random."""

    auc: float
    ap: float
    f1: float
    """At the best threshold."""


@dataclass(frozen=True)
class Ceiling(Ranked):
    """The best that can be done with what a forecast may look at."""

    nll: float


def ceilings(process: BlockProcess, window: int) -> dict[Sight, Ceiling]:
    """The best possible scores of a forecast of the next frame, for everything it may look at."""
    mass, yes, seen = _cells(process, window)
    return {sight: _best(*_merged(mass, yes, seen[sight])) for sight in SIGHTS}


def ceilings_with_diagonal(process: BlockProcess, window: int) -> dict[Sight, Ceiling]:
    """The same where the diagonal is scored too, which never has an edge: ranked last, and known for sure."""
    pairs = (process.nodes - 1) / process.nodes
    return {
        sight: replace(best, auc=with_diagonal(best.auc, process), nll=best.nll * pairs)
        for sight, best in ceilings(process, window).items()
    }


def ranked(score: Numbers, mass: Numbers, yes: Numbers) -> Ranked:
    """Cells of pairs in the order of a score: how many pairs each holds, and how many of these are edges."""
    _, cell = np.unique(-score.round(SAME), return_inverse=True)
    mass, yes = _totals(cell, mass), _totals(cell, yes)
    no = mass - yes
    edges, others = float(yes.sum()), float(no.sum())
    if not edges or not others:
        return Ranked(float("nan"), float("nan"), float("nan"))
    edges_above, above = _before(yes), _before(mass)
    precision = yes / mass
    auc = float((no * (edges_above + yes / 2)).sum()) / (edges * others)
    drawn_out = np.log1p(np.divide(mass, above, where=above > 0, out=np.zeros_like(mass)))
    ap = float((yes * (precision + (edges_above - precision * above) / mass * drawn_out)).sum()) / edges
    f1 = float((2 * (edges_above + yes) / (above + mass + edges)).max())
    return Ranked(auc, ap, f1)


def with_diagonal(auc: float, process: BlockProcess) -> float:
    """What an AUC becomes when the diagonal is scored too and ranked last: entries that are given away."""
    others = process.nodes * (process.nodes - 1) * (1 - process.observed_density)
    return (others * auc + process.nodes) / (others + process.nodes)


def degrees_alone(process: BlockProcess, frames: int = 4000, seed: int = 0) -> dict[str, float]:
    """AUCs of the last degrees alone, by simulation: of a pair's first node, as a readout by rows sees, and of both."""
    last, after = _simulated(process, frames, np.random.default_rng(seed))
    pairs = ~np.eye(process.nodes, dtype=bool)
    degree = last.sum(2)
    both = degree[:, :, None] + degree[:, None, :]
    row = np.broadcast_to(degree[:, :, None], both.shape)
    return {
        name: _by_value(score[:, pairs].ravel(), after[:, pairs].ravel()).auc
        for name, score in (("row_degree", row), ("degree_sum", both))
    }


def _by_value(values: Integers, edges: Graphs) -> Ranked:
    """One cell for each value, the largest first."""
    mass, yes = _totals(values, np.ones(len(values))), _totals(values, edges.astype(np.float64))
    return ranked(np.arange(len(mass), dtype=np.float64)[mass > 0], mass[mass > 0], yes[mass > 0])


def _simulated(process: BlockProcess, frames: int, random: np.random.Generator) -> tuple[Graphs, Graphs]:
    """Two frames in a row of many graphs."""
    labels = np.repeat(np.arange(process.communities), process.sizes())
    between, within = process.rates
    upper = np.triu_indices(process.nodes, 1)
    chance = np.where(labels[:, None] == labels, within, between)[upper]

    def seen(state: Graphs) -> Graphs:
        full = np.zeros((frames, process.nodes, process.nodes), bool)
        full[:, *upper] = state ^ (random.random(state.shape) < process.flips)
        return full | full.swapaxes(1, 2)

    first = random.random((frames, len(chance))) < chance
    kept = random.random(first.shape) < process.persistence
    second = np.where(kept, first, random.random(first.shape) < chance)
    return seen(first), seen(second)


def _cells(process: BlockProcess, window: int) -> tuple[Numbers, Numbers, dict[Sight, Integers]]:
    """All histories in both kinds of pairs: their mass, the part of it that has an edge next, and what is seen."""
    if not 1 <= window <= LONGEST:
        raise ValueError(f"a window of {window} frames: histories are enumerated up to {LONGEST}")
    share = process.share_within
    told = [_histories(process, rate, window) for rate in process.rates]
    mass, yes = (np.concatenate([one * (1 - share), other * share]) for one, other in zip(*told, strict=True))
    history = np.tile(np.arange(2**window), 2)
    community = np.repeat([0, 1], 2**window)
    ones = (history[:, None] >> np.arange(window) & 1).sum(1)
    last = history >> (window - 1)
    return (
        mass,
        yes,
        {
            "full": 2 * history + community,
            "own": history,
            "orderless_comm": 2 * ones + community,
            "orderless": ones,
            "last_comm": 2 * last + community,
            "last": last,
            "comm": community,
        },
    )


def _histories(process: BlockProcess, rate: float, window: int) -> tuple[Numbers, Numbers]:
    """The chance of each history of a pair, bit by bit the latest highest, and the chance that an edge follows it."""
    absent, present = np.array([1 - rate]), np.array([rate])
    kept, wrong = process.persistence, process.flips
    for _ in range(window):
        absent = np.concatenate([absent * (1 - wrong), absent * wrong])
        present = np.concatenate([present * wrong, present * (1 - wrong)])
        total = absent + present
        present = kept * present + (1 - kept) * rate * total
        absent = total - present
    return total, (1 - wrong) * present + wrong * absent


def _merged(mass: Numbers, yes: Numbers, seen: Integers) -> tuple[Numbers, Numbers]:
    """One cell for all that look the same; what cannot happen is left out."""
    mass, yes = _totals(seen, mass), _totals(seen, yes)
    return mass[mass > 0], yes[mass > 0]


def _best(mass: Numbers, yes: Numbers) -> Ceiling:
    order = ranked(yes / mass, mass, yes)
    chance = np.clip(yes / mass, 1e-300, 1 - 1e-16)
    entropy = -(chance * np.log(chance) + (1 - chance) * np.log1p(-chance))
    return Ceiling(order.auc, order.ap, order.f1, float((mass * entropy).sum()))


def _totals(cell: Integers, values: Numbers) -> Numbers:
    """The sum of the values of each cell."""
    return np.bincount(cell, values).astype(np.float64)


def _before(values: Numbers) -> Numbers:
    """The sum of all values before each one."""
    return np.concatenate([[0.0], np.cumsum(values)[:-1]])
