"""A known line of a series is what the task would score the same forecast with."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from lab.data.batch import Dataset
from lab.data.forecast_baselines import densities, gaussian_lines, series_lines
from lab.data.forecast_windows import past_of, split_of, units_of, windows_of
from lab.data.series import Scaling, Series, to_dataset
from lab.spec.datasets import LatentGraphSeries, OfSeries, TrafficLike, Waves
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.models.model import Answer
from lab.spec.tasks import HELD_OUT, line_beside
from lab.train.tasks import Forecast

pytestmark = pytest.mark.torch

Lines = Callable[[Dataset], dict[str, float]]


def scored(dataset: Dataset, answer: Answer, outputs: Tensor, *, name: str) -> dict[str, float]:
    task = Forecast(dataset, answer, loss="default", options=ForecastLoss())
    split = split_of(dataset, name)
    batch = split.batch(torch.arange(len(split)), dataset.shape.nodes)
    return {f"{name}.{score}": value for score, value in task.scores(task.sums(outputs, batch).tolist()).items()}


@pytest.mark.parametrize("name", HELD_OUT)
@pytest.mark.parametrize(
    "spec",
    [
        TrafficLike(nodes=5, days=3, scaler="per_node"),
        TrafficLike(nodes=5, days=3, scaler_mask=False, input_impute="mask_channel"),
        LatentGraphSeries(nodes=6, degree=2, length=400, window=8, horizon=6, missing=0.2),
    ],
    ids=["per node", "with nulls", "gaps"],
)
def test_the_last_value_is_scored_as_its_line_says(spec: OfSeries, name: str) -> None:
    dataset = spec.build(0)
    split = split_of(dataset, name)
    last = torch.from_numpy(past_of(split, split.starts, units_of(dataset))[:, -1:])
    told = scored(dataset, "values", last.expand(-1, dataset.shape.horizon, -1)[..., None], name=name)
    lines = {line: value for line, value in series_lines(dataset).items() if line.endswith(": last value")}
    lines = {line: value for line, value in lines.items() if line.startswith(name)}
    assert len(lines) > 10
    assert {line: told[line.partition(":")[0]] for line in lines} == pytest.approx(lines, rel=1e-5)


@pytest.mark.parametrize("name", HELD_OUT)
def test_densities_are_scored_as_their_lines_say(name: str) -> None:
    dataset = Waves(rows=800, window=24, horizon=6).build(0)
    lines = gaussian_lines(dataset)
    train, windows = (windows_of(dataset, each).at(np.arange(10) >= 7) for each in ("train", name))
    for rule, density in densities([train]).items():
        mean, std = density(windows)
        outputs = torch.zeros(*windows.target.shape[:2], 10, 2, dtype=torch.float64)
        outputs[:, :, 7:, 0] = torch.from_numpy(np.array(mean))
        outputs[:, :, 7:, 1] = torch.from_numpy(np.broadcast_to(std, mean.shape).copy())
        told = scored(dataset, "gaussian", outputs, name=name)
        own = {line: value for line, value in lines.items() if line.startswith(name) and line.endswith(f": {rule}")}
        assert len(own) > 10
        assert {line: told[line.partition(":")[0]] for line in own} == pytest.approx(own, rel=1e-4, abs=1e-5)


def test_training_windows_are_never_held_all_at_once() -> None:
    dataset = Waves(rows=6000, window=48, horizon=4).build(0)
    train = split_of(dataset, "train")
    inputs = len(train) * train.window * (dataset.shape.nodes + 2) * 8
    tracemalloc.start()
    gaussian_lines(dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < inputs


@pytest.mark.parametrize("lines_of", [series_lines, gaussian_lines])
def test_the_line_beside_a_validation_score_is_that_of_the_validation_windows(lines_of: Lines) -> None:
    size = np.repeat([1.0, 3.0, 30.0], [700, 100, 200])  # the parts of training, validation and test
    values = size[:, None] * np.random.default_rng(0).normal(size=(1000, 4))
    spec = LatentGraphSeries(split_unit="series", window=4, horizon=2)
    told = lines_of(to_dataset(Series(values), spec, Scaling()))
    for split, part in (("valid", values[700:800]), ("test", values[800:])):
        beside = {name: value for line, value in told.items() if (name := line_beside(line, f"{split}.rmse"))}
        assert set(beside) >= {"last value"}
        assert beside["last value"] == pytest.approx(part.std() * np.sqrt(2), rel=0.1)  # from one draw to another
        assert not any(line_beside(line, "train.rmse") for line in told)
