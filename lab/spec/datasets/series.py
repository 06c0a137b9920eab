"""What all data sets of series share: the window a model sees, the frames it forecasts, and how time is cut."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lab.spec.datasets.dataset import DatasetSpec
from lab.spec.spec import Factor, factor

Frames = Annotated[int, Field(ge=1, le=10_000)]
Length = Annotated[int, Field(ge=20, le=10_000_000)]
Cut = Literal["70/10/20", "60/20/20", "70/15/15", "80/10/10"]
SplitUnit = Literal["targets", "series", "window"]
Detrend = Literal["none", "moving_average", "savgol_poly"]
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
    detrend: Annotated[Detrend, Factor(off="none")] = "none"
    """A trend of each window's own frames, taken off what a model sees and off what it is to forecast, and given back
    before anything is scored: each frame's mean with those before it (`moving_average`), the last one held on, or one
    polynomial through the whole window (`savgol_poly`), which goes on ever more slowly. Gaps count as the last known
    value. Side inputs stay as they are."""
    detrend_frames: Frames = 12
    """Frames of a moving average; fewer where the window begins."""
    detrend_order: Literal[1, 2] = 1
    """Highest power of the polynomial: a line, or a parabola."""
    detrend_damping: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Each step ahead moves the polynomial's time on by this share of the step before: 1 goes on undamped, 0 holds the
    polynomial's last value. An undamped one, fitted to noise, runs away from the series over a long horizon; one damped
    by 0.9 leaves the window with its slope and never gets further than nine frames ahead."""

    def lines(self, dataset: Any) -> dict[str, float]:
        """What its making tells of the best possible forecast, then what simple forecasts reach."""
        return {**dataset.lines, **super().lines(dataset)}

    @property
    def parts(self) -> tuple[int, int, int]:
        """Percentages of training, validation and test."""
        train, valid, test = (int(each) for each in self.split.split("/"))
        return train, valid, test
