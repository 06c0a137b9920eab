"""To forecast the values of nodes over a horizon, as numbers or with how probable they are."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lab.data.batch import AnySplit, Batch, Dataset, Scale
from lab.probes.probe import Scored
from lab.spec.forecast_loss import ForecastLoss
from lab.spec.losses import Loss, loss_of
from lab.spec.models.model import Answer
from lab.spec.tasks import TASKS
from lab.train.tasks.forecast_answers import Told, told
from lab.train.tasks.forecast_losses import best_constant, joint_surprise, losses
from lab.train.tasks.forecast_scores import error_scores, sure_scores
from lab.train.tasks.forecast_sums import FINE, STEPWISE, Asked, Centre, histogram, jumps, stepwise
from lab.train.tasks.graph_recovery import recovery_scores
from lab.train.tasks.mixtures import Mixture
from lab.train.tasks.task import Task, ratio

ENOUGH = 256
"""Windows whose targets tell how much there is to learn."""


class Forecast(Task):
    """A loss on scaled values; scores in the units of the data, as sums over a whole split."""

    main = TASKS["forecast"].main

    def __init__(self, dataset: Dataset, answer: Answer, *, loss: Loss, options: ForecastLoss) -> None:
        self.answer, self.options = answer, options
        self.steps, self.drivers = dataset.shape.horizon, dataset.shape.drivers
        self.scale = dataset.scale or Scale()
        self.truth, self.knows_truth = dataset.truth, dataset.truth is not None
        self._numbers: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}
        self.name = loss_of("forecast", answer, loss)
        self.is_joint = answer == "mixture" and options.mixtures == "together"

    @property
    def goal(self) -> Literal["max", "min"]:
        """Errors are to fall."""
        return TASKS["forecast"].goals[self.main]

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean over the targets that are learned, in float32 however the model computes."""
        forecast, asked = self._read(outputs, batch, torch.float32)
        learned = asked.known if self.options.missing == "left_out" else asked.seen
        count = learned.sum()
        if self.is_joint and self.name == "nll" and isinstance(forecast, Mixture):
            return joint_surprise(forecast, asked.y, learned).sum() / count.clamp(min=1), count == 0
        unit = asked.unit if self.options.units == "original" else torch.ones_like(asked.unit)
        each = losses(forecast, asked.y, self.name, unit=unit, options=self.options)
        return torch.where(learned, each, 0.0).sum() / count.clamp(min=1), count == 0

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Every sum at every step, the histogram, then the jumps, the loss and 1 for the batch."""
        forecast, asked = self._read(outputs, batch, torch.float64)
        centre, loss = Centre.of(forecast), self.loss(outputs, batch)[0].double()
        tail = torch.cat([jumps(centre, asked), torch.stack([loss, torch.ones_like(loss)])])
        return torch.cat([stepwise(forecast, centre, asked).flatten(), histogram(forecast, asked), tail])

    def scores(self, sums: list[float]) -> dict[str, float]:
        """Errors of all steps and of each, and what there is to say of how sure the model was."""
        ends = [place * self.steps for place in range(len(STEPWISE) + 1)]
        steps = {name: sums[start:end] for name, start, end in zip(STEPWISE, ends, ends[1:], strict=False)}
        counts, (jumped, at, loss, batches) = sums[ends[-1] : ends[-1] + FINE], sums[ends[-1] + FINE :]
        told_scores = error_scores(steps) | {"jump": ratio(jumped, at), "loss": ratio(loss, batches)}
        if self.answer == "values":
            return told_scores
        return told_scores | sure_scores(steps, counts, has_density=self.answer != "quantiles")

    def scores_of_graph(self, learned: Tensor) -> dict[str, float]:
        """How well it ranks the edges of the graph behind the data."""
        return {} if self.truth is None else recovery_scores(learned.cpu(), self.truth.cpu(), self.drivers)

    def seen(self, sums: list[float]) -> Scored:
        """The loss alone: there are no classes."""
        return Scored(ratio(*sums[-2:]))

    def constant_loss(self, split: AnySplit) -> float:
        """The loss of the best answer that is the same at all nodes and steps of some windows of a split."""
        if self.options.units == "original":
            return float("nan")
        some = torch.linspace(0, len(split) - 1, min(len(split), ENOUGH)).long()
        asked = self._asked(split.batch(some, split.x.shape[2]), torch.float32)
        return best_constant(asked.y[asked.known], self.name)

    def _read(self, outputs: Tensor, batch: Batch, dtype: torch.dtype) -> tuple[Told, Asked]:
        forecast = told(self.answer, outputs[:, :, self.drivers :]).to(dtype)
        if self.is_joint and isinstance(forecast, Mixture):
            forecast = forecast.weighed_together()
        return forecast, self._asked(batch, dtype)

    def _asked(self, batch: Batch, dtype: torch.dtype) -> Asked:
        """The targets as they are and as they were, with those that mark missing values told apart."""
        y = batch.y[:, :, self.drivers :].to(dtype)
        mean, unit = self._scaling(y)
        seen = ~y.isnan() & batch.mask[:, None, self.drivers :]
        y = torch.where(seen, y, 0.0)
        zero = y.new_zeros(()).expand_as(y)
        trend = zero if batch.trend is None else batch.trend[:, :, self.drivers :].to(dtype)
        original = (y + trend) * unit + mean
        null = self.scale.null
        if null is None:
            return Asked(y, original, seen, seen, unit, trend)
        # Scaling there and back in float32 leaves a little of what was exactly the mark, and so does a trend.
        is_mark = (original - null).abs() <= 1e-5 * (mean.abs() + unit * (1 + trend.abs()) + abs(null))
        return Asked(y, torch.where(is_mark, null, original), seen, seen & ~is_mark, unit, trend)

    def _scaling(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the nodes that are forecast; sent to a device once, so that no step waits for it."""
        key = like.device, like.dtype
        if key not in self._numbers:
            own = (numbers[self.drivers :] or numbers for numbers in (self.scale.mean, self.scale.std))
            mean, std = (like.new_tensor(numbers) for numbers in own)
            self._numbers[key] = mean, std
        return self._numbers[key]
