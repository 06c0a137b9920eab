"""Rules on what is exactly wrong, whatever the data: broken numbers, masks, padding, modes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lab.spec.rules.rule import Action, RuleSpec, Severity

Share = Annotated[float, Field(ge=0, le=1)]
Above = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Nonfinite(RuleSpec):
    """Fires on a loss, a gradient or a module's output that is NaN or infinite.

    It names where the first such number was made, and whether it reached the loss (fatal) or was contained (warn).
    """

    kind: Literal["nonfinite"] = "nonfinite"
    code: ClassVar[str] = "lab.records.rules.finite:NonfiniteWatch"
    number: ClassVar[str] = "R1"
    reads: ClassVar[str] = "gradients.nonfinite, gradients.loss, activations.nonfinite"
    why: ClassVar[str] = "Nothing is tolerated: a run that contains its NaN can reach a normal score all the same."
    means: ClassVar[str] = "A division by zero, an overflow, or a row whose columns are all masked."
    remedy: ClassVar[str] = "Replay the step and look at the first module that is named and at the graphs of its batch."
    level: Severity = "fatal"
    action: Action = "freeze"


class MaskedRow(RuleSpec):
    """Fires when an attention row may read no column at all, counted from the mask and not from the output."""

    kind: Literal["masked_row"] = "masked_row"
    code: ClassVar[str] = "lab.records.rules.attention:MaskedRowWatch"
    number: ClassVar[str] = "R2"
    reads: ClassVar[str] = "attention.masked_rows, attention.masked_padding"
    why: ClassVar[str] = "Exact: softmax answers such a row with NaN, other kernels with silent zeros."
    means: ClassVar[str] = "Isolated nodes under a mask without self-loops; their outputs are undefined."
    remedy: ClassVar[str] = "Add self-loops to the mask, or skip such rows; never average over them."
    level: Severity = "fatal"
    action: Action = "freeze"
    padding: bool = False
    """Also warn of rows of padding, which matter to nobody while they are finite and nothing reads them."""


class AttentionForm(RuleSpec):
    """Fires when rows of a softmax attention do not sum to one, or when weight lies on masked columns."""

    kind: Literal["attention_form"] = "attention_form"
    code: ClassVar[str] = "lab.records.rules.attention:AttentionFormWatch"
    number: ClassVar[str] = "R3"
    reads: ClassVar[str] = "attention.row_err, attention.mask_leak"
    why: ClassVar[str] = "The error of a float32 softmax is about 1e-6; a thousand times that is no rounding."
    means: ClassVar[str] = "The softmax runs over the wrong axis, or the mask is broadcast or filled wrongly."
    remedy: ClassVar[str] = "Check the softmax's dim and the shape of the mask; fill masked logits with -inf."
    level: Severity = "fatal"
    action: Action = "freeze"
    row: Above = 1e-3
    """Largest error of a row's sum."""
    leak: Above = 1e-4
    """Largest weight of a row on masked columns together."""


class PaddingLeak(RuleSpec):
    """Fires when noise in the padding changes the outputs of real nodes, or gradients flow into padding.

    It names the first block where the change shows.
    """

    kind: Literal["padding_leak"] = "padding_leak"
    code: ClassVar[str] = "lab.records.rules.padding:PaddingWatch"
    number: ClassVar[str] = "R4"
    reads: ClassVar[str] = "padding.inv_pad, padding.inv_pad_train, activations.pad_grad"
    why: ClassVar[str] = "The invariance is exact; 1e-3 leaves room for another order of summation."
    means: ClassVar[str] = "Padding takes part: in attention, in pooling, or in the statistics of a norm."
    remedy: ClassVar[str] = (
        "Mask before the norm and before pooling; when only training mode leaks, look at batch norm."
    )
    level: Severity = "fatal"
    over: Above = 1e-3
    """Relative change of real nodes' outputs."""


class CrossGraph(RuleSpec):
    """Fires when the outputs of a graph change with the other graphs of its batch, in evaluation mode."""

    kind: Literal["cross_graph"] = "cross_graph"
    code: ClassVar[str] = "lab.records.rules.padding:CrossGraphWatch"
    number: ClassVar[str] = "R5"
    reads: ClassVar[str] = "padding.inv_graph"
    why: ClassVar[str] = "The invariance is exact; 1e-3 leaves room for another order of summation."
    means: ClassVar[str] = "A wrong reshape, or a pooling or norm over the whole batch."
    remedy: ClassVar[str] = "Look at the block that is named: keep the batch axis apart from the nodes."
    level: Severity = "fatal"
    over: Above = 1e-3
    """Relative change of a graph's outputs."""


class StaleGrad(RuleSpec):
    """Fires when gradients of the last step are still there when the next backward pass begins."""

    kind: Literal["stale_grad"] = "stale_grad"
    code: ClassVar[str] = "lab.records.rules.moving:StaleWatch"
    number: ClassVar[str] = "R6"
    reads: ClassVar[str] = "gradients.stale"
    why: ClassVar[str] = "Exact; accumulation is no such case, since no step lies between its batches."
    means: ClassVar[str] = "Gradients are never set to zero, so each step follows the sum of all steps before."
    remedy: ClassVar[str] = "Call zero_grad between two steps."
    level: Severity = "fatal"
    steps: Count = 10
    """Steps that must show it ..."""
    of: Count = 20
    """... of so many in a row."""


class DoubleSoftmax(RuleSpec):
    """Fires when what cross entropy is given are probabilities: rows in [0, 1] that sum to one."""

    kind: Literal["double_softmax"] = "double_softmax"
    code: ClassVar[str] = "lab.records.rules.feeding:DoubleSoftmaxWatch"
    number: ClassVar[str] = "R18"
    reads: ClassVar[str] = "inputs.like_probabilities"
    why: ClassVar[str] = "Logits sum to one by no accident; with two classes the loss could not fall below 0.31."
    means: ClassVar[str] = "The model ends in a softmax and cross entropy takes another."
    remedy: ClassVar[str] = "Pass logits to the loss."
    level: Severity = "fatal"
    share: Share = 0.99
    """Share of the rows that must look like probabilities."""
    readings: Count = 2
    """Readings in a row."""


class ModeAndInput(RuleSpec):
    """Fires on a training step in evaluation mode, constant or huge inputs, and a batch norm over one node."""

    kind: Literal["mode_and_input"] = "mode_and_input"
    code: ClassVar[str] = "lab.records.rules.feeding:ModeAndInputWatch"
    number: ClassVar[str] = "R22"
    reads: ClassVar[str] = "inputs.training, inputs.input_std, inputs.input_max, inputs.bn_single"
    why: ClassVar[str] = "Exact but for the size of inputs, which is never fatal."
    means: ClassVar[str] = (
        "The model is not in training mode, or the features carry no information or no sensible scale."
    )
    remedy: ClassVar[str] = "Call train() before the step; look at how features are loaded and scale them."
    level: Severity = "fatal"
    largest: Annotated[float, Field(gt=0)] = 100.0
    """Largest absolute input that needs no scaling; beyond it is information ..."""
    huge: Annotated[float, Field(gt=0)] = 1000.0
    """... and beyond this a warning."""
    readings: Count = 2
    """Readings in a row."""
