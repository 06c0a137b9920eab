"""Taps: the places of a model that probes look at, named by what passes there. They own nothing and change nothing."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

Kind = Literal["block", "norm", "relu", "gate", "attention", "logits"]
"""What passes a tap: a block's output, a norm's, a ReLU's, gates in [0, 1], attention weights, or the read-out's."""
Over = Literal["nodes", "frames", "others"]
"""What reads what in attention: the nodes of a graph each other, frames each other, or neither."""


class Tap(nn.Module):
    """An identity that says what passes it; probes hook it, and without probes it costs one call.

    A module whose own output is worth a look needs no tap: a class attribute `tapped` of the same kinds marks it.
    """

    def __init__(self, kind: Kind, *, over: Over = "nodes") -> None:
        super().__init__()
        self.tapped: Kind = kind
        self.over: Over = over

    def forward(self, told: Tensor, allowed: Tensor | None = None) -> Tensor:
        """The tensor as it is: [graphs, nodes, ...], or attention [graphs, heads, rows, columns] with what it may read.

        `allowed` broadcasts to the attention weights; 1 where a row may read a column.
        """
        return told

    @property
    def is_watched(self) -> bool:
        """Whether anybody looks; a layer that never makes the whole of what passes makes it only then."""
        return bool(self._forward_hooks or self._forward_pre_hooks)

    def extra_repr(self) -> str:
        """What print shows between the brackets."""
        return self.tapped if self.over == "nodes" else f"{self.tapped}, over={self.over}"
