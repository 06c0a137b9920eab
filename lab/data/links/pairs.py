"""Which pairs of nodes a data set of links asks about."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import AnySplit

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The rows and the columns of their entries."""


def asked_pairs(split: AnySplit) -> Pairs:
    """Pairs above the diagonal, or all ordered pairs of two nodes where an edge may lead one way only."""
    ordered = ~np.eye(int(split.sizes.max()), dtype=bool)
    rows, columns = np.nonzero(np.triu(ordered) if is_symmetric(split) else ordered)
    return rows, columns


def is_symmetric(split: AnySplit) -> bool:
    """Whether every graph that is to be predicted has each edge in both directions; one sequence at a time."""
    return all(torch.equal(links, links.mT) for links in (each != 0 for each in split.y))
