"""Baselines that tell what a score means before any graph network is trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.baselines import DegreeLogreg as Options
from lab.zoo.parts import BatchNorm
from lab.zoo.taps import Tap
from lab.zoo.walks import simple_graph

FEATURES = {"degree": 1, "standardised": 1, "share": 3, "neighbours": 5}


class DegreeLogreg(nn.Module):
    """Logistic regression on what a node's degree says."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        width = FEATURES[spec.features]
        self.standardise = BatchNorm(width, affine=False)
        self.readout = nn.Linear(width, shape.outputs)
        self.logits = Tap("logits")

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        logits: Tensor = self.logits(self.readout(self.standardise(self.features(batch), batch.mask)))
        return logits

    def features(self, batch: Batch) -> Tensor:
        """[graphs, nodes, features] of every node; those of padding have no meaning."""
        dtype = self.readout.weight.dtype
        edges = simple_graph(batch.adjacency, dtype)
        degree = edges.sum(-1)
        if self.spec.features == "degree":
            return degree[..., None]
        real = batch.mask.to(dtype)
        size = real.sum(-1, keepdim=True).clamp(min=1)
        if self.spec.features == "standardised":
            away = (degree - degree.sum(-1, keepdim=True) / size) * real
            spread = (away.square().sum(-1, keepdim=True) / size).sqrt()
            return (away / spread.clamp(min=1e-6))[..., None]
        told = [degree, size.expand_as(degree), degree / size]
        if self.spec.features == "neighbours":
            around = (edges @ degree[..., None]).squeeze(-1)
            told += [around / degree.clamp(min=1), around]
        return torch.stack(told, dim=-1)
