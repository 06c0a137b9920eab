"""The menu of probes: what is measured while a model trains. Measuring changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from lab.errors import choose
from lab.spec.spec import Family

Moment = Literal["after_backward", "after_step", "after_epoch", "before_step", "in_forward", "after_scoring"]
"""When a probe reads; `read(model)` of a plug-in is called at one of the first three."""
Cost = Literal["cheap", "moderate", "costly"]
Level = Literal["off", "light", "normal", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)


class ProbeSpec(Family):
    """A measurement. A plug-in overrides `read(model)`, which yields (scope, 0-d tensor) at its moment."""

    noun: ClassVar[str] = "probe"
    moment: ClassVar[Moment] = "after_backward"
    cost: ClassVar[Cost] = "cheap"

    every: Annotated[int, Field(ge=1)] = 1
    """Steps (or epochs, for a probe that reads after an epoch) between two readings."""

    def read(self, model: Any) -> Any:
        """Yield (scope, 0-d tensor) pairs; the loop copies them to the host, never this method."""
        raise NotImplementedError(f"{type(self).__name__} neither overrides read nor names its code")


class Gradients(ProbeSpec):
    """Gradient, weight and update norms of every parameter, with their ratios, zeros and non-finite values."""

    kind: Literal["gradients"] = "gradients"
    code: ClassVar[str] = "lab.probes.gradients:GradientProbe"
    moment: ClassVar[Moment] = "after_step"
    zeros_every: Annotated[int, Field(ge=1)] = 10
    """Readings between two counts of exact zeros, the one costly part."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""


class Activations(ProbeSpec):
    """Scale, dead units, saturation and padding of what blocks, norms, ReLUs, gates and the read-out put out."""

    kind: Literal["activations"] = "activations"
    code: ClassVar[str] = "lab.probes.activations:ActivationProbe"
    moment: ClassVar[Moment] = "in_forward"
    cost: ClassVar[Cost] = "moderate"
    every: Annotated[int, Field(ge=1)] = 10
    """Steps between two readings, at least; the first 20 steps are all read."""
    max_overhead: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Share of a step that readings may take; where the first 20 steps show them to cost more, they are made rarer."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""


class Attention(ProbeSpec):
    """How many nodes a head reads in effect; rows that do not sum to 1, weight on what is masked, rows with no key."""

    kind: Literal["attention"] = "attention"
    code: ClassVar[str] = "lab.probes.attention:AttentionProbe"
    moment: ClassVar[Moment] = "in_forward"
    cost: ClassVar[Cost] = "moderate"
    every: Annotated[int, Field(ge=1)] = 10
    """Steps between two readings, at least; the first 20 steps are all read."""
    graphs: Annotated[int, Field(ge=1)] = 4
    """Graphs of the batch whose weights are looked at; rows without a key are counted in all of them."""
    max_overhead: Annotated[float, Field(gt=0, le=1)] = 0.02
    """Share of a step that readings may take; where the first 20 steps show them to cost more, they are made rarer."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""


class Padding(ProbeSpec):
    """Change of real nodes when noise replaces padding or the other graphs: a check on one batch before an epoch."""

    kind: Literal["padding"] = "padding"
    code: ClassVar[str] = "lab.probes.padding:PaddingProbe"
    moment: ClassVar[Moment] = "before_step"
    cost: ClassVar[Cost] = "moderate"
    exact: ClassVar[bool] = True
    every: Annotated[int, Field(ge=1)] = 1
    """Epochs between two checks."""
    graphs: Annotated[int, Field(ge=2)] = 4
    """Graphs of the batch that are looked at, those with the most padding."""


class Inputs(ProbeSpec):
    """Scale of the input, mode of the model, outputs that look like probabilities, batches of a single node."""

    kind: Literal["inputs"] = "inputs"
    code: ClassVar[str] = "lab.probes.inputs:InputProbe"
    moment: ClassVar[Moment] = "in_forward"
    every: Annotated[int, Field(ge=1)] = 10
    """Steps between two readings; the first 20 steps are all read."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""


class Evaluation(ProbeSpec):
    """Recall and chosen share of every class on the validation graphs, and the loss against that of knowing nothing."""

    kind: Literal["evaluation"] = "evaluation"
    code: ClassVar[str] = "lab.probes.evaluation:EvaluationProbe"
    moment: ClassVar[Moment] = "after_scoring"
    exact: ClassVar[bool] = True
    every: Annotated[int, Field(ge=1)] = 1
    """Epochs between two readings."""


class Noise(ProbeSpec):
    """Gradient noise scale, told from the batches an update accumulates; `training.accumulate` must be 2 or more."""

    kind: Literal["noise"] = "noise"
    code: ClassVar[str] = "lab.probes.noise:NoiseProbe"
    moment: ClassVar[Moment] = "after_backward"
    memory: Annotated[float, Field(ge=0, lt=1)] = 0.95
    """Weight of the past in the running means of signal and noise."""
    exact: bool = False
    """Keep every reading of a long run instead of thinning it to the first steps and 50-step summaries."""


def at_level(level: Level) -> tuple[ProbeSpec, ...]:
    """The probes that a word stands for."""
    if level == "off":
        return ()
    if level == "light":
        return Gradients(), Inputs(), Evaluation()
    if level == "normal":
        return *at_level("light"), Activations(), Attention(), Padding()
    return (
        Gradients(exact=True),
        Inputs(every=1, exact=True),
        Evaluation(),
        Activations(every=1, max_overhead=0.05, exact=True),
        Attention(every=1, max_overhead=0.05, exact=True),
        Padding(),
        Noise(exact=True),
    )


def level_of(probes: tuple[ProbeSpec, ...]) -> Level | None:
    """The word that stands for these probes, if there is one."""
    return next((level for level in LEVELS if at_level(level) == probes), None)


def _spelled_out(said: Any) -> Any:
    """A level, alone or as an item of the list, opened into its probes; one that is written out replaces its own."""
    if isinstance(said, str):
        return _opened(said)
    if not isinstance(said, (list, tuple)):
        return said
    written = {_kind_of(item) for item in said if not isinstance(item, str)}
    opened = [probe for item in said if isinstance(item, str) for probe in _opened(item)]
    own = [probe for probe in opened if _kind_of(probe) not in written]
    return [*own, *(item for item in said if not isinstance(item, str))]


def _kind_of(item: Any) -> str:
    """The kind an item names, if it is a probe at all."""
    return str(item.get("kind") if isinstance(item, Mapping) else getattr(item, "kind", ""))


def _opened(word: str) -> tuple[ProbeSpec, ...]:
    level = next((level for level in LEVELS if level == word), None)
    if level is None:
        hint = f"write [{{kind: {word}}}]" if word in ProbeSpec.members else choose(word, LEVELS)
        raise ValueError(f"'{word}' is not a level of probes; {hint}")
    return at_level(level)


Probes = Annotated[tuple[ProbeSpec, ...], BeforeValidator(_spelled_out)]
"""Probes as a file may say them: a level, or a list of probes, in which a level stands for its own."""
