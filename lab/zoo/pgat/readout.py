"""Readout: learned queries, one for each coming frame, look at the tokens of a target; and the heads behind them."""

from __future__ import annotations

from statistics import NormalDist

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, scaled_dot_product_attention, softplus

from lab.spec.models.pgat import Pgat as Options
from lab.zoo.parts import LayerNorm
from lab.zoo.pgat.embedding import Table
from lab.zoo.pgat.mixers import weights_of
from lab.zoo.taps import Tap


class Readout(nn.Module):
    """Attention from the horizon to the tokens of each target."""

    def __init__(self, spec: Options, horizon: int) -> None:
        super().__init__()
        self.heads = spec.heads
        self.norm = LayerNorm(spec.width)
        self.horizon = Table(horizon, spec.width)
        self.query = nn.Linear(spec.width, spec.width)
        self.key_value = nn.Linear(spec.width, 2 * spec.width)
        self.weights = Tap("attention", over="others")
        self.out = nn.Linear(spec.width, spec.width)

    def forward(self, z: Tensor) -> Tensor:
        """[graphs, targets, horizon, width] from [graphs, targets, tokens, width]."""
        told = self.key_value(self.norm(z, z).flatten(0, 1))
        key, value = told.unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        asked = self.horizon()
        query = self.query(asked).unflatten(-1, (self.heads, -1)).transpose(0, 1).to(key.dtype)
        query = query.expand(len(key), -1, -1, -1)
        if self.weights.is_watched:
            self.weights(weights_of(query, key))
        heard = scaled_dot_product_attention(query, key, value)
        out: Tensor = (self.out(heard.transpose(1, 2).flatten(2)) + asked).unflatten(0, z.shape[:2])
        return out


class HeadLinear(nn.Linear):
    """A linear layer whose bias starts where a standard normal is told."""

    def __init__(self, width: int, start: Tensor) -> None:
        self.start = start
        super().__init__(width, len(start))

    def reset_parameters(self) -> None:
        """Draw the weights; the bias starts as told."""
        super().reset_parameters()
        with torch.no_grad():
            self.bias.copy_(self.start)


class Head(nn.Module):
    """From the state of a coming frame to what is told of its value, in float32 at least."""

    tapped = "logits"

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec
        self.linear = HeadLinear(spec.width, _start(spec))

    def forward(self, z: Tensor) -> Tensor:
        """Channels [..., channels] of states [..., width]."""
        with torch.autocast(z.device.type, enabled=False):
            told: Tensor = self.linear(z.to(self.linear.weight.dtype))
            if self.spec.head == "point":
                return told
            if self.spec.head == "quantile":
                return torch.cat([told[..., :1], softplus(told[..., 1:])], -1).cumsum(-1)
            if self.spec.head == "gaussian":
                mean, spread = told.chunk(2, dim=-1)
                return torch.cat([mean, softplus(spread) + self.spec.std_floor], -1)
            mean, spread, weight = told.chunk(3, dim=-1)
            return torch.cat([mean, softplus(spread) + self.spec.std_floor, log_softmax(weight, -1)], -1)


def _start(spec: Options) -> Tensor:
    """Means spread over a standard normal, as equal ones would stay equal; quantiles those of one."""
    if spec.head == "point":
        return torch.zeros(1)
    if spec.head == "quantile":
        levels = _levels(spec.quantiles)
        return torch.cat([levels[:1], levels.diff().expm1().log()])
    count = spec.components if spec.head == "mixture" else 1
    others = torch.zeros(2 * count if spec.head == "mixture" else count)
    return torch.cat([_levels(count), others])


def _levels(count: int) -> Tensor:
    normal = NormalDist()
    return torch.tensor([normal.inv_cdf((at + 0.5) / count) for at in range(count)])
