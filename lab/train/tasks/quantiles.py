"""Quantiles: what a forecast says that names rising values and how much probability lies below each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Quantiles:
    """Values [..., Q] whose levels are (k + 1/2) / Q; between them, and as far beyond the ends, levels rise evenly."""

    values: Tensor

    def to(self, dtype: torch.dtype) -> Quantiles:
        """The same quantiles in other numbers."""
        return Quantiles(self.values.to(dtype))

    @property
    def levels(self) -> Tensor:
        """[Q]."""
        count = self.values.shape[-1]
        return (torch.arange(count, dtype=self.values.dtype, device=self.values.device) + 0.5) / count

    def mean(self) -> Tensor:
        """The mean of the values, each of which stands for an equal share of the probability."""
        return self.values.mean(-1)

    def median(self) -> Tensor:
        """The value that half of the probability lies below."""
        return self.quantile(0.5)

    def quantile(self, level: float) -> Tensor:
        """The value at a level, which may lie between those that were named."""
        knots = self._knots()
        place = min(max(level * self.values.shape[-1] + 0.5, 0.0), knots.shape[-1] - 1.0)
        below = min(int(place), knots.shape[-1] - 2)
        step = knots[..., below + 1] - knots[..., below]
        return knots[..., below] + step * (place - below)

    def cdf(self, y: Tensor) -> Tensor:
        """The probability of values up to y."""
        knots = self._knots()
        step = (knots[..., 1:] - knots[..., :-1]).clamp(min=torch.finfo(knots.dtype).tiny)
        passed = ((y[..., None] - knots[..., :-1]) / step).clamp(0, 1).sum(-1)
        return ((passed - 0.5) / self.values.shape[-1]).clamp(0, 1)

    def pinball(self, y: Tensor) -> Tensor:
        """The mean over the levels of the tilted distance, which the true quantiles make smallest."""
        away = y[..., None] - self.values
        return torch.maximum(self.levels * away, (self.levels - 1) * away).mean(-1)

    def crps(self, y: Tensor) -> Tensor:
        """The continuous ranked probability score, as far as the levels show it."""
        return 2 * self.pinball(y)

    def _knots(self) -> Tensor:
        """The values with one more at either end, as far out as its neighbour is in; [..., Q + 2]."""
        values = self.values
        if values.shape[-1] == 1:
            return values.expand(*values.shape[:-1], 3)
        first = 2 * values[..., :1] - values[..., 1:2]
        last = 2 * values[..., -1:] - values[..., -2:-1]
        return torch.cat([first, values, last], dim=-1)
