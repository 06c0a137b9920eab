"""The branch in front of the latent layers: a window's spectrum, weighed and turned back, always in full precision."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lab.data.batch import Shape
from lab.errors import LabError
from lab.spec.models.latent_seq2seq import Fourier


class FourierBranch(nn.Module):
    """Weighs the lowest frequencies of [batch, frames, nodes, features]; other frequencies give nothing.

    A complex weight is a pair of real numbers on the last axis, so that whatever trains and measures sees real ones.
    """

    def __init__(self, spec: Fourier, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        self.window, self.nodes, features = shape.window, shape.nodes, shape.features
        self.times = _kept(spec.modes, self.window if self.is_plane else self.window // 2 + 1)
        self.across = _kept(spec.modes, self.nodes // 2 + 1)
        held, self.scale = self._held(features)
        self.weight = nn.Parameter(torch.empty(*held, 2))
        negative = min(self.window - self.times, self.times) if spec.mixing == "two_sided" else 0
        self.negative = nn.Parameter(torch.empty(features, features, negative, held[3], 2)) if negative else None
        self.reset_parameters()

    @property
    def is_plane(self) -> bool:
        """Whether the spectrum is that over time and node index."""
        return self.spec.mixing in ("as_written", "corrected", "two_sided")

    def _held(self, features: int) -> tuple[tuple[int, ...], float]:
        """The shape of the weights, and what a standard draw of them is multiplied by."""
        square = 1 / features**2
        if self.is_plane:  # As many as `modes` says, also where the window has fewer.
            rows, columns = self.spec.modes or self.window, self.spec.modes or self.nodes // 2 + 1
            held: tuple[int, ...] = (features, features, rows, columns)
            fair = 1 / (features * math.sqrt(self.times * self.across))
        elif self.spec.mixing == "time_only":
            held, fair = (features, features, self.times), 1 / (features * math.sqrt(self.times))
        else:
            first, behind = self._band
            held, fair = (features, behind - first, self.nodes), 1 / math.sqrt(behind - first)
        return held, {"inverse_square": square, "by_modes": fair, "zero": 0.0}[self.spec.start]

    @property
    def _band(self) -> tuple[int, int]:
        first, behind = self.spec.band[0], min(self.spec.band[1], self.window // 2 + 1)
        if first >= behind:
            raise LabError(
                f"model.fourier.band starts at frequency {first}, and a window of {self.window} frames has none there",
                hint=f"start below {self.window // 2 + 1}",
            )
        return first, behind

    def reset_parameters(self) -> None:
        """Draw standard complex normals, scaled."""
        for weight in (self.weight, self.negative):
            if weight is not None:
                nn.init.normal_(weight, std=self.scale * math.sqrt(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """What the branch adds to x [batch, frames, nodes, features]."""
        with torch.autocast(x.device.type, enabled=False):
            signal = x.to(torch.promote_types(x.dtype, torch.float32)).permute(0, 3, 1, 2)
            found = self._over_plane(signal) if self.is_plane else self._over_time(signal)
            return found.permute(0, 2, 3, 1)

    def _over_plane(self, signal: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(signal, norm="ortho")
        low = spectrum[:, :, : self.times, : self.across]
        weight = torch.view_as_complex(self.weight)[:, :, : self.times, : self.across]
        told = torch.zeros_like(spectrum)
        if self.spec.mixing == "as_written":
            weighed = low.sum(2, keepdim=True) * weight.sum(0)
        else:
            weighed = torch.einsum("bcih,coih->boih", low, weight)
        told[:, :, : self.times, : self.across] = weighed
        if self.negative is not None:
            rows = self.negative.shape[2]
            high = torch.view_as_complex(self.negative)[..., : self.across]
            told[:, :, -rows:, : self.across] = torch.einsum(
                "bcih,coih->boih", spectrum[:, :, -rows:, : self.across], high
            )
        found: Tensor = torch.fft.irfft2(told, s=(self.window, self.nodes), norm="ortho")
        return found

    def _over_time(self, signal: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(signal, dim=2, norm="ortho")
        weight, told = torch.view_as_complex(self.weight), torch.zeros_like(spectrum)
        if self.spec.mixing == "time_only":
            told[:, :, : self.times] = torch.einsum("bcin,coi->boin", spectrum[:, :, : self.times], weight)
        else:
            first, behind = self._band
            told[:, :, first:behind] = spectrum[:, :, first:behind] * weight
        found: Tensor = torch.fft.irfft(told, n=self.window, dim=2, norm="ortho")
        return found


def _kept(modes: int | None, there: int) -> int:
    return there if modes is None else min(modes, there)
