"""The decoder: step by step over the horizon, reading its own forecasts and looking back at the window."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lab.spec.models.latent_seq2seq import LatentSeq2Seq as Options
from lab.zoo.latent_seq2seq.forcing import Forcing
from lab.zoo.latent_seq2seq.recurrent import Cells, State
from lab.zoo.latent_seq2seq.smoothers import PAST, ConvSmoother

LEAST = 1e-3
"""The smallest deviation a Gaussian forecast can have, in scaled units."""


class Lookback(NamedTuple):
    """What all steps of a read-out share."""

    memory: Tensor
    """[rows, frames, width] that a state is compared with."""
    values: Tensor
    """[rows, frames, ...] that is found by it: the memory, or what a read-out that is linear makes of it."""
    own: Tensor | None = None
    """Weights [numbers, width] of the state in a linear read-out."""
    offset: Tensor | None = None
    """[numbers] added there."""


class ReadOut(nn.Module):
    """From the decoder's state, and what it finds in the window by it, to a forecast."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.scale = 1 / math.sqrt(spec.width)
        self.mix = nn.Linear(2 * spec.width, spec.width)
        between: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "none": nn.Identity}
        self.between = between[spec.head_nonlinearity]()
        self.mean = nn.Linear(spec.width, 1)
        self.deviation = nn.Linear(spec.width, 1) if spec.head == "gaussian" else None
        self.is_linear = spec.head_nonlinearity == "none"

    def forward(self, told: Tensor, back: Lookback) -> tuple[Tensor, Tensor | None]:
        """Mean and deviation [rows, courses], of told [rows, courses, width] and what it finds looking back."""
        found = (told @ back.memory.transpose(1, 2) * self.scale).softmax(-1) @ back.values
        if back.own is not None:
            numbers = nn.functional.linear(told, back.own, back.offset) + found
        else:
            mixed = self.between(self.mix(torch.cat([told, found], -1)))
            numbers = torch.cat([head(mixed) for head in self._heads], -1)
        if self.deviation is None:
            return numbers[..., 0], None
        return numbers[..., 0], nn.functional.softplus(numbers[..., 1]) + LEAST

    def look_back(self, memory: Tensor) -> Lookback:
        """What can be told of the memory [rows, frames, width] before the first step.

        Linear layers in a row are one, and what it makes of a sum of frames is the sum of what it makes of each.
        """
        if not self.is_linear:
            return Lookback(memory, memory)
        weight = torch.cat([head.weight for head in self._heads])
        own, found = (weight @ self.mix.weight).chunk(2, -1)
        offset = torch.cat([head.bias for head in self._heads]) + weight @ self.mix.bias
        return Lookback(memory, nn.functional.linear(memory, found), own, offset)

    @property
    def _heads(self) -> list[nn.Linear]:
        return [self.mean] if self.deviation is None else [self.mean, self.deviation]


class Decoder(nn.Module):
    """Forecasts [batch, horizon, nodes]; a draw that is fed back makes one course of several."""

    def __init__(self, spec: Options, horizon: int) -> None:
        super().__init__()
        self.spec, self.horizon = spec, horizon
        self.cells = Cells(spec)
        self.read_out = ReadOut(spec)
        reads_values = horizon > 1 or spec.first_input == "last_value"
        self.embed = nn.Linear(1, spec.width) if reads_values else None
        self.conv = ConvSmoother(spec.conv_smoother) if spec.conv_smoother != "none" else None
        self.forcing = Forcing(spec)
        self.courses = spec.trajectories if spec.feedback == "sample" else 1
        if spec.feedback == "sample":  # The same for every window: scores of an evaluation do not change with calls.
            self.register_buffer("noise", fixed_noise(self.courses, horizon), persistent=False)

    def forward(
        self, memory: Tensor, states: Sequence[State], latent: Tensor, last: Tensor, truth: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Mean and deviation of every step.

        `memory` [batch * nodes, frames, width] is looked back at, `latent` [batch * nodes, width] and `last`
        [batch, nodes] are the window's end, `truth` [batch, horizon, nodes] is read only where it is forced.
        """
        rows, courses = last.numel(), self._courses
        base = last.reshape(rows, 1).expand(rows, courses)
        forced = self.forcing(truth)
        told, back = self._first(latent, base), self.read_out.look_back(memory)
        states = [tuple(part.repeat_interleave(courses, 0) for part in state) for state in states]  # type: ignore[misc]
        masks = self.cells.masks(self.horizon, states[0][0])
        means: list[Tensor] = []
        deviations: list[Tensor] = []
        for step in range(self.horizon):
            kept = [mask[step] for mask in masks] if masks is not None else []
            states = self.cells(told.reshape(rows * courses, -1), states, kept)
            mean, deviation = self.read_out(states[-1][0].view(rows, courses, -1), back)
            means.append(mean + base if self.spec.delta else mean)
            means[-1] = self._smoothed(means)
            if deviation is not None:
                deviations.append(deviation)
            if step + 1 < self.horizon and self.embed is not None:
                fed = self._fed(means[-1], deviation, step)
                if forced is not None:
                    right = truth[:, step].reshape(rows, 1)
                    fed = torch.where(forced[:, step].reshape(rows, 1), right.nan_to_num().to(fed.dtype), fed)
                told = self.embed(fed[..., None])
        return self._joined(means, deviations, last.shape)

    @property
    def _courses(self) -> int:
        return 1 if self.training else self.courses

    def _first(self, latent: Tensor, base: Tensor) -> Tensor:
        if self.spec.first_input == "latent_last" or self.embed is None:
            return latent[:, None].expand(-1, base.shape[1], -1)
        told: Tensor = self.embed(base[..., None])
        return told

    def _smoothed(self, means: list[Tensor]) -> Tensor:
        """The newest mean, behind the convolution where it is due."""
        if self.conv is None or (len(means) < PAST and self.spec.conv_from == "third_step"):
            return means[-1]
        missing = PAST - len(means)
        smoothed: Tensor = self.conv([means[0]] * missing + means[-PAST:])
        return smoothed

    def _fed(self, mean: Tensor, deviation: Tensor | None, step: int) -> Tensor:
        if deviation is None or self.spec.feedback == "mean":
            return mean
        noise = torch.randn_like(mean) if self.training else self.get_buffer("noise")[:, step].to(mean)
        return mean + deviation * noise

    def _joined(self, means: list[Tensor], deviations: list[Tensor], shape: torch.Size) -> tuple[Tensor, Tensor | None]:
        """All steps, [batch, horizon, nodes]; over several courses, the moments of their mixture."""
        mean = torch.stack(means)
        deviation = torch.stack(deviations) if deviations else None
        if deviation is not None and mean.shape[-1] > 1:
            deviation = (deviation.square().mean(-1) + mean.var(-1, correction=0)).sqrt()[..., None]
        batch, nodes = shape

        def laid(told: Tensor) -> Tensor:
            return told.mean(-1).view(self.horizon, batch, nodes).transpose(0, 1)

        return laid(mean), None if deviation is None else laid(deviation)

    def zero_gradient(self) -> set[str]:
        """The convolution, where the horizon ends before it begins."""
        if self.conv is None or self.spec.conv_from == "first_step" or self.horizon >= PAST:
            return set()
        return {f"conv.{name}" for name, _ in self.conv.named_parameters()}


def fixed_noise(courses: int, horizon: int) -> Tensor:
    """Standard normal draws [courses, horizon], always the same."""
    return torch.randn(courses, horizon, generator=torch.Generator().manual_seed(0))
