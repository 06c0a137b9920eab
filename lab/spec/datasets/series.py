"""What all data sets of series share: the window a model sees, the frames it forecasts, and how time is cut."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lab.spec.datasets.dataset import DatasetSpec
from lab.spec.spec import factor

Frames = Annotated[int, Field(ge=1, le=10_000)]
Length = Annotated[int, Field(ge=20, le=10_000_000)]
Cut = Literal["70/10/20", "60/20/20", "70/15/15", "80/10/10"]
SplitUnit = Literal["targets", "series", "window"]
GraphShown = Literal["hidden", "true", "weighted"]


class OfSeries(DatasetSpec):
    """What the data sets of series over nodes share."""

    task: ClassVar[str] = "forecast"
    known: ClassVar[str] = "lab.data.forecast_baselines:series_lines"

    window: Frames = 12
    """Frames a model sees."""
    horizon: Frames = 12
    """Frames behind them that it forecasts."""
    split: Annotated[Cut, factor()] = "70/10/20"
    """Percentages of the time that go to training, validation and test, one after the other."""
    split_unit: Annotated[SplitUnit, factor()] = "targets"
    """What is cut: frames, such that every window belongs to the part its `targets` lie in and may look back into the
    part before; the `series`, so that windows lie in their part whole; or the list of windows (`window`), as published
    benchmarks do, whose parts then share some frames at their borders, targets among them."""
    stride: Frames = 1
    """Frames from one training window to the next."""
    eval_stride: Frames = 1
    """The same of validation and test windows."""

    def lines(self, dataset: Any) -> dict[str, float]:
        """What its making tells of the best possible forecast, then what simple forecasts reach."""
        return {**dataset.lines, **super().lines(dataset)}

    @property
    def parts(self) -> tuple[int, int, int]:
        """Percentages of training, validation and test."""
        train, valid, test = (int(each) for each in self.split.split("/"))
        return train, valid, test
