"""Simple forecasters with few learned numbers, which every graph network is read against."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.spec.models.forecast_baseline import ForecastBaseline as Options

LEAST = 1e-3
"""The smallest deviation that may be said."""
UNIT = 0.5413
"""What softplus makes a deviation of 1 of."""


class ForecastBaseline(nn.Module):
    """A rule that gives [windows, steps, nodes], and maybe how sure it is of each step."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.drivers = shape.drivers
        self.rule = rule_of(spec, shape)
        self.spread = Spread(shape.horizon) if spec.answer == "gaussian" else None

    def forward(self, batch: Batch) -> Tensor:
        """Values [windows, steps, nodes, 1], or means and deviations; zeros for drivers."""
        values = self.rule(batch.x)
        told = values[..., None] if self.spread is None else self.spread(values)
        return functional.pad(told[:, :, self.drivers :], (0, 0, self.drivers, 0))


def rule_of(spec: Options, shape: Shape) -> nn.Module:
    """The module behind a rule."""
    if spec.rule in ("last", "mean"):
        return Constant(shape, of_window=spec.rule == "mean")
    if spec.rule == "calendar":
        return Calendar(shape, spec.slots)
    if spec.rule == "linear":
        return Linear(shape)
    if spec.rule == "linear_own":
        return LinearOwn(shape)
    if spec.lags > shape.window:
        raise LabError(
            f"model.lags: {spec.lags} frames back do not fit in a window of {shape.window}",
            hint="lower model.lags, or raise dataset.window",
        )
    return Rollout(shape, spec.lags, across=spec.rule == "vector_autoregression")


class Spread(nn.Module):
    """A learned deviation for each step."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.raw = nn.Parameter(torch.empty(steps))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Deviations of 1, as scaled values have."""
        nn.init.constant_(self.raw, UNIT)

    def forward(self, values: Tensor) -> Tensor:
        """Means and deviations, [windows, steps, nodes, 2]."""
        stds = functional.softplus(self.raw) + LEAST
        return torch.stack([values, stds[:, None].expand_as(values)], dim=-1)


class Constant(nn.Module):
    """The last value or the mean of the window, with a shift for each step."""

    def __init__(self, shape: Shape, *, of_window: bool) -> None:
        super().__init__()
        self.of_window = of_window
        self.shift = nn.Parameter(torch.empty(shape.horizon))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """No shift."""
        nn.init.zeros_(self.shift)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, steps, nodes] of [windows, frames, nodes, features]."""
        value = x[..., 0].mean(1) if self.of_window else x[:, -1, :, 0]
        return value[:, None] + self.shift[:, None]


class Calendar(nn.Module):
    """A value for each node and time of day, whatever else the window holds."""

    ahead: Tensor

    def __init__(self, shape: Shape, slots: int) -> None:
        super().__init__()
        if not shape.clock:
            raise LabError(
                "model.rule: calendar needs the time of day, which the inputs of these data do not tell",
                hint="take data that tell it, such as traffic with dataset.calendar: time_of_day, or another rule",
            )
        if shape.window < 2:
            raise LabError(
                "model.rule: calendar reads off two frames how the clock goes on, and a window has one",
                hint="raise dataset.window, or take another rule",
            )
        self.clock = shape.clock
        self.register_buffer("ahead", torch.arange(1, shape.horizon + 1), persistent=False)
        self.values = nn.Parameter(torch.empty(slots, shape.nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """The mean of scaled values."""
        nn.init.zeros_(self.values)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, steps, nodes]; the clock goes on as it went between the last two frames."""
        now, before = x[:, -1, 0, self.clock, None], x[:, -2, 0, self.clock, None]
        time = now + self.ahead * ((now - before) % 1.0)
        slots = len(self.values)
        at = ((time % 1.0) * slots + 1e-3).long().clamp(max=slots - 1)
        return functional.embedding(at, self.values)


class Rollout(nn.Module):
    """Each frame as a linear function of the frames before, forecasts among them, of each node or of all."""

    def __init__(self, shape: Shape, lags: int, *, across: bool) -> None:
        super().__init__()
        self.steps, self.lags = shape.horizon, lags
        nodes = shape.nodes
        self.weight = nn.Parameter(torch.empty(lags, nodes, nodes) if across else torch.empty(lags, nodes))
        self.shift = nn.Parameter(torch.empty(nodes))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every frame as the last."""
        with torch.no_grad():
            self.weight.zero_()
            self.weight[0] = torch.eye(self.weight.shape[1]) if self.weight.ndim == 3 else 1.0
            self.shift.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """[windows, steps, nodes] of [windows, frames, nodes, features]."""
        frames = list(x[:, -self.lags :, :, 0].unbind(1))
        term = "lwn,lnm->wm" if self.weight.ndim == 3 else "lwn,ln->wn"
        for _ in range(self.steps):
            before = torch.stack(frames[: -self.lags - 1 : -1])
            frames.append(torch.einsum(term, before, self.weight) + self.shift)
        return torch.stack(frames[-self.steps :], dim=1)


class Linear(nn.Module):
    """All that a window holds, mapped to all that comes of the nodes that are forecast."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.drivers = shape.drivers
        self.sizes = shape.horizon, shape.nodes - shape.drivers
        self.map = nn.Linear(shape.window * shape.nodes * shape.features, self.sizes[0] * self.sizes[1])

    def forward(self, x: Tensor) -> Tensor:
        """[windows, steps, nodes] of [windows, frames, nodes, features]."""
        return functional.pad(self.map(x.flatten(1)).unflatten(-1, self.sizes), (self.drivers, 0))


class LinearOwn(nn.Module):
    """A node's own window, mapped to what comes of it by numbers that all nodes share."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.map = nn.Linear(shape.window * shape.features, shape.horizon)

    def forward(self, x: Tensor) -> Tensor:
        """[windows, steps, nodes] of [windows, frames, nodes, features]."""
        told: Tensor = self.map(x.transpose(1, 2).flatten(2)).transpose(1, 2)
        return told
