"""What a model says of the future: one number a place, or how probable numbers are there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lab.spec.models.model import Answer
from lab.train.tasks.mixtures import Mixture
from lab.train.tasks.quantiles import Quantiles


@dataclass(frozen=True)
class Points:
    """One number a place, its median and its mean at once."""

    values: Tensor

    def to(self, dtype: torch.dtype) -> Points:
        """The same numbers in another type."""
        return Points(self.values.to(dtype))

    def mean(self) -> Tensor:
        """The number."""
        return self.values

    def median(self) -> Tensor:
        """The number."""
        return self.values


Told = Points | Mixture | Quantiles


def told(answer: Answer, outputs: Tensor) -> Told:
    """Read a model's channels, the last axis of its outputs."""
    if answer in ("gaussian", "mixture"):
        return Mixture.of(outputs)
    return Quantiles(outputs) if answer == "quantiles" else Points(outputs.squeeze(-1))
