"""The forecasting end: every step ahead reads the frames of a node, and blocks work on what was read."""

from __future__ import annotations

import math

from torch import Tensor, nn

from lab.data.batch import Shape
from lab.spec.models.gman import Gman as Options
from lab.zoo.gman.attention import Weigh
from lab.zoo.gman.block import Block
from lab.zoo.gman.encodings import Places


class Transform(nn.Module):
    """Attention from the steps ahead, as queries, to the frames of the same node."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.heads = spec.temporal.heads
        self.query = nn.Linear(spec.width, spec.width)
        self.key = nn.Linear(spec.width, spec.width, bias=False)
        self.value = nn.Linear(spec.width, spec.width)
        self.weigh = Weigh(spec.dropout)
        self.projection = nn.Linear(spec.width, spec.width)

    def forward(self, asked: Tensor, x: Tensor) -> Tensor:
        """[graphs, horizon, nodes, width] of queries of this shape and states [graphs, frames, nodes, width]."""
        query, key, value = (
            part(states).transpose(1, 2).unflatten(-1, (self.heads, -1)).transpose(2, 3).flatten(0, 1)
            for part, states in ((self.query, asked), (self.key, x), (self.value, x))
        )
        weights = self.weigh(query @ key.mT / math.sqrt(query.shape[-1]))
        read = (weights @ value).transpose(1, 2).flatten(2)
        told: Tensor = self.projection(read.unflatten(0, (len(x), -1)).transpose(1, 2))
        return told


class Horizon(nn.Module):
    """From the states of the frames seen to one value for each step ahead and node."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.steps = Places(shape.horizon, spec.width)
        self.transform = Transform(spec)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.decoder_layers))
        self.value = nn.Linear(spec.width, 1)

    def forward(self, x: Tensor, of_nodes: Tensor | None, edges: Tensor | None) -> Tensor:
        """Values [graphs, horizon, nodes, 1]; the graph of the last frame is taken for those ahead."""
        asked = self.steps()[:, None].expand(len(x), -1, x.shape[2], -1)
        asked = asked if of_nodes is None else asked + of_nodes[:, None]
        ahead = self.transform(asked, x) + asked
        for block in self.blocks:
            ahead = block(ahead, None if edges is None else edges[:, -1:])
        values: Tensor = self.value(ahead)
        return values

    def zero_gradient(self) -> set[str]:
        """What its blocks have and cannot learn."""
        return {f"blocks.{at}.{name}" for at, block in enumerate(self.blocks) for name in block.zero_gradient()}  # type: ignore[operator]
