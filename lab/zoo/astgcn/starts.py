"""Layers whose vectors start as the option `vector_init` tells; matrices start as Glorot has it, under either."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, layer_norm, linear

from lab.zoo.taps import Kind


def draw(parameter: nn.Parameter, start: str, *, low: float, high: float) -> None:
    """Draw one parameter: a matrix as Glorot has it, a vector uniformly, between these bounds if scaled."""
    if parameter.ndim > 1:
        nn.init.xavier_uniform_(parameter)
    elif start == "uniform01":
        nn.init.uniform_(parameter)
    else:
        nn.init.uniform_(parameter, low, high)


class Vector(nn.Module):
    """Holds one vector of weights."""

    def __init__(self, length: int, start: str) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(length))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Uniform, within one over the root of the length if scaled."""
        bound = len(self.weight) ** -0.5
        draw(self.weight, self.start, low=-bound, high=bound)


class Weighed(nn.Module):
    """Owns a weight of some shape, and a bias for each of its outputs that is zero if scaled."""

    def __init__(self, *shape: int, start: str) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0]))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The weight first, then the bias."""
        draw(self.weight, self.start, low=0, high=0)
        draw(self.bias, self.start, low=0, high=0)


class Convolution(Weighed):
    """A convolution along time of [windows, nodes, frames, channels], padded so that all frames stay."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, start: str) -> None:
        super().__init__(outputs, inputs, 1, kernel, start=start)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, nodes, frames, outputs]."""
        kernel = self.weight.shape[-1]
        if kernel == 1:
            return linear(x, self.weight.flatten(1), self.bias)
        return conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, padding=(0, kernel // 2)).permute(0, 2, 3, 1)


class LastConvolution(Weighed):
    """A convolution over all frames and channels of a node at once."""

    def __init__(self, frames: int, channels: int, outputs: int, *, start: str) -> None:
        super().__init__(outputs, frames, 1, channels, start=start)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, nodes, outputs]."""
        return linear(x.flatten(2), self.weight.flatten(1), self.bias)


class ChannelNorm(nn.Module):
    """Layer norm over channels."""

    tapped: ClassVar[Kind] = "norm"

    def __init__(self, width: int, start: str) -> None:
        super().__init__()
        self.start = start
        self.weight = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The identity if scaled."""
        draw(self.weight, self.start, low=1, high=1)
        draw(self.bias, self.start, low=0, high=0)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return layer_norm(x, self.weight.shape, self.weight, self.bias)
