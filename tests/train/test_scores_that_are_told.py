"""What may be named in a file is what a forecast is scored by: no score more, none less."""

from __future__ import annotations

import re

import pytest
import torch

from lab.spec.experiment import Experiment
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.possible import lacking
from lab.spec.tasks import TASKS
from lab.train.tasks import Forecast

pytestmark = pytest.mark.torch

HORIZON = 4
DATA = {"kind": "latent_graph_series", "nodes": 6, "degree": 2, "length": 200, "window": 8, "horizon": HORIZON}
CHANNELS = {"point": 1, "gaussian": 2, "mixture": 6, "quantile": 9}


def outputs_of(head: str, size: tuple[int, ...]) -> torch.Tensor:
    """Rising numbers, all above zero, whose log-weights add up to one."""
    told = torch.arange(1.0, CHANNELS[head] + 1).expand(*size, -1).clone()
    if head == "mixture":
        told[..., 4:] = torch.tensor(0.5).log()
    return told


@pytest.mark.parametrize("head", CHANNELS)
def test_a_score_is_refused_where_no_run_would_tell_it(head: str) -> None:
    made = Experiment.model_validate({"dataset": DATA, "model": {"kind": "pgat", "head": head}})
    dataset = made.dataset.build(0)
    task = Forecast(dataset, made.model.answers("forecast"), loss="default", options=ForecastLoss())
    batch = dataset.splits["test"].batch(torch.arange(4), 6)
    told = task.scores(task.sums(outputs_of(head, (4, HORIZON, 6)), batch).tolist())
    named = {re.sub(r"<\w+>", str(at), each) for each in TASKS["forecast"].scores for at in range(HORIZON + 2)}
    named |= {"pit_20", "pit_21"}
    possible = {name for name in named if lacking(f"test.{name}", made.dataset, made.model) is None}
    learned = {name for name in possible if name.startswith("graph_")}  # told by models that learn a graph
    assert possible - learned == told.keys() & named
