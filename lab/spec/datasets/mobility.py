"""Real mobility between regions, read from a file: which will be joined tomorrow, and how many cases will each have?"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.datasets.dataset import DatasetSpec
from lab.spec.datasets.links import in_time
from lab.spec.datasets.series import Cut, Frames, OfSeries
from lab.spec.spec import Factor, factor

EdgeWeights = Literal["none", "log", "share"]
FILE = "england_covid.json"


class Mobility(DatasetSpec):
    """Daily mobility between 129 regions of England: between which two will there be any tomorrow, and which way?

    The file is PyTorch Geometric Temporal's `england_covid.json`, which is not shipped.
    """

    kind: Literal["mobility"] = "mobility"
    code: ClassVar[str] = "lab.data.links.mobility:mobility"
    known: ClassVar[str] = "lab.data.links.lines:link_lines"
    task: ClassVar[str] = "predict_links"

    path: Annotated[str, Field(min_length=1)] = FILE
    """The file: a path from the project's folder, or a name in the folder that LAB_DATA names."""
    window: Annotated[int, Field(ge=1, le=1000)] = 5
    """Days a model sees; the next one is asked for."""
    features: Annotated[Literal["cases_and_degrees", "cases", "degrees"], factor()] = "cases_and_degrees"
    """What regions carry: the logarithm of their cases, the shares of regions that are reached and that reach them."""
    weights: Annotated[EdgeWeights, Factor(off="none")] = "none"
    """Weights of the edges that a model sees: 1, or how many moved, as it is (`share`) or as a logarithm (`log`), over
    the largest of the training days."""

    def reads(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    def parts(self, days: int) -> dict[str, tuple[int, int]]:
        """First day of each split, and the first one behind it; windows lie in their part whole."""
        return in_time(days, (60, 20, 20))


class MobilityCases(OfSeries):
    """Case counts of 129 regions of England to forecast, over the graph of each day's mobility between them.

    The file is PyTorch Geometric Temporal's `england_covid.json`, which is not shipped.
    """

    kind: Literal["mobility_cases"] = "mobility_cases"
    code: ClassVar[str] = "lab.data.links.mobility:cases"

    path: Annotated[str, Field(min_length=1)] = FILE
    """The file: a path from the project's folder, or a name in the folder that LAB_DATA names."""
    window: Frames = 7
    """Days a model sees."""
    horizon: Frames = 3
    """Days behind them that it forecasts."""
    split: Annotated[Cut, factor()] = "60/20/20"
    """Percentages of the time that go to training, validation and test, one after the other."""
    weights: Annotated[EdgeWeights, Factor(off="none")] = "log"
    """Weights of the edges: 1, or how many moved, as it is (`share`) or as a logarithm (`log`), over the largest of the
    training days."""

    def reads(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)
