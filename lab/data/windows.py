"""Windows: batches cut from long sequences of frames, which are kept once however many windows read them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from lab.data.batch import Batch, sent
from lab.data.trends import Trend


@dataclass(frozen=True)
class WindowSplit:
    """Sequences of frames, and the windows of a split that look at them.

    A window that starts at frame s reads frames s to s + window - 1; its answer are the `horizon` frames behind them.
    All frames have the same nodes.
    """

    x: Tensor
    """[sequences, frames, nodes, features] float32, or one row a frame for all its nodes."""
    adjacency: Tensor
    """[sequences, frames, nodes, nodes], or [nodes, nodes] where one graph is known for all frames."""
    y: Tensor
    """[sequences, frames, nodes] values, or [sequences, frames, nodes, nodes] graphs; it may be `adjacency` itself."""
    starts: Tensor
    """[windows, 2] int64, on the CPU: the sequence and the first frame of each window."""
    window: int
    horizon: int = 1
    trend: Trend | None = None
    """What is taken off the first feature and off values to forecast, window by window."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def nodes(self) -> int:
        """Nodes of every frame."""
        return self.adjacency.shape[-1]

    @property
    def sizes(self) -> Tensor:
        """[windows] int64, on the CPU: all windows have the same nodes."""
        return torch.full((len(self.starts),), self.nodes)

    def batch(self, index: Tensor, nodes: int) -> Batch:
        """The windows of this index; they need no padding."""
        device = self.x.device
        at = sent(torch.cat([index[:, None], self.starts[index]], dim=1), device)
        sequence, first = at[:, 1, None], at[:, 2, None]
        seen = first + torch.arange(self.window, device=device)
        asked = first + self.window + torch.arange(self.horizon, device=device)
        x, y, trend = self.x[sequence, seen], self.y[sequence, asked], None
        if self.trend is not None:
            past, trend = self.trend.of(sequence, seen)
            x[..., 0] -= past.to(x.dtype)
            trend = trend.to(y.dtype)
            y -= trend
        return Batch(
            x=x.expand(-1, -1, self.nodes, -1),
            adjacency=self._graphs(sequence, seen),
            mask=torch.ones(len(index), self.nodes, dtype=torch.bool, device=device),
            y=y if y.ndim == 3 else y[:, 0],
            ids=at[:, 0],
            trend=trend,
        )

    def _graphs(self, sequence: Tensor, seen: Tensor) -> Tensor:
        if self.adjacency.ndim == 2:
            return self.adjacency.expand(len(sequence), -1, -1)
        return self.adjacency[sequence, seen]

    def to(self, device: torch.device) -> WindowSplit:
        """The same split on another device; starts stay on the CPU, and what is shared stays shared."""
        x, adjacency = self.x.to(device), self.adjacency.to(device)
        y = adjacency if self.y is self.adjacency else self.y.to(device)
        trend = None if self.trend is None else self.trend.to(device)
        return replace(self, x=x, adjacency=adjacency, y=y, trend=trend)
