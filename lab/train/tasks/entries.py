"""Which entries of a graph's matrix count: all of them, those off the diagonal, or the upper triangle."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from lab.data.batch import AnySplit
from lab.spec.losses import Entries

CHUNK = 256


@lru_cache(maxsize=32)
def places(entries: Entries, nodes: int, device: torch.device) -> Tensor:
    """The entries that count, as places in a flattened matrix."""
    every = torch.ones(nodes, nodes, dtype=torch.bool, device=device)
    kept = {"full": every, "offdiag": ~torch.eye(nodes, dtype=torch.bool, device=device), "upper": every.triu(1)}
    return kept[entries].flatten().nonzero()[:, 0]


def picked(matrices: Tensor, entries: Entries) -> Tensor:
    """[graphs, entries] the entries that count of [graphs, nodes, nodes].

    Picked and not masked, so that whatever a model says of the others, be it infinite, reaches no gradient.
    """
    flat = matrices.flatten(1)
    return flat if entries == "full" else flat.index_select(1, places(entries, matrices.shape[-1], matrices.device))


def off_diagonal(matrices: Tensor, entries: Entries) -> Tensor:
    """The matrices with 0 on their diagonal, unless that counts too."""
    if entries == "full":
        return matrices
    diagonal = torch.eye(matrices.shape[-1], dtype=torch.bool, device=matrices.device)
    return matrices.masked_fill(diagonal, 0.0)


def counts_of(split: AnySplit, entries: Entries) -> Tensor:
    """[2] float64 on the CPU: entries without and with a link, over all answers of a split."""
    found = torch.zeros(2, dtype=torch.float64, device=split.y.device)
    for index in torch.split(torch.arange(len(split)), CHUNK):
        links = picked(split.batch(index, int(split.sizes.max())).y, entries) != 0
        found += torch.stack([(~links).sum(), links.sum()])
    return found.cpu()
