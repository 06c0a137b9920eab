"""Time mixers: how the tokens of one series hear each other, with weights that all series share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from lab.spec.models.pgat import Pgat as Options
from lab.zoo.taps import Tap

SIZES = (1, 3, 5, 7)


class AttentionMixer(nn.Module):
    """Multi-head self-attention by torch's fused function, which keeps no weights."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.heads = spec.heads
        self.in_projection = nn.Linear(spec.width, 3 * spec.width)
        self.weights = Tap("attention", over="frames")
        self.out = nn.Linear(spec.width, spec.width)

    def forward(self, z: Tensor) -> Tensor:
        """Mix [series, tokens, width]."""
        query, key, value = self.in_projection(z).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        if self.weights.is_watched:
            self.weights(weights_of(query, key))
        mixed = scaled_dot_product_attention(query, key, value)
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return out


@torch.no_grad()
def weights_of(query: Tensor, key: Tensor) -> Tensor:
    """What fused attention weighs by, for whoever looks."""
    return (query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])).softmax(-1)


class AutocorrelationMixer(nn.Module):
    """Sums a series with itself moved by the lags at which its queries and keys agree most."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.factor, self.skip_zero = spec.lag_factor, spec.skip_zero_lag
        self.in_projection = nn.Linear(spec.width, 3 * spec.width)
        self.out = nn.Linear(spec.width, spec.width)

    def forward(self, z: Tensor) -> Tensor:
        """Mix [series, tokens, width]."""
        query, key, value = self.in_projection(z).chunk(3, dim=-1)
        lags, shares = strongest_lags(query, key, factor=self.factor, skip_zero=self.skip_zero)
        tokens = z.shape[1]
        at = (torch.arange(tokens, device=z.device)[:, None] + lags[:, None]) % tokens  # [series, tokens, lags]
        moved = [value.gather(1, each[..., None].expand_as(value)) for each in at.unbind(-1)]
        mixed = torch.stack([share[:, None, None] * each for share, each in zip(shares.unbind(-1), moved, strict=True)])
        out: Tensor = self.out(mixed.sum(0).to(z.dtype))
        return out


def strongest_lags(query: Tensor, key: Tensor, *, factor: float, skip_zero: bool) -> tuple[Tensor, Tensor]:
    """The lags [series, lags] of the largest circular correlation of each series, and their softmax shares.

    At least two where there are two: the share of a single lag is 1 whatever the correlation, so that nothing
    could be learned of it.
    """
    tokens = query.shape[1]
    count = min(tokens - (skip_zero and tokens > 1), max(2, int(factor * math.log(tokens))))
    with torch.autocast(query.device.type, enabled=False):
        exact = torch.promote_types(query.dtype, torch.float32)
        waves = torch.fft.rfft(query.to(exact), dim=1) * torch.fft.rfft(key.to(exact), dim=1).conj()
        agreement = torch.fft.irfft(waves.mean(-1), n=tokens, dim=1)
        if skip_zero and tokens > 1:
            agreement = torch.cat([agreement.new_full((len(agreement), 1), -math.inf), agreement[:, 1:]], 1)
        best = agreement.topk(count, dim=1)
        return best.indices, best.values.softmax(-1)


class ConvolutionMixer(nn.Module):
    """The mean of depthwise convolutions of four sizes, and a linear map of it."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        width = spec.width
        self.sizes = nn.ModuleList(nn.Conv1d(width, width, size, padding=size // 2, groups=width) for size in SIZES)
        self.out = nn.Linear(width, width)

    def forward(self, z: Tensor) -> Tensor:
        """Mix [series, tokens, width]."""
        channels = z.transpose(1, 2)
        mixed = torch.stack([gelu(size(channels)) for size in self.sizes]).mean(0)
        out: Tensor = self.out(mixed.transpose(1, 2))
        return out


MIXERS: dict[str, type[nn.Module]] = {
    "attention": AttentionMixer,
    "autocorrelation": AutocorrelationMixer,
    "convolution": ConvolutionMixer,
}


def mixer_of(spec: Options) -> nn.Module | None:
    """The mixer a spec asks for."""
    return None if spec.time_mixer == "none" else MIXERS[spec.time_mixer](spec)
