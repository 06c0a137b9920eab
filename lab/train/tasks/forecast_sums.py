"""What the scores of forecasts are made of: sums step by step, and a fine histogram of the probability of what came."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lab.train.tasks.forecast_answers import Points, Told
from lab.train.tasks.mixtures import Mixture

ERRORS = ("count", "absolute", "squared", "scaled_absolute", "scaled_squared", "share", "shared", "target")
PLAIN = ("plain_count", "plain_absolute", "plain_squared", "plain_share")
SURE = ("of_mean", "crps", "scaled_crps", "width", "scaled_width")
LIKELY = ("nll", "scaled_nll")
STEPWISE = (*ERRORS, *PLAIN, *SURE, *LIKELY)
"""Names of the sums over one step of the horizon, in their order; a kind that the model does not tell is 0."""
FINE = 1000
"""Bins of the histogram."""
SMALL = 5e-5
"""Targets up to here are left out of relative errors."""
DOCUMENTED = 1e-8
"""What one documented form of the relative error adds to the target."""


@dataclass(frozen=True)
class Asked:
    """The targets of a batch, [windows, steps, nodes], drivers left away."""

    y: Tensor
    """Scaled; 0 where nothing is known."""
    original: Tensor
    seen: Tensor
    """Where there is a target at all."""
    known: Tensor
    """Where it is not one that marks a missing value."""
    unit: Tensor
    """What one of the scaled units is in the data's own, [nodes] or [1]."""
    trend: Tensor
    """Scaled; what was taken off y before it was asked, and has to be given back to where forecasts lie."""


@dataclass(frozen=True)
class Centre:
    """Where a forecast lies: what absolute and what squared errors are taken from."""

    median: Tensor
    mean: Tensor

    @classmethod
    def of(cls, forecast: Told) -> Centre:
        """Worked out once, since the median of a mixture has no closed form."""
        return cls(forecast.median(), forecast.mean())


def stepwise(forecast: Told, centre: Centre, asked: Asked) -> Tensor:
    """All STEPWISE sums, [names, steps] float64."""
    told = _errors(centre, asked) | _plain(centre, asked) | _sure(forecast, centre, asked)
    nothing = torch.zeros(asked.y.shape[1], dtype=torch.float64, device=asked.y.device)
    return torch.stack([told.get(name, nothing) for name in STEPWISE])


def histogram(forecast: Told, asked: Asked) -> Tensor:
    """How many targets fell in each thousandth of the forecast probability, [FINE]."""
    counts = torch.zeros(FINE, dtype=torch.float64, device=asked.y.device)
    if isinstance(forecast, Points):
        return counts
    places = (forecast.cdf(asked.y) * FINE).long().clamp(0, FINE - 1)
    return counts.scatter_add_(0, places.flatten(), asked.known.double().flatten())


def jumps(centre: Centre, asked: Asked) -> Tensor:
    """The distances between the forecasts of the second and the third step, and how many there are; [2]."""
    if asked.y.shape[1] < 3:
        return asked.y.new_zeros(2)
    both = asked.seen[:, 1] & asked.seen[:, 2]
    second, third = ((centre.median[:, step] + asked.trend[:, step]) for step in (1, 2))
    away = (third - second).abs() * asked.unit
    return torch.stack([_over(away, both).sum(), both.sum().to(away.dtype)])


def _over(each: Tensor, where: Tensor) -> Tensor:
    return torch.where(where, each, 0.0)


def _errors(centre: Centre, asked: Asked) -> dict[str, Tensor]:
    """Errors of the known targets: absolute ones of the median, squared ones of the mean."""
    absolute, squared = (centre.median - asked.y).abs(), (centre.mean - asked.y).square()
    size = asked.original.abs()
    sizable = asked.known & (size >= SMALL)
    each = {
        "absolute": absolute * asked.unit,
        "squared": squared * asked.unit.square(),
        "scaled_absolute": absolute,
        "scaled_squared": squared,
        "target": size,
    }
    share = _over(absolute * asked.unit / size.clamp(min=SMALL), sizable)
    counts = {"count": asked.known.double(), "shared": sizable.double(), "share": share}
    return {name: told.sum((0, 2)) for name, told in counts.items()} | _sums(each, asked.known)


def _plain(centre: Centre, asked: Asked) -> dict[str, Tensor]:
    """The same with missing targets taken at their word."""
    absolute = (centre.median - asked.y).abs() * asked.unit
    each = {
        "plain_absolute": absolute,
        "plain_squared": (centre.mean - asked.y).square() * asked.unit.square(),
        "plain_share": absolute / (asked.original.abs() + DOCUMENTED),
    }
    return _sums(each, asked.seen) | {"plain_count": asked.seen.double().sum((0, 2))}


def _sure(forecast: Told, centre: Centre, asked: Asked) -> dict[str, Tensor]:
    """What only forecasts that tell probabilities have."""
    if isinstance(forecast, Points):
        return {}
    crps, width = forecast.crps(asked.y), forecast.quantile(0.95) - forecast.quantile(0.05)
    each = {
        "of_mean": (centre.mean - asked.y).abs() * asked.unit,
        "crps": crps * asked.unit,
        "scaled_crps": crps,
        "width": width * asked.unit,
        "scaled_width": width,
    }
    if isinstance(forecast, Mixture):
        surprise = -forecast.log_prob(asked.y)
        each |= {"scaled_nll": surprise, "nll": surprise + asked.unit.log()}
    return _sums(each, asked.known)


def _sums(each: dict[str, Tensor], where: Tensor) -> dict[str, Tensor]:
    return {name: _over(told, where).sum((0, 2)) for name, told in each.items()}
