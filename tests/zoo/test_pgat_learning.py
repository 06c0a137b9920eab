"""The forecaster learns what waves tell of their targets, and how sure it may be; the ridge regression is the line."""

from __future__ import annotations

import math

import pytest
import torch

from lab.spec.datasets import Waves
from lab.spec.models import Pgat
from lab.train.tasks.mixtures import Mixture

pytestmark = pytest.mark.torch

STEPS, BATCH = 400, 32
HIGHEST, WARMUP = 3e-3, 20
"""The learning rate rises over so many steps, then falls along a cosine; left high, it ends too sure."""


def rate(step):
    """The learning rate of a step."""
    return HIGHEST * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * step / STEPS))


def trained(model, split):
    """The model after so many steps on windows drawn at random."""
    chosen = torch.Generator().manual_seed(0)
    optimiser = torch.optim.AdamW(model.train().parameters(), lr=HIGHEST, weight_decay=1e-2)
    for step in range(STEPS):
        optimiser.param_groups[0]["lr"] = rate(step)
        batch = split.batch(torch.randint(len(split), (BATCH,), generator=chosen), 10)
        optimiser.zero_grad()
        loss = -Mixture.of(model(batch)[:, :, 7:]).log_prob(batch.y[:, :, 7:]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()


@pytest.mark.slow
def test_waves_are_learned_with_their_uncertainty_and_ridge_is_the_line():
    torch.manual_seed(0)
    spec = Waves(eval_stride=4)
    dataset = spec.build(42)
    model = trained(Pgat(width=32).build(dataset.shape), dataset.splits["train"])
    test = dataset.splits["test"]
    batch = test.batch(torch.arange(len(test)), 10)
    with torch.no_grad():
        told, y = Mixture.of(model(batch)[:, :, 7:]), batch.y[:, :, 7:]
        covered = ((told.cdf(y) - 0.5).abs() < 0.45).float().mean()
        scores = [float(each) for each in (told.crps(y).mean(), -told.log_prob(y).mean(), covered)]
    lines = spec.lines(dataset)
    crps, nll, coverage = scores
    # Narrow bounds: a rate that stays high, a lower one, and encodings of the graph each missed some of them.
    assert crps < 0.25 < 0.6 * lines["test.scaled_crps: last value"], scores
    assert nll < 0.6 < lines["test.scaled_nll: last value"], scores
    assert 0.75 < coverage < 0.99, scores
    assert lines["test.scaled_crps: ridge on the window"] < 0.09
