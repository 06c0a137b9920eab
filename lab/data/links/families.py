"""Families of random graphs, many frames at a time, each frame a function of its own table of random numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lab.data.links.frames import Graphs
from lab.data.links.streams import Random

Numbers = NDArray[np.float64]
Named = Literal["barabasi_albert", "erdos_renyi", "newman_watts"]
SWITCH = 0.3
"""The least relative change of a parameter at a change of the law."""
MOST_NEIGHBOURS = 8


@dataclass(frozen=True)
class Law:
    """The parameters of a family in one segment."""

    count: int = 0
    """Edges of a new node, or neighbours on the ring."""
    chance: float = 0.0
    """Of an edge, or of a shortcut."""


FIRST: Mapping[Named, Law] = {
    "barabasi_albert": Law(count=3),
    "erdos_renyi": Law(chance=0.05),
    "newman_watts": Law(count=4, chance=0.05),
}


def another_law(family: Named, now: Law, random: Random) -> Law:
    """Parameters drawn anew, until one of them is different enough."""
    while True:
        if family == "barabasi_albert":
            law = Law(count=int(random.integers(2, 8, endpoint=True)))
        elif family == "erdos_renyi":
            law = Law(chance=float(random.uniform(0.03, 0.15)))
        else:
            law = Law(int(random.integers(2, MOST_NEIGHBOURS, endpoint=True)), float(random.uniform(0.02, 0.20)))
        if _differs(law.count, now.count) or _differs(law.chance, now.chance):
            return law


def _differs(value: float, before: float) -> bool:
    return before > 0 and abs(value - before) / before >= SWITCH


def numbers_needed(family: Named, nodes: int) -> tuple[int, ...]:
    """The shape of a frame's table of random numbers, the same for all parameters of a family."""
    return {
        "barabasi_albert": (nodes, nodes),
        "erdos_renyi": (nodes, nodes),
        "newman_watts": (MOST_NEIGHBOURS // 2, nodes, nodes + 1),
    }[family]


def drawn(family: Named, law: Law, table: Numbers) -> Graphs:
    """[frames, nodes, nodes] from [frames, ...] numbers between 0 and 1."""
    if family == "barabasi_albert":
        half = _preferential(law.count, table)
    elif family == "erdos_renyi":
        half = np.triu(table < law.chance, 1)
    else:
        half = _ring_with_shortcuts(law, table)
    return (half | half.swapaxes(1, 2)).astype(np.uint8)


def _preferential(count: int, table: Numbers) -> NDArray[np.bool_]:
    """A star of the first nodes, then every new one joined to different older ones, by their degrees."""
    frames, nodes, _ = table.shape
    edges = np.zeros((frames, nodes, nodes), bool)
    edges[:, 0, 1 : count + 1] = True
    degree = (edges | edges.swapaxes(1, 2)).sum(2)
    waits = -np.log1p(-table)  # whose is the shortest, over their degrees: drawn by degree, none twice
    for new in range(count + 1, nodes):
        races = waits[:, new, :new] / degree[:, :new]
        chosen = np.argpartition(races, count - 1, axis=1)[:, :count]
        np.put_along_axis(edges[:, new], chosen, True, axis=1)
        degree += edges[:, new]
        degree[:, new] = count
    return edges


def _ring_with_shortcuts(law: Law, table: Numbers) -> NDArray[np.bool_]:
    """Every node joined to the next ones on a ring, and each such edge now and then to a far node besides."""
    frames, _, nodes, _ = table.shape
    here, every = np.arange(nodes), np.arange(frames)
    edges = np.tile(np.eye(nodes, dtype=bool), (frames, 1, 1))  # joined to itself, so that none takes itself
    for step in range(1, law.count // 2 + 1):
        edges[:, here, (here + step) % nodes] = edges[:, (here + step) % nodes, here] = True
    for step, node in itertools.product(range(law.count // 2), range(nodes)):
        coin, keys = table[:, step, node, 0], table[:, step, node, 1:]
        free = ~edges[:, node]
        far = np.where(free, keys, -1.0).argmax(1)
        takes = (coin < law.chance) & free.any(1)
        edges[every[takes], node, far[takes]] = edges[every[takes], far[takes], node] = True
    edges[:, here, here] = False
    return edges
