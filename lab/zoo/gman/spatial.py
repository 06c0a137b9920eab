"""All that happens inside a frame: attention of all nodes or by groups, a convolution along the edges, or their sum."""

from __future__ import annotations

from torch import Tensor, nn

from lab.spec.models.gman import Gman as Options
from lab.zoo.gman.attention import EdgeConvolution
from lab.zoo.gman.groups import node_attention


class Spatial(nn.Module):
    """What the nodes of a frame tell each other."""

    def __init__(self, spec: Options, nodes: int) -> None:
        super().__init__()
        options, width = spec.spatial, spec.width
        has_attention = options.across != "none"
        self.attention = node_attention(options, width, spec.dropout, nodes=nodes) if has_attention else None
        self.convolution = EdgeConvolution(width) if options.graph == "gcn_branch" else None

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """[graphs, frames, nodes, width]."""
        told: list[Tensor] = [] if self.attention is None else [self.attention(x, edges)]
        if self.convolution is not None:
            told.append(self.convolution(x, edges))
        return told[0] if len(told) == 1 else told[0] + told[1]

    def zero_gradient(self) -> set[str]:
        """What attention has and cannot learn."""
        return set() if self.attention is None else {f"attention.{name}" for name in self.attention.zero_gradient()}
