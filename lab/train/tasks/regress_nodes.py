"""To predict a number for every node."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.spec.tasks import TASKS
from lab.train.tasks.task import Task, ratio


class RegressNodes(Task):
    """Mean squared error over the real nodes; scored by the mean absolute error."""

    main = TASKS["regress_nodes"].main

    @property
    def goal(self) -> Literal["max", "min"]:
        """Errors are to fall."""
        return TASKS["regress_nodes"].goals["mae"]

    def _errors(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        known = batch.mask[..., None].expand_as(batch.y)
        return torch.where(known, outputs - batch.y, 0.0), known.sum()

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean squared error of the batch."""
        errors, count = self._errors(outputs, batch)
        return errors.square().sum() / count.clamp(min=1), count == 0

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Absolute and squared errors with their count, then the loss and 1 for the batch."""
        errors, count = self._errors(outputs, batch)
        errors = errors.double()
        loss, _ = self.loss(outputs, batch)
        numbers = [errors.abs().sum(), errors.square().sum(), count, loss, torch.ones_like(count)]
        return torch.stack([number.double() for number in numbers])

    def scores(self, sums: list[float]) -> dict[str, float]:
        """Errors over all nodes of the split."""
        absolute, squared, count, loss, batches = sums
        rmse = math.sqrt(squared / count) if count else math.nan
        return {"mae": ratio(absolute, count), "rmse": rmse, "loss": ratio(loss, batches)}
