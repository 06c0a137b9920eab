"""The feed-forward part of the anchor transformers."""

from __future__ import annotations

from torch import Tensor, nn

from lab.zoo.parts import dropout
from lab.zoo.taps import Tap


class FeedForward(nn.Module):
    """Linear, ReLU, linear, node by node, twice as wide inside."""

    def __init__(self, width: int, share: float, *, bias: bool) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 2 * width)
        self.relu = Tap("relu")
        self.dropout = dropout(share)
        self.linear2 = nn.Linear(2 * width, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map [graphs, nodes, width]."""
        out: Tensor = self.linear2(self.dropout(self.relu(self.linear1(x).relu())))
        return out
