"""Small batches to try models on."""

from __future__ import annotations

import torch

from lab.data.batch import IGNORED, Batch, Shape
from lab.data.windows import WindowSplit

CLASSIFY = Shape(nodes=9, classes=3, tokens=4)
REGRESS = Shape(nodes=9, features=3, targets=2)
PAIRS = Shape(nodes=9, classes=3, tokens=4, pairs=1)
LINKS = Shape(nodes=6, features=3, window=5)
FORECAST = Shape(nodes=6, features=2, window=5, horizon=3, clock=1)
SHAPES = {
    "classify_nodes": CLASSIFY,
    "classify_pairs": PAIRS,
    "regress_nodes": REGRESS,
    "predict_links": LINKS,
    "forecast": FORECAST,
}
"""A small shape for each task."""


def small_batch(shape: Shape, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
    """A path, a random graph and a star with a node apart, with random nodes; all undirected, some padded.

    Where windows are asked for, three of them over one sequence of random frames.
    """
    random = torch.Generator().manual_seed(seed)
    if shape.window:
        return _windows(shape, random, dtype)
    sizes = torch.tensor([9, 7, 6])
    mask = torch.arange(9) < sizes[:, None]
    edges = torch.zeros(3, 9, 9, dtype=torch.bool)
    edges[0] = torch.ones(9, 9).tril(1).triu(1).bool()
    edges[1, :7, :7] = (torch.rand(7, 7, generator=random) < 0.4).triu(1) | torch.ones(7, 7).tril(1).triu(1).bool()
    edges[2, 0, 1:5] = True
    if shape.tokens:
        x = torch.randint(shape.tokens, mask.shape, generator=random) * mask
    else:
        x = torch.randn(*mask.shape, shape.features, generator=random).to(dtype) * mask[..., None]
    if shape.classes:
        y = torch.randint(shape.classes, mask.shape, generator=random).where(mask, IGNORED)
    else:
        y = torch.randn(*mask.shape, shape.targets, generator=random).to(dtype)
    return Batch(x, (edges | edges.transpose(1, 2)).to(torch.uint8), mask, y, torch.arange(3))


def _windows(shape: Shape, random: torch.Generator, dtype: torch.dtype) -> Batch:
    frames, nodes = shape.window + max(shape.horizon, 1) + 2, shape.nodes
    edges = (torch.rand(1, frames, nodes, nodes, generator=random) < 0.4).triu(1)
    graphs = (edges | edges.transpose(2, 3)).to(torch.uint8)
    x = torch.randn(1, frames, nodes, shape.features, generator=random).to(dtype)
    starts = torch.tensor([[0, 0], [0, 1], [0, 2]])
    known, y = (graphs[0, 0].to(dtype), x[..., 0]) if shape.horizon else (graphs, graphs)
    return WindowSplit(x, known, y, starts, shape.window, max(shape.horizon, 1)).batch(torch.arange(3), nodes)
