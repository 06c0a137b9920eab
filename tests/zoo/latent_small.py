"""A small forecaster with a learned graph, and windows for it."""

from __future__ import annotations

import torch

from benchmarks.latent_speed import documented
from lab.data.batch import Shape
from lab.spec.models.latent_seq2seq import LatentSeq2Seq
from lab.testing import small_batch

SHAPE = Shape(nodes=6, features=3, targets=1, window=12, horizon=5)
SMALL = {"width": 8, "lstm_dropout": 0.0}


def made(shape=SHAPE, seed=0, **options):
    """A small model."""
    torch.manual_seed(seed)
    return LatentSeq2Seq.model_validate(SMALL | options).build(shape)


def written(**options):
    """The documented form, small."""
    torch.manual_seed(0)
    return documented(**(SMALL | options)).build(SHAPE)


def batch(shape=SHAPE):
    """Three windows."""
    return small_batch(shape)


def gradients(model, data):
    """Gradients of a mean absolute error."""
    (model(data)[..., 0] - data.y).abs().mean().backward()
    return {name: weight.grad for name, weight in model.named_parameters()}
