"""Rules on what modules put out: scale over depth, dead units, saturated gates and heads."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.rules.exact import Count, Share
from lab.spec.rules.gradients import Factor, Positive
from lab.spec.rules.rule import RuleSpec


class ActScale(RuleSpec):
    """Fires when the scale of the blocks' outputs differs widely over depth, or one of them is all but constant."""

    kind: Literal["act_scale"] = "act_scale"
    code: ClassVar[str] = "lab.records.rules.outputs:ScaleWatch"
    number: ClassVar[str] = "R14"
    reads: ClassVar[str] = "activations.depth_gain, activations.std"
    why: ClassVar[str] = "Sound models show gains of 1 to 2.5; message passing without a norm 1e3 to 1e4."
    means: ClassVar[str] = "Nothing holds the scale: sums over many neighbours, no norm, or a wrong initial scale."
    remedy: ClassVar[str] = "Put a norm before the ReLU of the inner layers, or average instead of summing."
    gain: Factor = 30.0
    """Largest deviation of a block's output over the smallest ..."""
    readings: Count = 2
    """... in so many readings in a row."""
    flat: Positive = 1e-4
    """Deviation under which a block counts as constant."""


class DeadUnits(RuleSpec):
    """Fires when most units of a module are dead: no real node of the batch gives them a positive value."""

    kind: Literal["dead_units"] = "dead_units"
    code: ClassVar[str] = "lab.records.rules.outputs:DeadWatch"
    number: ClassVar[str] = "R15"
    reads: ClassVar[str] = "activations.dead_units"
    why: ClassVar[str] = "Narrow layers of sound runs reached 56 %, so it takes more than half, and patience."
    means: ClassVar[str] = "Biases far below zero, or a learning rate that threw units where no gradient is."
    remedy: ClassVar[str] = "Lower the learning rate, look at the initial biases, or try a leaky activation."
    over: Share = 0.7
    """Share of units ..."""
    readings: Count = 4
    """... in so many readings in a row ..."""
    apart: Count = 10
    """... that are so many steps apart."""


class Saturation(RuleSpec):
    """Fires when most gates are shut or wide open, or when a head reads one column where it could read many."""

    kind: Literal["saturation"] = "saturation"
    code: ClassVar[str] = "lab.records.rules.outputs:SaturationWatch"
    number: ClassVar[str] = "R16"
    reads: ClassVar[str] = "activations.sat, attention.n_eff, attention.n_eff_share"
    why: ClassVar[str] = (
        "Gates near their ends hardly learn; GPS as published starts with 54 % of a layer's gates there."
    )
    means: ClassVar[str] = "Logits are too large: a wrong initial bias, or scores that are not scaled."
    remedy: ClassVar[str] = "Start gates near one half, divide scores by the root of the width, or raise a temperature."
    over: Share = 0.8
    """Share of the gates ..."""
    readings: Count = 4
    """... in so many readings in a row ..."""
    apart: Count = 10
    """... that are so many steps apart; of heads every reading counts."""
    columns: Annotated[float, Field(ge=1)] = 1.1
    """Effective columns under which a head counts as collapsed ..."""
    spread: Share = 0.25
    """... if that is less than this share of what it may read."""
