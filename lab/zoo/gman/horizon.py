"""The forecasting end: every step ahead reads the frames of a node, and blocks work on what was read."""

from __future__ import annotations

from torch import Tensor, nn

from lab.data.batch import Shape
from lab.spec.models.gman import Gman as Options
from lab.zoo.gman.attention import Transform
from lab.zoo.gman.block import Block
from lab.zoo.gman.encodings import Places


class Horizon(nn.Module):
    """From the states of the frames seen to one value for each step ahead and node."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.steps = Places(shape.horizon, spec.width)
        self.transform = Transform(spec.width, spec.temporal.heads, spec.dropout)
        self.blocks = nn.ModuleList(Block(spec, shape.nodes) for _ in range(spec.decoder_layers))
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
        names = {f"blocks.{at}.{name}" for at, block in enumerate(self.blocks) for name in block.zero_gradient()}  # type: ignore[operator]
        return names | {f"transform.{name}" for name in self.transform.zero_gradient()}
