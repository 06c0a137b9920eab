"""The published PATTERN and CLUSTER files, read through PyTorch Geometric into the tensors everything else uses."""

from __future__ import annotations

import os
import pickle
import socket
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lab.data.batch import Dataset, Shape, Split
from lab.data.pack import Graph, pack
from lab.errors import LabError

if TYPE_CHECKING:
    from torch_geometric.data import Data

Name = Literal["PATTERN", "CLUSTER"]
CLASSES: dict[Name, int] = {"PATTERN": 2, "CLUSTER": 6}
TOKENS: dict[Name, int] = {"PATTERN": 3, "CLUSTER": 7}
THEIRS = {"train": "train", "valid": "val", "test": "test"}
UNREADABLE = (OSError, EOFError, RuntimeError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError)
MOST_PARALLEL = 255
"""Edges from one node to another that an adjacency matrix of bytes can count."""
PATIENCE = 30.0
"""Seconds a silent server is waited for."""


def folder() -> Path:
    """Where the published files are, or are put: the folder in LAB_DATA, else mlruns/data."""
    return Path(os.environ.get("LAB_DATA") or Path("mlruns", "data")).absolute()


def published(name: Name, counts: Mapping[str, int]) -> Dataset:
    """The first graphs of each published split."""
    splits = {ours: _to_split(_open(name, ours), name, ours, count) for ours, count in counts.items()}
    widest = max(int(split.sizes.max()) for split in splits.values())
    return Dataset(Shape(nodes=widest, classes=CLASSES[name], tokens=TOKENS[name]), splits)


def to_graph(data: Data) -> Graph:
    """One PyTorch Geometric graph with one-hot nodes as tokens, an adjacency matrix that counts edges, labels."""
    nodes = int(data.num_nodes)
    source, target = data.edge_index.numpy()
    edges = np.bincount(source * nodes + target, minlength=nodes * nodes)
    if edges.max(initial=0) > MOST_PARALLEL:
        raise LabError(f"two nodes are joined by {edges.max()} edges; {MOST_PARALLEL} is the most that is counted")
    return Graph(
        tokens=data.x.argmax(dim=-1).numpy(),
        adjacency=edges.reshape(nodes, nodes).astype(np.uint8),
        labels=data.y.numpy(),
    )


def _to_split(graphs: Sequence[Data], name: Name, split: str, count: int) -> Split:
    if len(graphs) < count:
        raise LabError(
            f"dataset.{split}: the published {name} has {len(graphs)} graphs here, not {count}",
            hint=f"ask for at most {len(graphs)}",
        )
    chosen = [graphs[at] for at in range(count)]
    sizes = np.array([data.num_nodes for data in chosen], np.int64)
    return pack(sizes, map(to_graph, chosen))


def _open(name: Name, split: str) -> Sequence[Data]:
    from torch_geometric.datasets import GNNBenchmarkDataset  # seconds of import that generated data never pay

    root = folder()
    try:
        with _impatient():
            graphs: Sequence[Data] = GNNBenchmarkDataset(str(root), name, THEIRS[split])
    except UNREADABLE as error:
        raise LabError(
            f"the published {name} files cannot be had: {type(error).__name__}: {error}",
            hint=f"put {name}_v2.pt into {root / name / 'raw'} (LAB_DATA names the folder before {name}), "
            f"remove {root / name} if a download broke off, or use source: generated",
        ) from error
    return graphs


@contextmanager
def _impatient() -> Iterator[None]:
    """The download has no time limit of its own; a network that swallows packets would hang it."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
