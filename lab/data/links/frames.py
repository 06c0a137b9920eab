"""Frames of graphs become a data set of links: windows by split, each split with the sequences that it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lab.data.batch import Dataset, Shape
from lab.data.links.streams import stream
from lab.data.windows import WindowSplit
from lab.spec.datasets.links import OfLinks
from lab.spec.tasks import SPLITS

Graphs = NDArray[np.uint8]
Features = NDArray[np.float32]
Starts = NDArray[np.int64]


@dataclass(frozen=True)
class Frames:
    """Sequences of graphs: those of training first, then those of validation, then those of the test."""

    x: Features
    """[sequences, frames, nodes, features], or one row for all nodes where they carry the same."""
    adjacency: Graphs
    """[sequences, frames, nodes, nodes]."""


def to_dataset(frames: Frames, spec: OfLinks, starts: Mapping[str, Starts]) -> Dataset:
    """The data set of some frames and of the windows over them."""
    shape = Shape(nodes=frames.adjacency.shape[-1], features=frames.x.shape[-1], window=spec.window)
    if spec.split == "by_sequence":
        splits = {name: _own(frames, starts[name], spec.window) for name in SPLITS}
    else:
        x, graphs = torch.from_numpy(frames.x), torch.from_numpy(frames.adjacency)
        splits = {name: WindowSplit(x, graphs, graphs, torch.from_numpy(starts[name]), spec.window) for name in SPLITS}
    return Dataset(shape, splits, spec.task)


def window_starts(spec: OfLinks, seed: int) -> dict[str, Starts]:
    """[windows, 2]: sequence and first frame of the windows of each split."""
    if spec.split == "random_windows":
        return _dealt_out(spec, seed)
    counts, every = spec.sequences(), sum(spec.sequences().values())
    starts, first = {}, 0
    for name, (begin, end) in spec.parts().items():
        mine = range(first, first + counts[name]) if spec.split == "by_sequence" else range(every)
        starts[name] = _grid(mine, range(begin, end - spec.window, spec.stride))
        first += counts[name]
    return starts


def training_frames(spec: OfLinks, starts: Starts) -> NDArray[np.bool_]:
    """[sequences, frames]: which frames training windows read or ask for."""
    touched = np.zeros((sum(spec.sequences().values()), spec.length), bool)
    for ahead in range(spec.window + 1):
        touched[starts[:, 0], starts[:, 1] + ahead] = True
    return touched


def _dealt_out(spec: OfLinks, seed: int) -> dict[str, Starts]:
    counts = spec.sequences()
    grid = _grid(range(sum(counts.values())), range(0, spec.length - spec.window, spec.stride))
    order = stream(seed, "split").permutation(len(grid))
    cuts = np.cumsum(list(counts.values()))[:-1] * len(grid) // sum(counts.values())
    return {name: grid[np.sort(mine)] for name, mine in zip(counts, np.split(order, cuts), strict=True)}


def _grid(sequences: range, firsts: range) -> Starts:
    return np.stack(np.meshgrid(sequences, firsts, indexing="ij"), axis=-1).reshape(-1, 2).astype(np.int64)


def _own(frames: Frames, starts: Starts, window: int) -> WindowSplit:
    """A split with its own sequences only."""
    first, last = int(starts[0, 0]), int(starts[-1, 0]) + 1
    x, graphs = (torch.from_numpy(each[first:last].copy()) for each in (frames.x, frames.adjacency))
    return WindowSplit(x, graphs, graphs, torch.from_numpy(starts - [first, 0]), window)
