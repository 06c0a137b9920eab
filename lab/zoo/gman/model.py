"""The attention model of windows, whole: encodings, blocks, then pooling over time and links, or the steps ahead."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.gman import Gman as Options
from lab.zoo.gman.block import Block
from lab.zoo.gman.encodings import Beginning
from lab.zoo.gman.horizon import Horizon
from lab.zoo.link_readouts import LinkReadout


class Gman(nn.Module):
    """Links of the next frame where the shape has no horizon, else values of the frames ahead."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.beginning = Beginning(spec, shape)
        self.blocks = nn.ModuleList(Block(spec, shape.nodes) for _ in range(spec.layers))
        self.pooling = TimePooling(spec) if not shape.horizon else None
        has_links = not shape.horizon
        self.readout = LinkReadout(spec.readout, shape, spec.width, dropout=spec.dropout) if has_links else None
        self.horizon = Horizon(spec, shape) if shape.horizon else None

    def forward(self, batch: Batch) -> Tensor:
        """Logits or probabilities [graphs, nodes, nodes], or values [graphs, horizon, nodes, 1]."""
        known = batch.extra or self.prepare(batch)
        x = self.beginning(batch, known)
        edges = self._edges(batch, x.dtype)
        for block in self.blocks:
            x = block(x, edges)
        if self.horizon is not None:
            values: Tensor = self.horizon(x, self.beginning.of_nodes(known), edges)
            return values
        assert self.pooling is not None
        assert self.readout is not None
        links: Tensor = self.readout(self.pooling(x), batch)
        return links

    def _edges(self, batch: Batch, dtype: torch.dtype) -> Tensor | None:
        """[graphs, frames or 1, nodes, nodes], 1 where an edge leads from column to row; None where they do nothing."""
        if self.spec.spatial.graph == "ignored":
            return None
        edges = batch.adjacency if batch.adjacency.ndim == 4 else batch.adjacency[:, None]
        return (edges.mT > 0).to(dtype)

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The eigenvectors of the window, where nodes are told of them."""
        return self.beginning.prepare(batch, next(self.parameters()).dtype)

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        names = {f"blocks.{at}.{name}" for at, block in enumerate(self.blocks) for name in block.zero_gradient()}  # type: ignore[operator]
        return names if self.horizon is None else names | {f"horizon.{name}" for name in self.horizon.zero_gradient()}


class TimePooling(nn.Module):
    """From the states of all frames to one for each node."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.kind = spec.time_pooling
        self.score = nn.Linear(spec.width, 1, bias=False) if spec.time_pooling == "attention" else None

    def forward(self, x: Tensor) -> Tensor:
        """[graphs, nodes, width] of [graphs, frames, nodes, width]."""
        if self.score is not None:
            shares: Tensor = self.score(x).softmax(1)
            return (shares * x).sum(1)
        return x[:, -1] if self.kind == "last" else x.mean(1)
