"""The simple forecasters: what each rule says, and that the loop makes them as good as their closed forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lab.data.batch import Batch, Shape
from lab.data.windows import WindowSplit
from lab.errors import LabError
from lab.spec.datasets import LatentGraphSeries, OfSeries, TrafficLike, Waves
from lab.spec.models.forecast_baseline import ForecastBaseline as Options
from lab.spec.models.forecast_baseline import Rule
from lab.testing import check_model

pytestmark = pytest.mark.torch
SHAPE = Shape(nodes=3, features=2, window=4, horizon=3, clock=1)


def batch_of(x: Tensor) -> Batch:
    windows, _, nodes, _ = x.shape
    mask = torch.ones(windows, nodes, dtype=torch.bool)
    return Batch(x, torch.zeros(windows, nodes, nodes), mask, torch.zeros(windows, 3, nodes), torch.arange(windows))


def forecast(rule: Rule, x: Tensor, shape: Shape = SHAPE) -> Tensor:
    told: Tensor = Options(rule=rule).build(shape)(batch_of(x))
    return told.detach()


def test_every_rule_keeps_the_contract_of_models() -> None:
    check_model(Options)
    check_model(Options(rule="vector_autoregression", lags=3))


def test_last_and_mean_and_fresh_autoregressions_say_what_they_are_called() -> None:
    x = torch.randn(5, 4, 3, 2)
    last = x[:, -1, :, 0][:, None].expand(5, 3, 3)
    assert torch.equal(forecast("last", x)[..., 0], last)
    torch.testing.assert_close(forecast("mean", x)[..., 0], x[..., 0].mean(1)[:, None].expand(5, 3, 3))
    for rule in ("autoregression", "vector_autoregression"):
        torch.testing.assert_close(forecast(rule, x)[..., 0], last)


def test_a_vector_autoregression_is_a_power_of_its_matrix() -> None:
    x, model = torch.randn(5, 4, 3, 2), Options(rule="vector_autoregression").build(SHAPE)
    matrix = torch.randn(3, 3)
    model.rule.weight.data[0] = matrix
    told = model(batch_of(x))[..., 0]
    torch.testing.assert_close(told[:, 2], x[:, -1, :, 0] @ torch.linalg.matrix_power(matrix, 3))


def test_lags_reach_back_from_the_newest_frame() -> None:
    model = Options(rule="autoregression", lags=2).build(SHAPE)
    model.rule.weight.data[:] = torch.tensor([[0.5], [0.25]])
    x = torch.randn(2, 4, 3, 2)
    first = 0.5 * x[:, 3, :, 0] + 0.25 * x[:, 2, :, 0]
    second = 0.5 * first + 0.25 * x[:, 3, :, 0]
    torch.testing.assert_close(model(batch_of(x))[:, 1, :, 0], second)


def test_a_calendar_reads_the_clock_on_and_past_midnight() -> None:
    model = Options(rule="calendar", slots=4).build(SHAPE)
    model.rule.values.data[:] = torch.arange(4.0)[:, None]
    x = torch.zeros(1, 4, 3, 2)
    x[0, :, :, 1] = torch.tensor([0.75, 0.0, 0.25, 0.5])[:, None]
    assert model(batch_of(x))[0, :, 0, 0].tolist() == [3.0, 0.0, 1.0]


def test_a_clock_may_be_any_of_the_inputs() -> None:
    model = Options(rule="calendar", slots=4).build(replace(SHAPE, features=3, clock=2))
    model.rule.values.data[:] = torch.arange(4.0)[:, None]
    x = torch.randn(1, 4, 3, 3)
    x[0, :, :, 2] = torch.tensor([0.0, 0.25, 0.5, 0.75])[:, None]
    assert model(batch_of(x))[0, :, 0, 0].tolist() == [0.0, 1.0, 2.0]


def test_a_calendar_without_a_clock_is_refused_whatever_other_inputs_there_are() -> None:
    with pytest.raises(LabError, match="time of day"):
        Options(rule="calendar").build(replace(SHAPE, clock=0))
    with pytest.raises(LabError, match="two frames"):
        Options(rule="calendar").build(replace(SHAPE, window=1))


@pytest.mark.parametrize(
    ("data", "clock"),
    [
        (TrafficLike(nodes=4, days=3, calendar="time_of_day"), 1),
        (TrafficLike(nodes=4, days=3, calendar="time_and_day", input_impute="mask_channel"), 1),
        (TrafficLike(nodes=4, days=3, calendar="none", input_impute="mask_channel"), 0),
        (LatentGraphSeries(nodes=5, degree=2, length=200, window=5, horizon=2, calendar=True), 0),
        (Waves(rows=300, window=8, horizon=2, covariates="backward"), 0),
    ],
)
def test_data_say_which_input_is_the_time_of_day(data: OfSeries, clock: int) -> None:
    made = data.build(0)
    assert made.shape.clock == clock
    if clock:
        times = made.splits["train"].x[0, :, 0, clock]
        assert times.min() == 0
        assert torch.allclose(times, torch.arange(len(times)) % 288 / 288, atol=1e-6)


def test_drivers_are_told_nothing_about() -> None:
    shape = Shape(nodes=3, features=2, window=4, horizon=3, drivers=2)
    told = Options(rule="linear", answer="gaussian").build(shape)(batch_of(torch.randn(2, 4, 3, 2)))
    assert told.shape == (2, 3, 3, 2)
    assert not told[:, :, :2].any()
    assert (told[:, :, 2:, 1] > 0).all()


def test_lags_beyond_the_window_are_refused() -> None:
    with pytest.raises(LabError, match="do not fit"):
        Options(rule="autoregression", lags=5).build(SHAPE)


def test_training_a_vector_autoregression_finds_the_matrix_behind_the_series() -> None:
    random = torch.Generator().manual_seed(0)
    matrix = torch.tensor([[0.5, 0.4, 0.0], [0.0, 0.5, 0.4], [0.4, 0.0, 0.5]])
    frames = [torch.zeros(3)]
    for _ in range(2000):
        frames.append(frames[-1] @ matrix + torch.randn(3, generator=random))
    series = torch.stack(frames)[None]
    starts = torch.tensor([[0, first] for first in range(1990)])
    batch = WindowSplit(series[..., None], torch.zeros(3, 3), series, starts, 4, 1).batch(torch.arange(1990), 3)
    model = Options(rule="vector_autoregression").build(Shape(nodes=3, features=1, window=4, horizon=1))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        (model(batch)[..., 0] - batch.y).square().mean().backward()
        optimiser.step()
    torch.testing.assert_close(model.rule.weight[0].detach(), matrix, rtol=0, atol=0.08)
