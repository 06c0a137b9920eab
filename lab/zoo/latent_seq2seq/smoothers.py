"""What smooths forecasts: a small convolution over a node's last three, a Gaussian kernel over the horizon."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lab.spec.models.latent_seq2seq import ConvSmoother as Way
from lab.spec.models.latent_seq2seq import LatentSeq2Seq as Options

CHANNELS, TAPS, PAST = 8, 5, 3


class ConvSmoother(nn.Module):
    """Two convolutions over the last three forecasts, of which only the last position is read.

    So they are two matrices: of the first kernel shifted to each of the three places, and of those taps of the second
    that do not meet its padding. The other two taps never get a gradient.
    """

    def __init__(self, way: Way) -> None:
        super().__init__()
        self.way = way
        self.first = FirstKernel(way)
        self.second = SecondKernel(way)

    def forward(self, past: Sequence[Tensor]) -> Tensor:
        """The newest forecast, smoothed; `past` holds three tensors of one shape, the newest last."""
        recent = torch.stack(list(past[-PAST:]), -1)
        hidden = torch.einsum("...i,cij->...cj", recent, self.first.shifted) + self.first.offset[:, None]
        told = torch.einsum("...cj,cj->...", hidden.relu(), self.second.weight[0, :, :PAST]) + self.second.offset
        return past[-1] + told if self.way == "residual" else told


class Kernel(nn.Conv1d, ABC):
    """A convolution's weights; as the identity, two channels carry the positive and the negative part."""

    def __init__(self, into: int, out: int, way: Way) -> None:
        self.way = way
        super().__init__(into, out, TAPS, padding=TAPS // 2)

    def reset_parameters(self) -> None:
        """Draw them as torch does, and then make the pair an identity where that is asked for."""
        super().reset_parameters()
        if self.way == "identity_start":
            with torch.no_grad():
                self.carry()

    @property
    def offset(self) -> Tensor:
        """The bias, which is always there."""
        assert self.bias is not None
        return self.bias

    @abstractmethod
    def carry(self) -> None:
        """Set the weights of the two channels."""


class FirstKernel(Kernel):
    """From one series to eight channels."""

    def __init__(self, way: Way) -> None:
        super().__init__(1, CHANNELS, way)

    def carry(self) -> None:
        """The first channel is the series, the second its negative."""
        self.offset[:2] = 0
        self.weight[:2] = 0
        self.weight[0, 0, TAPS // 2], self.weight[1, 0, TAPS // 2] = 1, -1

    @property
    def shifted(self) -> Tensor:
        """[channels, place read, place told]: what a place gives to another one through the kernel."""
        place = torch.arange(PAST, device=self.weight.device)
        return self.weight[:, 0, place[:, None] - place + TAPS // 2]


class SecondKernel(Kernel):
    """From eight channels back to one series."""

    def __init__(self, way: Way) -> None:
        super().__init__(CHANNELS, 1, way)

    def carry(self) -> None:
        """The positive part less the negative one; other channels say nothing yet."""
        self.offset.zero_()
        self.weight.zero_()
        self.weight[0, 0, TAPS // 2], self.weight[0, 1, TAPS // 2] = 1, -1


class HorizonSmoother(nn.Module):
    """A Gaussian kernel along the horizon as one matrix; beyond its ends the outermost steps are repeated."""

    def __init__(self, spec: Options, horizon: int) -> None:
        super().__init__()
        self.spec, self.horizon = spec, horizon
        self.log_width = nn.Parameter(torch.empty(())) if spec.horizon_smoother == "learned" else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start a learned width where the option says."""
        if self.log_width is not None:
            nn.init.constant_(self.log_width, math.log(self.spec.smoother_width))

    def forward(self, mean: Tensor, deviation: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Smooth [batch, horizon, nodes] of each."""
        if self.spec.horizon_smoother == "evaluation" and self.training:
            return mean, deviation
        matrix = self.matrix(mean)
        smoothed = torch.einsum("ts,bsn->btn", matrix, mean)
        if deviation is not None and self.spec.smooth_deviation == "variance_propagation":
            deviation = torch.einsum("ts,bsn->btn", matrix.square(), deviation.square()).sqrt()
        return smoothed, deviation

    def matrix(self, like: Tensor) -> Tensor:
        """[horizon, horizon]: what each step is told by the others."""
        reach = self.spec.smoother_taps // 2
        offset = torch.arange(-reach, reach + 1, device=like.device)
        width = self.spec.smoother_width if self.log_width is None else self.log_width.exp()
        kernel = (-offset.to(like.dtype).square() / (2 * width * width)).exp()
        steps = torch.arange(self.horizon, device=like.device)
        read = (steps[:, None] + offset).clamp(0, self.horizon - 1)
        taken = nn.functional.one_hot(read, self.horizon).to(like.dtype)
        return torch.einsum("u,tus->ts", kernel / kernel.sum(), taken)
