"""The losses of forecasts: which there are, what they are worth, and what their options change."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lab.data.batch import Dataset, Scale, Shape
from lab.data.windows import WindowSplit
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.losses import LOSSES_OF_TASK, Loss
from lab.spec.models.model import Answer
from lab.train.tasks import Forecast
from lab.train.tasks.mixtures import Mixture

pytestmark = pytest.mark.torch
CHANNELS: dict[Answer, int] = {"values": 1, "gaussian": 2, "mixture": 6, "quantiles": 5}


def split_of(y: Tensor) -> WindowSplit:
    """One sequence, [frames, nodes], cut into windows that see 4 frames and are asked for 3."""
    frames, nodes = y.shape
    starts = torch.tensor([[0, first] for first in range(frames - 6)])
    return WindowSplit(y[None, ..., None], torch.zeros(nodes, nodes), y[None], starts, 4, 3)


def task_of_loss(
    loss: Loss, answer: Answer, options: ForecastLoss | None = None, scale: Scale | None = None
) -> Forecast:
    data = Dataset(Shape(nodes=2, features=1, window=4, horizon=3), {}, "forecast", scale=scale)
    return Forecast(data, answer, loss=loss, options=options or ForecastLoss())


def outputs_of(answer: Answer, windows: int) -> Tensor:
    random = torch.Generator().manual_seed(1)
    channels = torch.randn(windows, 3, 2, CHANNELS[answer], generator=random)
    if answer in ("gaussian", "mixture"):
        parts = CHANNELS[answer] // (2 if answer == "gaussian" else 3)
        channels[..., parts : 2 * parts] = channels[..., parts : 2 * parts].exp()
        channels[..., 2 * parts :] = channels[..., 2 * parts :].log_softmax(-1)
    return channels.sort(-1).values if answer == "quantiles" else channels


SERIES = torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
BATCH = split_of(SERIES).batch(torch.arange(10), 2)
PAIRS = [(loss, answer) for answer, known in LOSSES_OF_TASK["forecast"].items() for loss in known]


@pytest.mark.parametrize(("loss", "answer"), PAIRS)
def test_every_loss_that_suits_an_answer_is_finite_and_teaches_every_channel(loss: Loss, answer: Answer) -> None:
    outputs = outputs_of(answer, 10).requires_grad_()
    value, is_void = task_of_loss(loss, answer).loss(outputs, BATCH)
    value.backward()
    assert value.isfinite()
    assert not is_void
    assert outputs.grad is not None
    taught = outputs.grad.abs().sum((0, 1, 2)) > 0
    assert taught.any() if loss in ("mae", "mse", "huber") else taught.all()


@pytest.mark.parametrize(("loss", "known"), [("mae", functional.l1_loss), ("mse", functional.mse_loss)])
def test_losses_of_errors_are_those_of_torch(loss: Loss, known: object) -> None:
    outputs = outputs_of("values", 10)
    assert callable(known)
    assert task_of_loss(loss, "values").loss(outputs, BATCH)[0] == pytest.approx(
        known(outputs[..., 0], BATCH.y).item(), rel=1e-6
    )


def test_huber_bends_where_it_is_told_to() -> None:
    outputs = outputs_of("values", 10)
    known = functional.huber_loss(outputs[..., 0], BATCH.y, delta=0.3)
    assert task_of_loss("huber", "values", ForecastLoss(huber=0.3)).loss(outputs, BATCH)[0] == pytest.approx(
        known.item()
    )


def test_missing_targets_teach_nothing_unless_they_are_to_be_learned() -> None:
    outputs, scale = outputs_of("values", 10), Scale((1.0,), (2.0,), null=0.0)
    gone = SERIES.clone()
    gone[::3] = -0.5  # 2 * -0.5 + 1 marks a missing one
    batch = split_of(gone).batch(torch.arange(10), 2)
    errors, is_known = (outputs[..., 0] - batch.y).abs(), batch.y != -0.5
    assert task_of_loss("mae", "values", scale=scale).loss(outputs, batch)[0] == pytest.approx(
        errors[is_known].mean().item()
    )
    learned = task_of_loss("mae", "values", ForecastLoss(missing="learned"), scale)
    assert learned.loss(outputs, batch)[0] == pytest.approx(errors.mean().item())


def test_original_units_weigh_nodes_by_their_deviations() -> None:
    outputs, scale = outputs_of("values", 10), Scale((0.0, 5.0), (1.0, 10.0))
    errors = (outputs[..., 0] - BATCH.y).abs() * torch.tensor([1.0, 10.0])
    task = task_of_loss("mae", "values", ForecastLoss(units="original"), scale)
    assert task.loss(outputs, BATCH)[0] == pytest.approx(errors.mean().item(), rel=1e-6)


def test_beta_gives_the_error_back_its_weight() -> None:
    outputs = outputs_of("gaussian", 10)
    plain = -Mixture.of(outputs).log_prob(BATCH.y)
    known = (plain * outputs[..., 1]).mean()  # half a power of the variance is the deviation
    assert task_of_loss("nll", "gaussian", ForecastLoss(beta=0.5)).loss(outputs, BATCH)[0] == pytest.approx(
        known.item()
    )
    outputs.requires_grad_()
    weighed, _ = task_of_loss("nll", "gaussian", ForecastLoss(beta=1.0)).loss(outputs, BATCH)
    weighed.backward()
    assert outputs.grad is not None
    error = (outputs[..., 0] - BATCH.y) / BATCH.y.numel()
    torch.testing.assert_close(outputs.grad[..., 0], error.detach(), rtol=1e-4, atol=1e-6)


def test_mixtures_that_speak_of_all_nodes_together_sum_log_densities_first() -> None:
    outputs = outputs_of("mixture", 10)
    mixture = Mixture.of(outputs).weighed_together()
    joint = torch.logsumexp(mixture.log_weights[:, :, 0] + mixture.log_densities(BATCH.y).sum(2), -1)
    known = -joint.mean() / 2
    task = task_of_loss("nll", "mixture", ForecastLoss(mixtures="together"))
    assert task.loss(outputs, BATCH)[0] == pytest.approx(known.item(), rel=1e-5)


def test_one_component_is_the_same_together_and_apart() -> None:
    one = torch.cat([outputs_of("gaussian", 10), torch.zeros(10, 3, 2, 1)], -1)
    told = [
        task_of_loss("nll", "mixture", ForecastLoss(mixtures=each)).loss(one, BATCH)[0]
        for each in ("apart", "together")
    ]
    assert told[0] == pytest.approx(told[1].item(), rel=1e-5)


def test_what_the_best_constant_loses_is_what_a_search_over_constants_finds() -> None:
    split, series = split_of(SERIES), SERIES
    y = split.batch(torch.arange(len(split)), 2).y.flatten()
    tried = torch.linspace(-2, 2, 2001)[:, None] - y
    assert task_of_loss("mae", "values").constant_loss(split) == pytest.approx(
        float(tried.abs().mean(1).min()), abs=1e-3
    )
    assert task_of_loss("mse", "values").constant_loss(split) == pytest.approx(
        float(tried.square().mean(1).min()), abs=1e-3
    )
    normal = torch.distributions.Normal(y.mean(), y.std(unbiased=False))
    assert task_of_loss("nll", "gaussian").constant_loss(split) == pytest.approx(
        -normal.log_prob(y).mean().item(), abs=1e-5
    )
    pairs = (y[:, None] - y).abs().mean() / 2
    assert task_of_loss("crps", "gaussian").constant_loss(split) == pytest.approx(pairs.item(), abs=1e-5)
    assert math.isnan(task_of_loss("huber", "values").constant_loss(split))
    assert len(series) == 20


def test_a_loss_that_suits_no_such_answer_is_refused() -> None:
    with pytest.raises(ValueError, match="nll"):
        task_of_loss("nll", "values").loss(outputs_of("values", 10), BATCH)
