"""The parts models are put together from: the way in, norms that see real rows only, and repeatable dropout."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from lab.data.batch import Shape
from lab.zoo.portions import by_portions, sum_of_portions
from lab.zoo.taps import Kind


def way_in(shape: Shape, width: int) -> nn.Module:
    """The first layer: an embedding where nodes carry tokens, a linear layer where they carry numbers."""
    return nn.Embedding(shape.tokens, width) if shape.tokens else nn.Linear(shape.features, width)


class Unchanged(nn.Module):
    """Stands where a part that reads the mask is switched off."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Hand x on."""
        return x


class Relu(nn.ReLU):
    """A ReLU whose dead units can be seen."""

    tapped: ClassVar[Kind] = "relu"


class LayerNorm(nn.LayerNorm):
    """Layer norm; it works node by node, so that real rows are the same whatever the mask says."""

    tapped: ClassVar[Kind] = "norm"

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalise each row over its channels."""
        return super().forward(x)


class BatchNorm(nn.Module):
    """Batch norm over the rows that a mask calls real, or over all of them."""

    tapped: ClassVar[Kind] = "norm"

    MOMENTUM = 0.1
    EPSILON = 1e-5

    def __init__(self, width: int, *, masked: bool = True, running_stats: bool = True, affine: bool = True) -> None:
        super().__init__()
        self.width = width
        self.masked = masked
        self.running_stats = running_stats
        self.weight = nn.Parameter(torch.empty(width)) if affine else None
        self.bias = nn.Parameter(torch.empty(width)) if affine else None
        if running_stats:
            self.register_buffer("running_mean", torch.empty(width))
            self.register_buffer("running_var", torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start at the identity, with statistics of a standard normal."""
        for ones in (self.weight, self.get_buffer("running_var") if self.running_stats else None):
            if ones is not None:
                nn.init.ones_(ones)
        for zeros in (self.bias, self.get_buffer("running_mean") if self.running_stats else None):
            if zeros is not None:
                nn.init.zeros_(zeros)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalise [..., width]; the mask [...] says which rows the statistics are taken from."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(torch.promote_types(x.dtype, torch.float32))
            if not self.reads_batch:
                scale, shift = self._line(self.get_buffer("running_mean"), self.get_buffer("running_var"))
                return torch.addcmul(shift, x, scale)
            share, count = self.shares(mask, x.dtype)
            weight, bias = self._affine(x)
            y: Tensor
            y, mean, var = Standardise.apply(x, share, weight, bias, self.EPSILON)  # type: ignore[no-untyped-call]
            self._remember(mean, var, count)
            return y

    @property
    def reads_batch(self) -> bool:
        """Whether it normalises by the batch at hand, not by what it remembers."""
        return self.training or not self.running_stats

    def shares(self, mask: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """How much each row counts in a mean, flat and summing to 1, and the number of rows that count."""
        rows = (mask if self.masked else torch.ones_like(mask)).flatten().to(dtype)
        count = rows.sum()
        return rows / count.clamp(min=1), count

    def of_moments(self, mean: Tensor, var: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """The (scale, shift) of a batch whose moments are known without going through its rows."""
        if not self.reads_batch:
            return self._line(self.get_buffer("running_mean"), self.get_buffer("running_var"))
        self._remember(mean, var, count)
        return self._line(mean, var)

    def _affine(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if self.weight is None or self.bias is None:
            return like.new_ones(self.width), like.new_zeros(self.width)
        return self.weight, self.bias

    def _line(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        weight, bias = self._affine(mean)
        scale = weight * (var + self.EPSILON).rsqrt()
        return scale, bias - mean * scale

    def _remember(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        if not self.running_stats:
            return
        unbiased = var * count / (count - 1).clamp(min=1)
        with torch.no_grad():
            for known, seen in (("running_mean", mean), ("running_var", unbiased)):
                self.get_buffer(known).mul_(1 - self.MOMENTUM).add_(self.MOMENTUM * seen.detach())


class Standardise(torch.autograd.Function):
    """Weighted batch norm with its backward pass written out: two thirds of the time of recorded algebra."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        x: Tensor, share: Tensor, weight: Tensor, bias: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalise x with the mean and variance of its rows, each counted by its share."""
        mean, var = _moments(x.flatten(0, -2), share)
        scale = weight * (var + epsilon).rsqrt()
        return torch.addcmul(bias - mean * scale, x, scale), mean, var

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
        """Keep what the backward pass reads."""
        x, share, weight, _, ctx.epsilon = inputs
        _, mean, var = output
        ctx.mark_non_differentiable(mean, var)
        ctx.save_for_backward(x, share, weight, mean, var)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of x, less the two directions that the statistics take out."""
        x, share, weight, mean, var = ctx.saved_tensors
        rows, above = x.flatten(0, -2), grad.flatten(0, -2)
        if torch.is_grad_enabled():  # A second derivative is due, so the moments must hang on x.
            mean, var = _moments(rows, share)
        rstd = (var + ctx.epsilon).rsqrt()
        to_bias = above.sum(0)
        to_weight = (sum_of_portions(_dot, above, rows) - mean * to_bias) * rstd
        scale = weight * rstd
        slope = scale * rstd * to_weight
        shift = scale * to_bias - mean * slope

        def less_taken_out(above: Tensor, rows: Tensor, share: Tensor) -> Tensor:
            return torch.addcmul(above * scale, share, torch.addcmul(shift, rows, slope), value=-1)

        to_x = by_portions(less_taken_out, above, rows, share[:, None])
        return to_x.view_as(x), None, to_weight, to_bias, None


def _moments(rows: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    mean = share @ rows
    return mean, sum_of_portions(lambda rows, share: share @ (rows - mean).square(), rows, share)


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum(0)


def norm(kind: Literal["none", "layer", "batch"], width: int, *, masked: bool = True) -> nn.Module:
    """A norm by its name, called with (x, mask)."""
    if kind == "none":
        return Unchanged()
    return LayerNorm(width) if kind == "layer" else BatchNorm(width, masked=masked)


def dropout(share: float) -> nn.Module:
    """Dropout, or nothing at all for a share of 0."""
    return Dropout(share) if share else nn.Identity()


class Dropout(nn.Module):
    """Dropout whose mask is a function of (key, site, coordinates), whatever the padding or the pack.

    The loop sets `key` before each step and `site` once, from the module's name.
    """

    key: Tensor

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.site = 0
        self.register_buffer("key", torch.zeros((), dtype=torch.int64), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Drop a share p of the elements while training and scale up the rest."""
        if not self.training:
            return x
        keep = scrambled(_mix(self.key) ^ self.site, x.shape) >= int((self.p - 0.5) * 2**32)
        return x * (keep * (1 / (1 - self.p))).to(x.dtype)

    def extra_repr(self) -> str:
        """What print shows between the brackets."""
        return f"p={self.p}"


class Progress(nn.Module):
    """How far training is, from 0 to 1, for parts that change on the way; the loop fills it in before each step."""

    share: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("share", torch.zeros(()), persistent=False)

    def forward(self) -> Tensor:
        """The share of the planned steps that are done, a 0-d tensor."""
        return self.share


_GOLDEN = 0x9E3779B97F4A7C15 - 2**64
_WORD = 0xFFFFFFFF


def scrambled(key: Tensor, shape: torch.Size) -> Tensor:
    """Evenly spread int32 numbers of this shape; an element's depends on its coordinates, not on the shape.

    Rows and columns are scrambled well but separately, which is cheap; joining them by one fold between two
    multiplications is the only work on the full shape. Only the high bits are good, and only they are compared.
    """
    *leading, columns = shape
    row = _mix(key)
    for size in leading:
        row = _mix(row[..., None] + torch.arange(size, device=key.device))
    column = _mix(torch.arange(columns, device=key.device))
    mixed = _word(row)[..., None] ^ _word(column)
    mixed.mul_(0x7FEB352D)
    return mixed.add_(mixed >> 15).mul_(0x846CA68B - 2**32)


def _mix(x: Tensor) -> Tensor:
    """The finaliser of SplitMix64; shifts of signed numbers are masked to bring in zeros."""
    x = x + _GOLDEN
    x = (x ^ ((x >> 30) & (2**34 - 1))) * (0xBF58476D1CE4E5B9 - 2**64)
    x = (x ^ ((x >> 27) & (2**37 - 1))) * (0x94D049BB133111EB - 2**64)
    return x ^ ((x >> 31) & (2**33 - 1))


def _word(x: Tensor) -> Tensor:
    return ((x & _WORD) - 2**31).to(torch.int32)
