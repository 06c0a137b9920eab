"""Graphs one by one become a split: padded tensors, laid out once for every batch that is cut from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import psutil
import torch
from numpy.typing import NDArray

from lab.data.batch import IGNORED, Split
from lab.errors import LabError

Integers = NDArray[np.int64]


class Graph(NamedTuple):
    """One graph as a source gives it."""

    tokens: Integers
    adjacency: NDArray[np.uint8]
    labels: Integers


def pack(sizes: Integers, graphs: Iterable[Graph]) -> Split:
    """Lay graphs, whose numbers of nodes are known beforehand, into tensors in their order."""
    count, widest = len(sizes), int(sizes.max())
    _fits_in_memory(count * widest * widest)
    x = np.zeros((count, widest), np.int64)
    adjacency = np.zeros((count, widest, widest), np.uint8)
    y = np.full((count, widest), IGNORED, np.int64)
    for at, (nodes, graph) in enumerate(zip(sizes.tolist(), graphs, strict=True)):
        x[at, :nodes] = graph.tokens
        adjacency[at, :nodes, :nodes] = graph.adjacency
        y[at, :nodes] = graph.labels
    tensors = (torch.from_numpy(array) for array in (x, adjacency, y, np.asarray(sizes, np.int64)))
    return Split(*tensors)


def _fits_in_memory(needed: int) -> None:
    free = psutil.virtual_memory().available
    if needed > free:
        raise LabError(
            f"the graphs of one split take {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB are free",
            hint="ask for fewer or smaller graphs",
        )
