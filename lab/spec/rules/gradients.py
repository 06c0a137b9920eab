"""Rules on gradients and updates: what does not move, moves too much, or fades on its way down."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.rules.exact import Count, Share
from lab.spec.rules.rule import Action, RuleSpec

Positive = Annotated[float, Field(gt=0)]
Factor = Annotated[float, Field(gt=1)]


class NoGradient(RuleSpec):
    """Fires when a parameter gets no gradient at all, or gets one and never moves while others do.

    Declared freezes stay silent, and so do parameters whose gradient the model knows to be zero by construction.
    """

    kind: Literal["no_gradient"] = "no_gradient"
    code: ClassVar[str] = "lab.records.rules.moving:NoGradientWatch"
    number: ClassVar[str] = "R7"
    reads: ClassVar[str] = "gradients.grad_norm, gradients.update_norm, gradients.update_weight"
    why: ClassVar[str] = "Adam moves every parameter that is used, within a few steps."
    means: ClassVar[str] = "A detached tensor, a branch that nothing reads, or parameters outside the optimizer."
    remedy: ClassVar[str] = "Follow the named parameters through forward; freeze on purpose with requires_grad = False."
    steps: Count = 20
    """Steps in a row."""


class UpdateHigh(RuleSpec):
    """Fires when the median update/weight of the matrices is far too high: at once, or for a while.

    A linear model, which has one matrix, is left alone.
    """

    kind: Literal["update_high"] = "update_high"
    code: ClassVar[str] = "lab.records.rules.updates:UpdateHighWatch"
    number: ClassVar[str] = "R8"
    reads: ClassVar[str] = "gradients.update_weight"
    why: ClassVar[str] = "Sound runs lie between 3e-5 and 5e-3 over learning rates from 3e-4 to 5e-3, mostly near 1e-3."
    means: ClassVar[str] = "The learning rate is too high for these weights: each step rewrites them."
    remedy: ClassVar[str] = "Lower the learning rate, warm it up, or clip gradients."
    action: Action = "freeze"
    over: Positive = 0.2
    """Too high at once ..."""
    steps: Count = 3
    """... in so many steps in a row."""
    lasting: Positive = 0.05
    """Too high as a median ..."""
    lasting_steps: Count = 20
    """... over so many steps."""


class UpdateLow(RuleSpec):
    """Fires when the median update/weight of the matrices stays tiny, or many matrices move less than float32 shows.

    Steps whose scheduled learning rate is under a hundredth of its peak are passed over.
    """

    kind: Literal["update_low"] = "update_low"
    code: ClassVar[str] = "lab.records.rules.updates:UpdateLowWatch"
    number: ClassVar[str] = "R9"
    reads: ClassVar[str] = "gradients.update_weight, gradients.lr"
    why: ClassVar[str] = "The tail of a cosine schedule reaches 3e-5 in sound runs and must pass."
    means: ClassVar[str] = "The learning rate is far too low, or weights are kept in too few bits."
    remedy: ClassVar[str] = "Raise the learning rate; keep weights in float32."
    under: Positive = 1e-5
    """Too low as a median ..."""
    steps: Count = 20
    """... of a window of so many steps ..."""
    windows: Count = 3
    """... in so many windows in a row."""
    lowest_lr: Share = 0.01
    """Share of the peak learning rate under which steps are passed over."""


class GradWeightBand(RuleSpec):
    """Fires when the median grad/weight of the matrices is far outside its band.

    That it is outside at all, and that a single tensor's has risen far, is told as information.
    """

    kind: Literal["grad_weight_band"] = "grad_weight_band"
    code: ClassVar[str] = "lab.records.rules.bands:BandWatch"
    number: ClassVar[str] = "R10"
    reads: ClassVar[str] = "gradients.grad_weight"
    why: ClassVar[str] = (
        "Medians of sound runs lie in 5e-3 .. 7e-2, of tiny models up to 0.2; single tensors spread far wider."
    )
    means: ClassVar[str] = "Gradients and weights are out of proportion: norm placement or initialisation."
    remedy: ClassVar[str] = "Look at the map of ratios for the layers that differ; mind norms and initial scales."
    low: Positive = 1e-3
    """The band begins here ..."""
    high: Positive = 1e-1
    """... and ends here."""
    far: Factor = 10.0
    """Times beyond either end that make it an alert."""
    steps: Count = 50
    """Steps in a row outside."""
    drift: Factor = 10.0
    """How many times a tensor may rise over its own median of steps 50 to 150."""


class GradSpike(RuleSpec):
    """Fires when the total gradient norm jumps far out of what it was in the steps before."""

    kind: Literal["grad_spike"] = "grad_spike"
    code: ClassVar[str] = "lab.records.rules.bands:SpikeWatch"
    number: ClassVar[str] = "R11"
    reads: ClassVar[str] = "gradients.total_norm"
    why: ClassVar[str] = "Rules that skip a step act at 3 to 6 deviations; this one only speaks, so it may wait for 8."
    means: ClassVar[str] = "One batch, or one graph in it, is unlike the others; or the run is about to blow up."
    remedy: ClassVar[str] = "Replay the step without single graphs of its batch, look at them, or clip gradients."
    action: Action = "freeze"
    z: Positive = 8.0
    """Robust deviations of log10 of the norm."""
    times: Factor = 10.0
    """It must also be so many times the median."""
    window: Annotated[int, Field(ge=5)] = 50
    """Steps it is compared with."""


class GradGrowth(RuleSpec):
    """Fires when the total gradient norm has grown far beyond its smallest value so far, however slowly."""

    kind: Literal["grad_growth"] = "grad_growth"
    code: ClassVar[str] = "lab.records.rules.bands:GrowthWatch"
    number: ClassVar[str] = "R12"
    reads: ClassVar[str] = "gradients.total_norm"
    why: ClassVar[str] = "A blow-up over many steps is one that no comparison with the last steps sees."
    means: ClassVar[str] = "A slow blow-up: gradients started small and keep rising."
    remedy: ClassVar[str] = "Look at the first block that grows: initial gates, norms, the learning rate."
    action: Action = "freeze"
    times: Factor = 30.0
    """How many times its smallest median so far ..."""
    steps: Count = 20
    """... the median over so many steps must be."""
    after: Count = 50
    """Steps at the start that are passed over: gradients settle in them."""


class Vanishing(RuleSpec):
    """Fires when gradients fade from block to block in the first steps, or stay next to nothing anywhere.

    Biases under the floor are told as information: what shifts all of a softmax or a norm has none.
    """

    kind: Literal["vanishing"] = "vanishing"
    code: ClassVar[str] = "lab.records.rules.vanishing:VanishingWatch"
    number: ClassVar[str] = "R13"
    reads: ClassVar[str] = "gradients.grad_norm"
    why: ClassVar[str] = "A thousandth between two blocks is what others take, too; norms under 1e-7 are rounding."
    means: ClassVar[str] = "Depth without residuals or norms, saturated gates, or too small initial weights."
    remedy: ClassVar[str] = "Add a residual or a norm, or raise the initial scale of the block that is named."
    floor: Positive = 1e-7
    """The norm under which a gradient counts as vanished."""
    readings: Count = 20
    """How many readings in a row must lie under it."""
    ratio: Share = 1e-3
    """Smallest block to largest, over matrices; layers with numbers are compared among themselves."""
    start: Annotated[int, Field(ge=0)] = 5
    """The first step at which blocks are compared ..."""
    stop: Annotated[int, Field(ge=1)] = 25
    """... and the last."""
