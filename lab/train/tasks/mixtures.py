"""Mixtures of normal densities: what a probabilistic forecast says of each number it forecasts."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import torch
from torch import Tensor

HALVINGS = 22
"""Times a bracket around a quantile is halved: down to what float32 can tell."""


@dataclass(frozen=True)
class Mixture:
    """Normal densities with weights, one mixture for each place of the leading axes; one component is a Gaussian."""

    means: Tensor
    """[..., K], as `stds` and `log_weights` are."""
    stds: Tensor
    log_weights: Tensor
    """Logarithms of weights that sum to 1 over K."""

    @classmethod
    def of(cls, channels: Tensor) -> Mixture:
        """Read [..., 2] as mean and std, and [..., 3 K] as K means, K stds and K logarithms of weights."""
        if channels.shape[-1] == 2:
            means, stds = channels.chunk(2, dim=-1)
            return cls(means, stds, torch.zeros_like(means))
        return cls(*channels.chunk(3, dim=-1))

    def to(self, dtype: torch.dtype) -> Mixture:
        """The same mixture in other numbers."""
        return Mixture(self.means.to(dtype), self.stds.to(dtype), self.log_weights.to(dtype))

    def weighed_together(self) -> Mixture:
        """One set of weights for all places along the last leading axis: the softmax of the mean of their logits."""
        shared = self.log_weights.mean(-2, keepdim=True).log_softmax(-1)
        return replace(self, log_weights=shared.expand_as(self.log_weights))

    def mean(self) -> Tensor:
        """The expected value."""
        return (self.log_weights.exp() * self.means).sum(-1)

    def median(self) -> Tensor:
        """The value that half of the probability lies below."""
        return self.quantile(0.5)

    def variance(self) -> Tensor:
        """The mean squared distance from the mean."""
        squares = (self.log_weights.exp() * (self.stds.square() + self.means.square())).sum(-1)
        return (squares - self.mean().square()).clamp(min=0)

    def log_densities(self, y: Tensor) -> Tensor:
        """The logarithm of each component's density at y, [..., K]."""
        z = (y[..., None] - self.means) / self.stds
        return -0.5 * z.square() - self.stds.log() - 0.5 * math.log(2 * math.pi)

    def log_prob(self, y: Tensor) -> Tensor:
        """The logarithm of the density at y."""
        density: Tensor = torch.logsumexp(self.log_weights + self.log_densities(y), dim=-1)
        return density

    def cdf(self, y: Tensor) -> Tensor:
        """The probability of values up to y."""
        return (self.log_weights.exp() * _below((y[..., None] - self.means) / self.stds)).sum(-1)

    def quantile(self, level: float) -> Tensor:
        """The value whose `cdf` is `level`, by halving the bracket between the components' own quantiles.

        In float32, and with the components in front, so that sums over them run along memory.
        """
        own = self.means + self.stds * NormalDist().inv_cdf(level)
        if own.shape[-1] == 1:
            return own[..., 0]
        own, steep, weights = (
            each.movedim(-1, 0).to(torch.float32, memory_format=torch.contiguous_format)
            for each in (own, self.stds * 2**0.5, self.log_weights.exp())
        )
        low, high = own.amin(0), own.amax(0)
        middles = self.means.movedim(-1, 0).float() / steep
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            is_below = (weights * torch.erf(middle / steep - middles)).sum(0) < 2 * level - 1
            low, high = torch.where(is_below, middle, low), torch.where(is_below, high, middle)
        return ((low + high) / 2).to(self.means.dtype)

    def crps(self, y: Tensor) -> Tensor:
        """The continuous ranked probability score in closed form: 0 for all probability at y, and never below."""
        weights = self.log_weights.exp()
        near = (weights * _distance(y[..., None] - self.means, self.stds)).sum(-1)
        gaps = self.means[..., :, None] - self.means[..., None, :]
        spreads = torch.hypot(self.stds[..., :, None], self.stds[..., None, :])
        pairs = weights[..., :, None] * weights[..., None, :]
        return near - 0.5 * (pairs * _distance(gaps, spreads)).sum((-2, -1))

    def sample(self, draws: int, generator: torch.Generator | None = None) -> Tensor:
        """Values drawn from it, [draws, ...]."""
        places, components = self.means.shape[:-1], self.means.shape[-1]
        weights = self.log_weights.exp().reshape(-1, components)
        chosen = torch.multinomial(weights, draws, replacement=True, generator=generator)
        means, stds = (
            each.reshape(-1, components).gather(1, chosen).T.reshape(draws, *places) for each in (self.means, self.stds)
        )
        noise = torch.randn(means.shape, generator=generator, dtype=means.dtype, device=means.device)
        return means + stds * noise


def _distance(mean: Tensor, std: Tensor) -> Tensor:
    """The expected distance from 0 of a normal number."""
    z = mean / std
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    return 2 * std * density + mean * (2 * _below(z) - 1)


def _below(z: Tensor) -> Tensor:
    """The probability below z; several times faster than torch's own function, which only differs far out."""
    return 0.5 + 0.5 * torch.erf(z * math.sqrt(0.5))
