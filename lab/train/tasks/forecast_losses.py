"""The losses of forecasts, place by place, on scaled values."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lab.spec.forecast_loss import ForecastLoss
from lab.spec.losses import Loss
from lab.train.tasks.forecast_answers import Told
from lab.train.tasks.mixtures import Mixture
from lab.train.tasks.quantiles import Quantiles


def losses(forecast: Told, y: Tensor, loss: Loss, *, unit: Tensor, options: ForecastLoss) -> Tensor:
    """The loss of every place of y; errors are told in steps of `unit`."""
    if loss in ("mae", "mse", "huber"):
        return _of_errors((forecast.mean() - y) * unit, loss, options.huber)
    if loss == "nll" and isinstance(forecast, Mixture):
        return _surprise(forecast, y, options.beta)
    if loss == "crps" and isinstance(forecast, (Mixture, Quantiles)):
        return forecast.crps(y) * unit
    if loss == "pinball" and isinstance(forecast, Quantiles):
        return forecast.pinball(y) * unit
    raise ValueError(f"loss '{loss}' has no meaning for {type(forecast).__name__.lower()}")


def joint_surprise(forecast: Mixture, y: Tensor, known: Tensor) -> Tensor:
    """The surprise at all known nodes of a step together, [..., steps]; the nodes must share their weights.

    A component then speaks of all nodes at once: its log-densities are summed before the components are.
    """
    densities = torch.where(known[..., None], forecast.log_densities(y), 0.0).sum(-2)
    return -torch.logsumexp(forecast.log_weights[..., 0, :] + densities, dim=-1)


def best_constant(values: Tensor, loss: Loss) -> float:
    """The loss of the best forecast that is the same everywhere, a normal density where one is asked; NaN of huber."""
    values = values.double()
    if loss == "mae":
        return float((values - values.median()).abs().mean())
    variance = values.var(unbiased=False)
    if loss == "mse":
        return float(variance)
    if loss == "nll":
        return float(0.5 * torch.log(2 * torch.pi * torch.e * variance))
    if loss in ("crps", "pinball"):
        ranks = torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device)
        half = float(((2 * ranks - len(values) - 1) * values.sort().values).mean() / len(values))
        return half if loss == "crps" else half / 2
    return float("nan")


def _of_errors(errors: Tensor, loss: Loss, bend: float) -> Tensor:
    if loss == "huber":
        return functional.huber_loss(errors, torch.zeros_like(errors), reduction="none", delta=bend)
    return errors.abs() if loss == "mae" else errors.square()


def _surprise(forecast: Mixture, y: Tensor, beta: float) -> Tensor:
    """Negative log-likelihood; `beta` gives back the weight that a large deviation takes from an error."""
    surprise = -forecast.log_prob(y)
    return surprise * forecast.variance().detach() ** beta if beta else surprise
