"""A small forecaster with a graph of events, and windows to read: what its tests share."""

from __future__ import annotations

from dataclasses import replace

import torch

from lab.data.batch import Batch, Shape
from lab.spec.models import Pgat

WAVES, TARGETS = 7, 3
SMALL = Shape(nodes=WAVES + TARGETS, features=3, window=48, horizon=12, drivers=WAVES)
FULL = replace(SMALL, window=96, horizon=24)
CHANNELS = {"mixture": 9, "gaussian": 2, "quantile": 9, "point": 1}


def small(**options):
    return Pgat(**{"width": 32, "patch": 4, "dropout": 0.0} | options)


def windows(graphs=4, *, shape=SMALL, seed=0):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(graphs, shape.window, shape.nodes, shape.features, generator=random)
    x[..., 1:] = x[:, :, :1, 1:]  # side inputs are the same at all nodes
    y = torch.randn(graphs, shape.horizon, shape.nodes, generator=random)
    known = torch.rand(shape.nodes, shape.nodes, generator=random).round().to(torch.uint8)
    mask = torch.ones(graphs, shape.nodes, dtype=torch.bool)
    return Batch(x, known.expand(graphs, -1, -1), mask, y, torch.arange(graphs))


def drawn(spec, shape=SMALL, seed=0):
    torch.manual_seed(seed)
    model = spec.build(shape)
    for weight in model.parameters():  # off their starts, so that nothing is equal by chance of the start
        weight.data.add_(0.1 * torch.randn_like(weight))
    return model


def found_by(model, batch, seed=3):
    """Outputs and gradients."""
    model.zero_grad()
    torch.manual_seed(seed)
    out = model(batch)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return [out.detach(), *(weight.grad.clone() for weight in model.parameters())]


def assert_close(one, other, tolerance):
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)
