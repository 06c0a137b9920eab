"""A block: its spatial and its temporal part, one after the other or side by side, with norms and residual sums."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from lab.spec.models.gman import Gman as Options
from lab.zoo.gman.attention import Temporal
from lab.zoo.gman.spatial import Spatial
from lab.zoo.parts import LayerNorm, Relu, dropout
from lab.zoo.taps import Tap

Part = Callable[[Tensor, Tensor | None], Tensor]
"""What a part makes of the states [graphs, frames, nodes, width] and the edges of their frames."""


class Block(nn.Module):
    """Parts that each add something to the states of nodes; a part that is off is not there."""

    def __init__(self, spec: Options, nodes: int) -> None:
        super().__init__()
        self.spec = spec
        has_spatial = spec.spatial.across != "none" or spec.spatial.graph == "gcn_branch"
        has_temporal = spec.temporal.layout != "none"
        self.is_fused = spec.order in ("parallel_sum", "gated_fusion") and has_spatial and has_temporal
        self.spatial = Spatial(spec, nodes) if has_spatial else None
        self.temporal = Temporal(spec) if has_temporal else None
        self.gate = Gate(spec.width) if self.is_fused and spec.order == "gated_fusion" else None
        self.feed_forward = FeedForward(spec.width, spec.dropout) if spec.feed_forward == "mlp" else None
        self.spatial_norm = self._norm(due=has_spatial and not self.is_fused)
        self.temporal_norm = self._norm(due=has_temporal and not self.is_fused)
        self.fused_norm = self._norm(due=self.is_fused)
        self.ff_norm = self._norm(due=spec.feed_forward == "mlp")
        self.block = Tap("block")

    def _norm(self, *, due: bool) -> LayerNorm | None:
        return LayerNorm(self.spec.width) if due and self.spec.norm != "none" else None

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Update the states; `edges` [graphs, frames or 1, nodes, nodes] lead from column to row."""
        for part, norm in self._steps():
            x = self._added(x, part(norm(x) if norm is not None and self.spec.norm == "before" else x, edges), norm)
        told: Tensor = self.block(x.transpose(1, 2))  # Probes look at [graphs, nodes, ...].
        return told.transpose(1, 2)

    def _steps(self) -> list[tuple[Part, LayerNorm | None]]:
        """The parts that are there, in their order, each with its norm."""
        mixing: list[tuple[Part | None, LayerNorm | None]]
        mixing = [(self.spatial, self.spatial_norm), (self.temporal, self.temporal_norm)]
        if self.is_fused:
            mixing = [(self._fused, self.fused_norm)]
        elif self.spec.order == "temporal_then_spatial":
            mixing.reverse()
        return [(part, norm) for part, norm in (*mixing, (self.feed_forward, self.ff_norm)) if part is not None]

    def _added(self, x: Tensor, told: Tensor, norm: LayerNorm | None) -> Tensor:
        if norm is not None and self.spec.norm == "branch":
            told = norm(told)
        if self.spec.residual:
            told = x + told
        return norm(told) if norm is not None and self.spec.norm == "after" else told

    def _fused(self, x: Tensor, edges: Tensor | None) -> Tensor:
        assert self.spatial is not None
        assert self.temporal is not None
        inside: Tensor = self.spatial(x, edges)
        between: Tensor = self.temporal(x, edges)
        if self.gate is None:
            return inside + between
        gated: Tensor = self.gate(inside, between)
        return gated

    def zero_gradient(self) -> set[str]:
        """What this block has and cannot learn."""
        return set() if self.spatial is None else {f"spatial.{name}" for name in self.spatial.zero_gradient()}


class Gate(nn.Module):
    """A learned gate, channel by channel, between what was read inside a frame and what between frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inside = nn.Linear(width, width)
        self.between = nn.Linear(width, width, bias=False)
        self.tap = Tap("gate")

    def forward(self, inside: Tensor, between: Tensor) -> Tensor:
        """Their gated mean."""
        share: Tensor = self.tap((self.inside(inside) + self.between(between)).sigmoid())
        return share * inside + (1 - share) * between


class FeedForward(nn.Module):
    """Linear, ReLU, linear, four times as wide inside."""

    def __init__(self, width: int, share: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(width, 4 * width)
        self.relu = Relu()
        self.dropout = dropout(share)
        self.linear2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, edges: Tensor | None) -> Tensor:
        """Map every state."""
        told: Tensor = self.linear2(self.dropout(self.relu(self.linear1(x))))
        return told
