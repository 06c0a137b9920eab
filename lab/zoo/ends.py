"""Both ends of the anchor models: a linear way in from tokens, and read-outs of several layers."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import embedding, pad

from lab.data.batch import Shape
from lab.spec.models.encoding import Readout as Options


class TokenLinear(nn.Linear):
    """A linear layer on one-hot tokens, which are looked up instead: a table with a bias."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Channels of [...] tokens."""
        return embedding(tokens, self.weight.t()) + self.bias


def linear_way_in(shape: Shape, width: int) -> nn.Module:
    """A linear first layer, of tokens or of numbers."""
    return TokenLinear(shape.tokens, width) if shape.tokens else nn.Linear(shape.features, width)


class Readout(nn.Module):
    """Hidden layers with ReLUs, then the logits of each node."""

    tapped: ClassVar[str] = "logits"

    def __init__(self, spec: Options, width: int, shape: Shape) -> None:
        super().__init__()
        count = 0 if spec.hidden == "none" else spec.layers
        widths = [max(1, width >> depth) if spec.hidden == "halving" else width for depth in range(count + 1)]
        self.is_lead = spec.logits == "one" and shape.classes == 2
        self.hidden = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairwise(widths))
        self.last = nn.Linear(widths[-1], 1 if self.is_lead else shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [graphs, nodes, outputs]; a single number is the lead of the second class over a logit of 0."""
        for layer in self.hidden:
            x = layer(x).relu()
        logits: Tensor = self.last(x)
        return pad(logits, (1, 0)) if self.is_lead else logits
