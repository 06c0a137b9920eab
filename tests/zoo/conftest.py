"""Reference arrays, where they are at hand, and small batches to try models on."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.data.batch import Batch

Arrays = Mapping[str, Tensor]


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Arrays]:
    """Read one file of the reference folder as tensors; skip where there is none."""
    folder = Path(os.environ.get("LAB_REFERENCE", "../shared/reference"))

    def read(name: str) -> Arrays:
        path = folder / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no reference arrays at {path}; set LAB_REFERENCE")
        with np.load(path) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files if arrays[key].dtype.kind not in "US"}

    return read


@pytest.fixture(scope="session")
def dense() -> Callable[..., Batch]:
    """Turn an edge list over the nodes of several graphs into a padded batch."""

    def pad(x: Tensor, edges: Tensor, graph: Tensor, padding: int = 0) -> Batch:
        sizes = torch.bincount(graph)
        nodes = int(sizes.max()) + padding
        place = torch.arange(len(graph)) - (sizes.cumsum(0) - sizes)[graph]
        padded = torch.zeros(len(sizes), nodes, *x.shape[1:], dtype=x.dtype)
        padded[graph, place] = x
        adjacency = torch.zeros(len(sizes), nodes, nodes, dtype=torch.uint8)
        source, target = edges
        one = torch.ones(len(source), dtype=torch.uint8)
        adjacency.index_put_((graph[source], place[source], place[target]), one, accumulate=True)
        mask = torch.arange(nodes) < sizes[:, None]
        return Batch(padded, adjacency, mask, torch.zeros_like(mask, dtype=torch.int64), torch.arange(len(sizes)))

    return pad
