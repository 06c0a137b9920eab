"""Baselines: what a score means before any graph network is trained."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from lab.spec.models.model import ModelSpec
from lab.spec.spec import factor

DegreeFeatures = Literal["degree", "standardised", "share", "neighbours"]


class DegreeLogreg(ModelSpec):
    """Logistic regression on the degree alone: the line every score on PATTERN is read against."""

    kind: Literal["degree_logreg"] = "degree_logreg"
    code: ClassVar[str] = "lab.zoo.baselines:DegreeLogreg"
    features: Annotated[DegreeFeatures, factor()] = "share"
    """`degree`, the degree `standardised` inside its graph, its `share` of the nodes (with degree and size),
    or all that with the mean and sum of the `neighbours`' degrees."""
