"""Traffic on a road network: published files in their own formats, and a generator with the same layout."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from lab.spec.datasets.dataset import Probability
from lab.spec.datasets.series import OfSeries
from lab.spec.spec import Factor, factor

Calendar = Literal["none", "time_of_day", "time_and_day"]
Scaler = Literal["global", "per_node"]
Impute = Literal["none", "forward_fill", "mean", "mask_channel"]
Edges = Literal["none", "weighted", "binary"]


class OfTraffic(OfSeries):
    """What the data sets of traffic share."""

    calendar: Annotated[Calendar, Factor(off="none")] = "time_of_day"
    """Side inputs: nothing, the time of day from 0 to 1, or that and the day of the week by sevenths."""
    scaler: Annotated[Scaler, factor()] = "global"
    """Values are scaled by the mean and deviation of all training values, or of each node's own (`per_node`)."""
    scaler_mask: Annotated[bool, Factor(off=False)] = True
    """Leave missing values out of that mean and deviation."""
    input_impute: Annotated[Impute, Factor(off="none")] = "none"
    """What models see of a missing value: what marks it (`none`), the last known value, the node's training mean, or
    what marks it with another input that tells known from missing (`mask_channel`). Targets stay missing."""
    missing_value: float | None = 0.0
    """The value that marks a missing one; empty where every value counts."""
    edges: Annotated[Edges, Factor(off="none")] = "weighted"
    """Edges of the road network: none, with the weights of a matrix or a Gaussian kernel of distances (`weighted`), or
    with weight 1 (`binary`)."""
    threshold: Probability = 0.1
    """Least weight that a kernel of distances gives to an edge; what has less is dropped."""
    symmetric: Annotated[bool, factor()] = False
    """Let every edge lead both ways."""


class Traffic(OfTraffic):
    """Detector readings from a file: METR-LA and PEMS-BAY (HDF5), PEMS04 and PEMS08 (npz), or a table (CSV)."""

    kind: Literal["traffic"] = "traffic"
    code: ClassVar[str] = "lab.data.traffic.traffic:traffic"
    path: str
    """Readings, relative to the project or to the folder LAB_DATA: HDF5 as pandas writes it, npz with `data`
    [frames, nodes, channels], or CSV with one column a node."""
    graph_path: str | None = None
    """Road network: pickle [ids, places, matrix], CSV of edges (from, to, cost), or CSV, npy or npz of a matrix."""
    channel: Annotated[int, Field(ge=0, le=100)] = 0
    """Which channel of an npz is forecast."""
    start: str | None = None
    """First day and time of files that do not tell it, such as 2018-01-01 or 2018-01-01 06:30."""
    minutes: Annotated[int, Field(ge=1, le=1440)] = 5
    """Minutes from one frame to the next, where the file does not tell."""

    @field_validator("start")
    @classmethod
    def _start_is_a_day(cls, said: str | None) -> str | None:
        if said is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?", said):
            raise ValueError(f"'{said}' is no day; write it like 2018-01-01 or 2018-01-01 06:30")
        return said

    def reads(self) -> tuple[str, ...]:
        """The files it is read from."""
        return (self.path,) if self.graph_path is None else (self.path, self.graph_path)


class TrafficLike(OfTraffic):
    """Made-up traffic with the layout of the published files: a daily profile, rush hours, broken detectors."""

    kind: Literal["traffic_like"] = "traffic_like"
    code: ClassVar[str] = "lab.data.traffic.like:traffic_like"
    nodes: Annotated[int, Field(ge=2, le=2000)] = 20
    """Detectors."""
    days: Annotated[int, Field(ge=1, le=1000)] = 10
    """Days of 288 frames of five minutes."""
    missing: Probability = 0.08
    """Share of readings that are missing, in stretches."""
