"""Rules on losses and scores: a wrong start, no learning, see-saws between classes, divergence."""

from __future__ import annotations

from typing import ClassVar, Literal

from lab.spec.rules.exact import Above, Count, Share
from lab.spec.rules.gradients import Factor, Positive
from lab.spec.rules.rule import Action, RuleSpec


class InitialLoss(RuleSpec):
    """Fires when the first loss of a classification is far from that of guessing, or a loss is negative (fatal)."""

    kind: Literal["initial_loss"] = "initial_loss"
    code: ClassVar[str] = "lab.records.rules.losses:InitialLossWatch"
    number: ClassVar[str] = "R17"
    reads: ClassVar[str] = "gradients.loss"
    why: ClassVar[str] = "Fresh weights know nothing; sums over neighbours start sound models at up to 14 ln C."
    means: ClassVar[str] = "Logits start too large, the loss is summed instead of averaged, or its sign is turned."
    remedy: ClassVar[str] = "Look at the initial scale of the read-out and at the loss's reduction and sign."
    low: Share = 0.5
    """Smallest first loss, in ln C ..."""
    high: Factor = 30.0
    """... and the largest."""


class NoLearning(RuleSpec):
    """Fires when the training loss has not come below that of knowing the labels' shares alone.

    A model that tells the classes of other graphs apart has learned, whatever its loss. The rule names the best
    accuracy that the graphs allow at the model's depth, where that is known.
    """

    kind: Literal["no_learning"] = "no_learning"
    code: ClassVar[str] = "lab.records.rules.losses:NoLearningWatch"
    number: ClassVar[str] = "R19"
    reads: ClassVar[str] = "gradients.loss"
    why: ClassVar[str] = "A nearly unlearnable task stays just below it, so the margin is thin; it speaks at the end."
    means: ClassVar[str] = "Labels or features are wrong, the optimizer does nothing, or the model cannot express it."
    remedy: ClassVar[str] = "Compare with the best accuracy the graphs allow at this depth; fit one batch first."
    share: Positive = 0.95
    """Of the loss of knowing the labels' shares alone."""
    watch: Share = 0.3
    """Share of the planned steps that a run must have behind it to be judged ..."""
    steps: Count = 100
    """... and how many steps."""


class Seesaw(RuleSpec):
    """Fires when two recalls move against each other from epoch to epoch, or one class takes all for long."""

    kind: Literal["seesaw"] = "seesaw"
    code: ClassVar[str] = "lab.records.rules.classes:SeesawWatch"
    number: ClassVar[str] = "R20"
    reads: ClassVar[str] = "evaluation.recall"
    why: ClassVar[str] = "See-saws in the research notes move recalls by 0.29 to 0.69, sound runs by up to 0.16."
    means: ClassVar[str] = "Steps too large for the border between classes, or class weights out of proportion."
    remedy: ClassVar[str] = "Lower the learning rate, look at norms, and at the weights of the classes."
    move: Share = 0.2
    """A change of recall that counts; two classes must move so, against each other, ..."""
    swings: Count = 3
    """... so many times ..."""
    of: Count = 5
    """... in so many changes in a row."""
    low: Share = 0.1
    """Collapse: one recall lies under this ..."""
    high: Share = 0.9
    """... and another over this ..."""
    evaluations: Count = 5
    """... in so many evaluations in a row."""
    after: Count = 50
    """Steps at the start that are passed over, or a tenth of the planned ones if that is more."""
    apart: Count = 10
    """Steps between two evaluations that count, at least."""


class Divergence(RuleSpec):
    """Fires when the loss rises far above the best it has been."""

    kind: Literal["divergence"] = "divergence"
    code: ClassVar[str] = "lab.records.rules.losses:DivergenceWatch"
    number: ClassVar[str] = "R21"
    reads: ClassVar[str] = "gradients.loss"
    why: ClassVar[str] = (
        "Small losses of sound runs double and come back; to lose half of what was learned is another matter."
    )
    means: ClassVar[str] = "The run has lost what it had learned: mostly steps that are too large."
    remedy: ClassVar[str] = "Look at update/weight and the gradient norm at the step where it began."
    action: Action = "freeze"
    times: Factor = 1.5
    """How many times its best median ..."""
    beyond: Above = 0.1
    """... and by how much more, and ..."""
    lost: Share = 0.5
    """... which share of its way down from the loss of knowing the labels' shares alone ..."""
    steps: Count = 20
    """... the median over so many steps must be."""
    after: Count = 50
    """Steps at the start in which a loss may still do as it likes; the best is taken from them as well."""
