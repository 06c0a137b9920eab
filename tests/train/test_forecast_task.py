"""The task forecast: its scores are sums over a split in original units, and only the target says what is missing."""

from __future__ import annotations

import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lab.data.batch import Batch, Dataset, Scale, Shape
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.forecast_scores import PIT_BINS
from lab.spec.losses import Loss
from lab.spec.models.model import Answer
from lab.spec.tasks import TASKS
from lab.train.tasks import Forecast
from lab.train.tasks.mixtures import Mixture

pytestmark = pytest.mark.torch
REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference")) / "latent_metrics.npz"


def task_for(
    y: Tensor, answer: Answer = "values", *, scale: Scale | None = None, drivers: int = 0, loss: Loss = "default"
) -> Forecast:
    shape = Shape(nodes=y.shape[2], features=1, window=4, horizon=y.shape[1], drivers=drivers)
    return Forecast(Dataset(shape, {}, "forecast", scale=scale), answer, loss=loss, options=ForecastLoss())


def batch_of(y: Tensor) -> Batch:
    windows, _, nodes = y.shape
    x, adjacency = torch.zeros(windows, 4, nodes, 1), torch.zeros(windows, nodes, nodes)
    return Batch(x, adjacency, torch.ones(windows, nodes, dtype=torch.bool), y, torch.arange(windows))


def scored(task: Forecast, outputs: Tensor, y: Tensor) -> dict[str, float]:
    return task.scores(task.sums(outputs, batch_of(y)).tolist())


@pytest.mark.skipif(not REFERENCE.exists(), reason="no reference arrays; set LAB_REFERENCE")
def test_documented_and_masked_errors_are_the_stored_ones() -> None:
    known = np.load(REFERENCE, allow_pickle=False)
    y, forecast = torch.from_numpy(known["in/y"]), torch.from_numpy(known["in/p"])
    told = scored(task_for(y, scale=Scale(null=0.0)), forecast[..., None], y)
    for name in ("mae", "mse", "rmse", "mape", "wape"):
        assert told[name] == pytest.approx(float(known[f"masked/{name.upper()}"]), rel=1e-10)
    for name in ("mae", "rmse"):
        assert told[f"plain_{name}"] == pytest.approx(float(known[f"doc/{name.upper()}"]), rel=1e-10)
    assert told["doc_mape"] == pytest.approx(float(known["doc/MAPE"]), rel=1e-8)


def test_errors_of_scaled_values_are_told_in_units_of_the_data() -> None:
    original = torch.tensor([[[60.0, 10.0], [0.0, 30.0]]])
    scale = Scale(mean=(50.0, 20.0), std=(10.0, 5.0), null=0.0)
    mean, std = torch.tensor(scale.mean), torch.tensor(scale.std)
    forecast = torch.tensor([[[57.0, 14.0], [50.0, 30.0]]])
    told = scored(task_for(original, scale=scale), ((forecast - mean) / std)[..., None], (original - mean) / std)
    assert told["mae"] == pytest.approx((3 + 4 + 0) / 3)
    assert told["rmse"] == pytest.approx(math.sqrt((9 + 16) / 3))
    assert told["mae_2"] == pytest.approx(0.0, abs=1e-5)
    assert told["mae_to_2"] == pytest.approx(told["mae"])
    assert told["mape_1"] == pytest.approx(100 * (3 / 60 + 4 / 10) / 2)
    assert told["wape"] == pytest.approx(100 * 7 / 100)
    assert told["plain_mae"] == pytest.approx((3 + 4 + 50) / 4)
    assert told["scaled_mae"] == pytest.approx((0.3 + 0.8) / 3, abs=1e-6)
    assert told["doc_mape"] > 1e9


def test_a_missing_target_is_known_by_itself_and_never_by_the_forecast() -> None:
    y = torch.tensor([[[1.0, math.nan, 2.0]]])
    task = task_for(y)
    told = scored(task, torch.zeros(1, 1, 3, 1), y)
    assert told["mae"] == pytest.approx(1.5)
    loss, is_void = task.loss(torch.zeros(1, 1, 3, 1, requires_grad=True), batch_of(y))
    assert loss.item() == pytest.approx(1.5)
    assert not is_void
    assert task.loss(torch.zeros(1, 1, 3, 1), batch_of(torch.full((1, 1, 3), math.nan)))[1]


def test_drivers_are_neither_learned_nor_scored_whatever_stands_in_their_rows() -> None:
    y = torch.randn(2, 3, 4)
    channels = torch.cat([torch.zeros(2, 3, 4, 1), torch.ones(2, 3, 4, 1)], -1)
    channels[:, :, :2] = 0.0  # a deviation of 0 has no density
    channels.requires_grad_()
    task = task_for(y, "gaussian", drivers=2)
    loss, _ = task.loss(channels, batch_of(y))
    loss.backward()
    assert channels.grad is not None
    assert channels.grad.isfinite().all()
    assert not channels.grad[:, :, :2].any()
    kept = task_for(y[:, :, 2:], "gaussian")
    assert scored(task, channels.detach(), y) == scored(kept, channels.detach()[:, :, 2:], y[:, :, 2:])


@given(cuts=st.sets(st.integers(1, 39), max_size=6), answer=st.sampled_from(["values", "mixture", "quantiles"]))
@settings(max_examples=20, deadline=None)
def test_scores_do_not_depend_on_how_a_split_is_cut_into_batches(cuts: set[int], answer: Answer) -> None:
    random = torch.Generator().manual_seed(3)
    y = torch.randn(40, 3, 2, generator=random)
    y[torch.rand(y.shape, generator=random) < 0.3] = -2.0  # 10 * -2 + 20 marks a missing one
    channels = torch.randn(40, 3, 2, {"values": 1, "mixture": 6, "quantiles": 5}[answer], generator=random)
    if answer == "mixture":
        channels[..., 2:4] = channels[..., 2:4].exp()
        channels[..., 4:] = channels[..., 4:].log_softmax(-1)
    task = task_for(y, answer, scale=Scale((20.0,), (10.0,), null=0.0))
    ends = [0, *sorted(cuts), 40]
    parts = [task.sums(channels[a:b], batch_of(y[a:b])) for a, b in pairwise(ends)]
    whole, cut = scored(task, channels, y), task.scores(torch.stack(parts).sum(0).tolist())
    assert whole.keys() == cut.keys()
    for name in whole.keys() - {"loss"}:  # the loss is a mean over batches everywhere in lab
        assert cut[name] == pytest.approx(whole[name], rel=1e-6, nan_ok=True), name


def test_targets_drawn_from_the_forecast_itself_are_covered_as_it_says() -> None:
    random = torch.Generator().manual_seed(0)
    channels = torch.randn(5000, 2, 2, 9, generator=random)
    channels[..., 3:6] = (channels[..., 3:6] * 0.5).exp()
    channels[..., 6:] = channels[..., 6:].log_softmax(-1)
    y = Mixture.of(channels).sample(1, random)[0]
    told = scored(task_for(y, "mixture"), channels, y)
    for level in (50, 80, 90, 95):
        assert told[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.01)
    assert told["pit_ks"] < 0.02
    assert told["calibration"] < 0.01
    assert sum(told[f"pit_{place}"] for place in range(1, PIT_BINS + 1)) == pytest.approx(1.0)


def test_a_forecast_that_is_too_sure_covers_too_little() -> None:
    y = torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(0))
    channels = torch.tensor([0.0, 0.5]).expand(4000, 1, 1, 2)
    told = scored(task_for(y, "gaussian"), channels, y)
    assert told["coverage_90"] == pytest.approx(0.589, abs=0.03)  # P(|z| < 0.5 * 1.645)
    assert told["pit_1"] > 3 * told["pit_10"]


def test_likelihood_crps_and_width_follow_the_units_of_the_data() -> None:
    y, channels = torch.zeros(1, 1, 1), torch.tensor([0.0, 1.0]).expand(1, 1, 1, 2)
    told = scored(task_for(y, "gaussian", scale=Scale((5.0,), (3.0,))), channels, y)
    assert told["nll"] == pytest.approx(0.5 * math.log(2 * math.pi) + math.log(3))
    assert told["scaled_nll"] == pytest.approx(0.5 * math.log(2 * math.pi))
    assert told["crps"] == pytest.approx(3 * told["scaled_crps"])
    assert told["scaled_crps"] == pytest.approx((math.sqrt(2) - 1) / math.sqrt(math.pi))
    assert told["width_90"] == pytest.approx(3 * 2 * 1.6448536)


@pytest.mark.parametrize(("answer", "channels"), [("values", 1), ("gaussian", 2), ("mixture", 9), ("quantiles", 5)])
def test_every_score_is_on_the_menu_and_has_a_goal(answer: Answer, channels: int) -> None:
    y = torch.rand(2, 12, 3)
    outputs = (torch.arange(channels) + 1.0).expand(2, 12, 3, channels)
    told, menu = scored(task_for(y, answer), outputs, y), TASKS["forecast"]
    assert all(menu.has(f"valid.{name}") for name in told)
    assert menu.goal_of("test.mae_12") == menu.goal_of("test.mae_to_3") == "min"
    assert menu.goal_of("test.graph_auroc") == "max"
    assert ("nll" in told) == (answer in ("gaussian", "mixture"))
    assert ("crps" in told) == (answer != "values")


def test_the_jump_is_between_the_second_and_the_third_step() -> None:
    y = torch.zeros(1, 4, 1)
    told = scored(task_for(y), torch.tensor([0.0, 1.0, 4.0, 9.0]).reshape(1, 4, 1, 1), y)
    assert told["jump"] == 3.0
