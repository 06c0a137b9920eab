"""Series that drive one another along a hidden graph, whose best possible forecast is known in closed form."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from lab.spec.datasets.dataset import Probability
from lab.spec.datasets.series import Frames, GraphShown, Length, OfSeries
from lab.spec.spec import Factor, factor

Preset = Literal["linear", "weak", "graph_driven", "signed", "nonlinear", "large"]
Signs = Literal["preset", "positive", "random"]
Response = Literal["preset", "linear", "tanh"]
Topology = Literal["uniform", "communities", "ring"]
Share = Annotated[float, Field(ge=0, lt=1)]


class Law(NamedTuple):
    """x[t] = own * x[t-1] + coupling * W g(x[t-delay]) + season + noise, as a preset or its changes have it."""

    nodes: int
    degree: int
    own: float
    coupling: float
    signs: Literal["positive", "random"] = "positive"
    response: Literal["linear", "tanh"] = "linear"


PRESETS: dict[Preset, Law] = {
    "linear": Law(20, 3, 0.5, 0.45),
    "weak": Law(20, 3, 0.8, 0.15),
    "graph_driven": Law(20, 3, 0.1, 0.85),
    "signed": Law(20, 3, 0.5, 0.45, signs="random"),
    "nonlinear": Law(20, 3, 0.5, 0.45, response="tanh"),
    "large": Law(50, 4, 0.5, 0.45),
}


class LatentGraphSeries(OfSeries):
    """Autoregression along a random directed graph that models must find: every node listens to a few others."""

    kind: Literal["latent_graph_series"] = "latent_graph_series"
    code: ClassVar[str] = "lab.data.latent_series:latent_graph_series"
    window: Frames = 24
    """Frames a model sees."""
    preset: Annotated[Preset, factor()] = "graph_driven"
    """Nodes, degree and strengths: `graph_driven` hardly remembers itself, `weak` hardly listens, `signed` listens with
    both signs, `nonlinear` through a tanh, `large` has 50 nodes; `linear` is between."""
    nodes: Annotated[int, Field(ge=2, le=2000)] | None = None
    """Series; the preset's when absent."""
    degree: Annotated[int, Field(ge=1, le=1999)] | None = None
    """Nodes that each one listens to; the preset's when absent."""
    own: Share | None = None
    """How much a node keeps of its last value; the preset's when absent."""
    coupling: Share | None = None
    """How much it takes over from those it listens to; the preset's when absent."""
    signs: Annotated[Signs, factor()] = "preset"
    """Signs of the weights along edges: the preset's, all `positive`, or `random`."""
    response: Annotated[Response, factor()] = "preset"
    """What a node hears of another: the preset's, its value (`linear`), or the `tanh` of it."""
    topology: Annotated[Topology, factor()] = "uniform"
    """Whom a node listens to: anyone, mostly its own of four `communities`, or its neighbours on a `ring`."""
    noise: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Standard deviation of the fresh noise of every frame."""
    delay: Annotated[int, Field(ge=1, le=1000)] = 1
    """Frames that word takes from one node to another."""
    season: Annotated[float, Field(ge=0, le=1000)] = 0.0
    """Amplitude of a wave that every node has, each with a phase of its own."""
    period: Annotated[int, Field(ge=2, le=100_000)] = 24
    """Frames of that wave."""
    calendar: Annotated[bool, Factor(off=False)] = False
    """Tell models the phase of the period, as its sine and cosine."""
    switch_every: Annotated[int, Field(ge=0)] = 0
    """Frames after which one graph gives way to another, and back again; 0 for one graph all the time."""
    missing: Probability = 0.0
    """Share of values that are missing; where there are any, series are shifted to be positive and 0 marks them."""
    length: Length = 10_000
    """Frames of the series."""
    graph: Annotated[GraphShown, factor()] = "hidden"
    """The graph that models are given: none (`hidden`), the `true` one, or that with the sizes of its weights."""

    @property
    def law(self) -> Law:
        """The preset with its changes."""
        law = PRESETS[self.preset]
        changes = {name: getattr(self, name) for name in ("nodes", "degree", "own", "coupling")}
        words = {name: getattr(self, name) for name in ("signs", "response")}
        return law._replace(
            **{name: value for name, value in changes.items() if value is not None},
            **{name: value for name, value in words.items() if value != "preset"},
        )

    @model_validator(mode="after")
    def _stays_finite(self) -> Self:
        law = self.law
        if law.degree >= law.nodes:
            raise ValueError(f"degree {law.degree}: of {law.nodes} nodes each can listen to {law.nodes - 1} others")
        if law.own + law.coupling >= 1:
            told = f"own {law.own} and coupling {law.coupling} add up to {law.own + law.coupling:g}"
            raise ValueError(f"{told}; the series stay finite below 1")
        return self
