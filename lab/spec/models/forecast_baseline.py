"""Simple forecasters: what an error means before any graph network is trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.models.model import Answer, ModelSpec
from lab.spec.spec import factor

Rule = Literal["last", "mean", "calendar", "autoregression", "vector_autoregression", "linear", "linear_own"]


class ForecastBaseline(ModelSpec):
    """Forecasts by a rule with few learned numbers, trained by the loop like any model."""

    kind: Literal["forecast_baseline"] = "forecast_baseline"
    code: ClassVar[str] = "lab.zoo.forecast_baseline:ForecastBaseline"
    tasks: ClassVar[tuple[str, ...]] = ("forecast",)
    fixed_nodes: ClassVar[bool] = True
    rule: Annotated[Rule, factor()] = "last"
    """The `last` value or the `mean` of the window, with a learned shift for each step; a learned value for each node
    and time of day (`calendar`); each node's own `autoregression`, or one over all nodes, rolled out step by step;
    a `linear` map of all that the window holds, or one that reads a node's own window and is shared by all nodes
    (`linear_own`). With `training.weight_decay` the linear ones are ridge regressions."""
    answer: Annotated[Literal["values", "gaussian"], factor()] = "values"
    """One number, or a normal density with a learned deviation for each step."""
    lags: Annotated[int, Field(ge=1, le=1000)] = 1
    """Frames that autoregressions look back, at most the window."""
    slots: Annotated[int, Field(ge=1, le=1440)] = 48
    """Times of day that `calendar` tells apart, of data whose inputs tell the time of day."""

    def answers(self, task: str) -> Answer:
        """Numbers, or densities."""
        return self.answer
