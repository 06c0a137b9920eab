"""Forecasts of series whose trend was taken off: in original units they are scored as if it never had been."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from small_trial import run
from torch import Tensor

from lab.data.batch import Batch, Dataset
from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.models.model import Answer
from lab.train.replay.rerun import in_double, without
from lab.train.tasks import Forecast

pytestmark = pytest.mark.torch

DATA: dict[str, dict[str, Any]] = {
    "gaps": {"kind": "latent_graph_series", "length": 300, "window": 8, "horizon": 4, "missing": 0.2},
    "traffic": {"kind": "traffic_like", "nodes": 4, "days": 2, "scaler": "per_node", "missing": 0.2, "horizon": 4},
    "drivers": {"kind": "waves", "rows": 400, "window": 12, "horizon": 4},
}
PARABOLA = {"detrend": "savgol_poly", "detrend_order": 2}
TRENDS: tuple[dict[str, Any], ...] = ({"detrend": "moving_average"}, PARABOLA)


def data_of(name: str, trend: dict[str, Any] | None = None) -> Dataset:
    dataset: Dataset = DatasetSpec.named(DATA[name]["kind"]).model_validate(DATA[name] | (trend or {})).build(0)
    return dataset


def batch_of(dataset: Dataset, windows: int = 40) -> Batch:
    return dataset.splits["test"].batch(torch.arange(windows), dataset.shape.nodes)


def task_of(dataset: Dataset, answer: Answer, **options: Any) -> Forecast:
    return Forecast(dataset, answer, loss="default", options=ForecastLoss(**options))


def told(forecast: Tensor, answer: Answer) -> Tensor:
    """Channels that speak of this forecast, surely or not."""
    if answer == "values":
        return forecast[..., None]
    if answer == "gaussian":
        return torch.stack([forecast, torch.full_like(forecast, 0.7)], -1)
    return forecast[..., None] + torch.tensor([-1.0, -0.2, 0.3, 1.0])


@pytest.mark.parametrize("answer", ["values", "gaussian", "quantiles"])
@pytest.mark.parametrize("name", DATA)
def test_the_same_forecast_has_the_same_scores_whatever_was_taken_off(name: str, answer: Answer) -> None:
    plain = data_of(name)
    forecast = torch.randn(batch_of(plain).y.shape, generator=torch.Generator().manual_seed(0))
    task = task_of(plain, answer)
    known = task.scores(task.sums(told(forecast, answer), batch_of(plain)).tolist())
    for trend in TRENDS:
        dataset = data_of(name, trend)
        batch, task = batch_of(dataset), task_of(dataset, answer)
        assert batch.trend is not None
        found = task.scores(task.sums(told(forecast - batch.trend, answer), batch).tolist())
        assert found.keys() == known.keys()
        for score, value in known.items():
            assert found[score] == pytest.approx(value, rel=2e-3, abs=2e-3, nan_ok=True), score


@pytest.mark.parametrize("units", ["scaled", "original"])
def test_the_loss_is_that_of_the_same_forecast_without_a_trend(units: str) -> None:
    plain, less = data_of("traffic"), data_of("traffic", PARABOLA)
    forecast = torch.randn(batch_of(plain).y.shape, generator=torch.Generator().manual_seed(0))
    batch = batch_of(less)
    assert batch.trend is not None
    known, _ = task_of(plain, "values", units=units).loss(forecast[..., None], batch_of(plain))
    found, _ = task_of(less, "values", units=units).loss((forecast - batch.trend)[..., None], batch)
    assert float(found) == pytest.approx(float(known), rel=1e-5)


def test_the_mark_of_a_missing_value_is_known_again_under_any_trend() -> None:
    plain, less = data_of("gaps"), data_of("gaps", PARABOLA | {"detrend_damping": 1.0})
    count = {}
    for name, dataset in (("plain", plain), ("less", less)):
        outputs = torch.zeros(*batch_of(dataset).y.shape, 1)
        task = task_of(dataset, "values")
        count[name] = float(task.sums(outputs, batch_of(dataset))[: task.steps].sum())  # the first sums are counts
    assert count["plain"] == count["less"] < batch_of(plain).y.numel()


def test_known_lines_speak_of_the_series_with_their_trend() -> None:
    spec = DatasetSpec.named("latent_graph_series")
    lines = []
    for options in (DATA["gaps"], DATA["gaps"] | PARABOLA):
        made = spec.model_validate(options)
        lines.append(made.lines(made.build(0)))
    assert lines[0] == lines[1]


def test_what_replays_a_step_carries_the_trend() -> None:
    batch = batch_of(data_of("gaps", PARABOLA), 4)
    left = without(batch, frozenset({1}))
    assert left is not None
    assert batch.trend is not None
    assert left.trend is not None
    assert torch.equal(left.trend, batch.trend[[0, 2, 3]])
    exact = in_double(batch).trend
    assert exact is not None
    assert exact.dtype == torch.float64


def test_a_trial_with_a_trend_trains_and_is_scored() -> None:
    said = Experiment.model_validate(
        {
            "dataset": DATA["traffic"] | PARABOLA,
            "model": {"kind": "forecast_baseline", "rule": "last"},
            "training": {"epochs": 2, "batch": 64, "lr": 1e-2},
        }
    )
    outcome = run(said)
    assert outcome.status == "done", outcome.error
    assert math.isfinite(outcome.scores["test.mae"])
