"""The contract of a dataset."""

from __future__ import annotations

import torch
from torch import Tensor

from lab.data.batch import IGNORED, Dataset, Shape, Split
from lab.data.cache import content_hash
from lab.data.windows import WindowSplit
from lab.spec.datasets import DatasetSpec


def check_dataset(spec: DatasetSpec | type[DatasetSpec]) -> None:
    """A seed fixes a dataset, no node is scored in two splits, and everything lies within the shape it tells."""
    spec = spec() if isinstance(spec, type) else spec
    dataset: Dataset = spec.build(0)
    assert content_hash(dataset) == content_hash(spec.build(0)), "the same seed gave two datasets"
    assert {"train", "valid"} <= dataset.splits.keys(), f"splits train and valid are due, not {list(dataset.splits)}"
    seen: dict[bytes, tuple[str, Tensor]] = {}
    for name, split in {id(split): (name, split) for name, split in dataset.splits.items()}.values():
        if isinstance(split, WindowSplit):
            _check_windows(dataset.shape, split)
            continue
        assert isinstance(split, Split)
        for graph in range(len(split)):
            key, scored = _check_graph(dataset.shape, split, graph)
            other, before = seen.setdefault(key, (name, scored))
            overlap = other != name and bool((before & scored).any())
            assert not overlap, f"graph {graph} of {name} is scored in {other} too"


def _check_graph(shape: Shape, split: Split, graph: int) -> tuple[bytes, Tensor]:
    """The graph's own bytes, and which of its nodes are scored."""
    size = int(split.sizes[graph])
    assert 1 <= size <= shape.nodes, f"a graph has {size} nodes, the shape tells {shape.nodes} at most"
    x, y, adjacency = split.x[graph], split.y[graph], split.adjacency[graph]
    assert adjacency.dtype == torch.uint8, f"adjacency is {adjacency.dtype}, not uint8"
    assert not adjacency[size:].any(), "padding has edges"
    assert not adjacency[:, size:].any(), "padding has edges"
    x, y = x[:size], split.y[graph][:size]
    if shape.tokens:
        assert ((x >= 0) & (x < shape.tokens)).all(), f"a token is not among the {shape.tokens}"
    else:
        assert x.shape[1:] == (shape.features,), f"nodes carry {tuple(x.shape[1:])}, not {shape.features} numbers"
    scored = torch.ones(size, dtype=torch.bool)
    if shape.classes:
        scored = y != IGNORED
        assert (split.y[graph][size:] == IGNORED).all(), "padding has labels"
        assert ((y[scored] >= 0) & (y[scored] < shape.classes)).all(), f"a label is not among the {shape.classes}"
    return x.numpy().tobytes() + adjacency[:size, :size].contiguous().numpy().tobytes(), scored


def _check_windows(shape: Shape, split: WindowSplit) -> None:
    """Every window lies within its sequence, and its batch is as the shape tells."""
    assert len(split), "a split has no windows"
    sequences, frames, rows, features = split.x.shape
    nodes = split.nodes
    assert (nodes, features) == (shape.nodes, shape.features), f"frames are {nodes} x {features}, unlike the shape"
    assert split.window == shape.window, f"windows see {split.window} frames, the shape tells {shape.window}"
    last = split.starts[:, 1] + split.window + split.horizon
    assert ((split.starts[:, 0] >= 0) & (split.starts[:, 0] < sequences)).all(), "a window is of no sequence"
    assert ((split.starts[:, 1] >= 0) & (last <= frames)).all(), "a window leaves its sequence"
    assert rows in (1, nodes), f"features are of {rows} nodes, neither of all {nodes} nor of one for all"
    batch = split.batch(torch.arange(min(2, len(split))), nodes)
    assert batch.x.isfinite().all(), "a feature is not finite"
    if shape.horizon:
        assert batch.y.shape[1:] == (shape.horizon, nodes), f"answers are {tuple(batch.y.shape[1:])}, unlike the shape"
        if batch.trend is not None:
            assert batch.trend.shape == batch.y.shape, f"a trend is {tuple(batch.trend.shape)}, unlike the answers"
            assert batch.trend.isfinite().all(), "a trend is not finite"
    else:
        assert batch.y.shape[1:] == (nodes, nodes), f"answers are {tuple(batch.y.shape[1:])}, unlike the shape"
