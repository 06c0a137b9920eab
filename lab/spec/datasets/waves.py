"""Targets that mix slow waves: how they will go on follows from waves that are seen but never forecast."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.datasets.dataset import Probability
from lab.spec.datasets.series import Cut, Frames, GraphShown, Length, OfSeries
from lab.spec.spec import Factor, factor

Drift = Literal["clip", "reflect", "integrate"]
Mixing = Literal["dense", "sparse"]
Coupling = Literal["static", "switching"]
Noise = Literal["gaussian", "heteroscedastic", "bimodal"]
Covariates = Literal["none", "backward", "central"]


class Waves(OfSeries):
    """Sine waves with drifting amplitude and phase, and targets that are almost linear mixtures of them."""

    kind: Literal["waves"] = "waves"
    code: ClassVar[str] = "lab.data.waves:waves"
    known: ClassVar[str] = "lab.data.forecast_baselines:gaussian_lines"
    window: Frames = 96
    """Frames a model sees."""
    horizon: Frames = 24
    """Frames behind them that it forecasts."""
    split: Annotated[Cut, factor()] = "70/15/15"
    """Percentages of the time that go to training, validation and test, one after the other."""
    waves: Annotated[int, Field(ge=1, le=500)] = 7
    """Waves: the first nodes, which drive the others."""
    targets: Annotated[int, Field(ge=1, le=500)] = 3
    """Series to forecast: the nodes behind them."""
    rows: Length = 4096
    """Frames of the series."""
    drift: Annotated[Drift, factor()] = "clip"
    """How amplitudes and phases wander: stuck at their bounds once beyond them (`clip`), thrown back by them
    (`reflect`), or thrown back and with the wandering taken as a change of frequency (`integrate`)."""
    mixing: Annotated[Mixing, factor()] = "dense"
    """Every target mixes all waves, or a few of them (`sparse`), which makes a graph that can be found."""
    density: Probability = 0.4
    """Chance of a wave to be in a `sparse` mixture; each has at least one."""
    coupling: Annotated[Coupling, factor()] = "static"
    """One mixture all the time, or others after a quarter and after half of it (`switching`)."""
    noise: Annotated[Noise, factor()] = "gaussian"
    """Noise of the targets: small and even, growing with the size of the mixture (`heteroscedastic`), or with a shift
    up or down by a half that is drawn anew every 12 frames (`bimodal`)."""
    covariates: Annotated[Covariates, Factor(off="none")] = "backward"
    """Two side inputs, the change of the mean wave and the variance among half of the waves: from the past only
    (`backward`), or with a look at the next frame (`central`)."""
    graph: Annotated[GraphShown, factor()] = "hidden"
    """The graph that models are given: none (`hidden`), the `true` one, or that with the sizes of its weights."""
