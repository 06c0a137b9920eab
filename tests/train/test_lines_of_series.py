"""A known line of a series is what the task would score the same forecast with."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.data.batch import Dataset
from lab.data.forecast_baselines import gaussian_forecasts, gaussian_lines, series_lines
from lab.data.forecast_windows import past_of, split_of, units_of, windows_of
from lab.spec.datasets import LatentGraphSeries, OfSeries, TrafficLike, Waves
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.models.model import Answer
from lab.train.tasks import Forecast

pytestmark = pytest.mark.torch


def scored(dataset: Dataset, answer: Answer, outputs: Tensor) -> dict[str, float]:
    task = Forecast(dataset, answer, loss="default", options=ForecastLoss())
    test = split_of(dataset, "test")
    batch = test.batch(torch.arange(len(test)), dataset.shape.nodes)
    return task.scores(task.sums(outputs, batch).tolist())


@pytest.mark.parametrize(
    "spec",
    [
        TrafficLike(nodes=5, days=3, scaler="per_node"),
        TrafficLike(nodes=5, days=3, scaler_mask=False, input_impute="mask_channel"),
        LatentGraphSeries(nodes=6, degree=2, length=400, window=8, horizon=6, missing=0.2),
    ],
    ids=["per node", "with nulls", "gaps"],
)
def test_the_last_value_is_scored_as_its_line_says(spec: OfSeries) -> None:
    dataset = spec.build(0)
    test = split_of(dataset, "test")
    last = torch.from_numpy(past_of(test, test.starts, units_of(dataset))[:, -1:])
    told = scored(dataset, "values", last.expand(-1, dataset.shape.horizon, -1)[..., None])
    lines = {name: value for name, value in series_lines(dataset).items() if name.endswith(": last value")}
    assert len(lines) > 10
    assert {name: told[name.partition(":")[0]] for name in lines} == pytest.approx(lines, rel=1e-5)


def test_densities_are_scored_as_their_lines_say() -> None:
    dataset = Waves(rows=800, window=24, horizon=6).build(0)
    lines = gaussian_lines(dataset)
    train, test = (windows_of(dataset, name).at(np.arange(10) >= 7) for name in ("train", "test"))
    for name, (mean, std) in gaussian_forecasts(train, test).items():
        outputs = torch.zeros(*test.target.shape[:2], 10, 2, dtype=torch.float64)
        outputs[:, :, 7:, 0] = torch.from_numpy(np.array(mean))
        outputs[:, :, 7:, 1] = torch.from_numpy(np.broadcast_to(std, mean.shape).copy())
        told = scored(dataset, "gaussian", outputs)
        own = {line: value for line, value in lines.items() if line.endswith(f": {name}")}
        assert {line: told[line.partition(":")[0]] for line in own} == pytest.approx(own, rel=1e-4, abs=1e-5)
