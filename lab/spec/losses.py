"""The losses there are, what each task and kind of answer may be trained on, and their options."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.errors import choose
from lab.spec.models.model import Answer
from lab.spec.spec import Factor, Spec, factor

Loss = Literal["default", "bce", "focal", "weighted_focal", "mae", "huber", "mse", "nll", "crps", "pinball"]
Entries = Literal["upper", "offdiag", "full"]

_OF_LINKS: tuple[Loss, ...] = ("bce", "focal", "weighted_focal")
_OF_ERRORS: tuple[Loss, ...] = ("mae", "huber", "mse")

LOSSES_OF_TASK: dict[str, dict[Answer, tuple[Loss, ...]]] = {
    "predict_links": {"logits": _OF_LINKS, "probabilities": _OF_LINKS},
    "forecast": {
        "values": _OF_ERRORS,
        "gaussian": ("nll", "crps", *_OF_ERRORS),
        "mixture": ("nll", "crps", *_OF_ERRORS),
        "quantiles": ("pinball", "crps", *_OF_ERRORS),
    },
}
"""Task -> kind of answer -> its losses, the default one first; a task that is not here has one loss only."""


class Focal(Spec):
    """How focal losses weigh the entries of a graph: (1 - p) ** gamma times cross entropy, p being what was given to
    the truth.
    """

    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    """How much less an entry counts the better it is known; 0 counts all alike."""
    alpha: Annotated[Literal["scalar", "class_balanced", "none"], Factor(off="none")] = "scalar"
    """What `focal` multiplies by: `alpha_value` all entries, or links by it and the others by 1 - alpha_value."""
    alpha_value: Annotated[float, Field(gt=0, lt=1)] = 0.25
    """The number behind `alpha`; below one half, `class_balanced` weighs links less than the others."""
    pos_weight: Annotated[
        Literal["batch_ratio", "batch_ratio_safe", "train_constant", "sqrt_train", "none"], Factor(off="none")
    ] = "batch_ratio_safe"
    """What `weighted_focal` weighs links by: others to links in the batch as published, which is not a number where a
    batch has no link; the same, kept between 1/100 and 100; that of the training data, or its root."""


class LinkTerms(Spec):
    """What is added to the loss of links."""

    match: Annotated[Literal["none", "degrees", "density", "both"], Factor(off="none")] = "none"
    """5 times the smooth L1 distance of the degrees, 50 times what the mean probability lacks of 0.15, or both."""
    sparsity: Annotated[float, Field(ge=0)] = 0.0
    """What the mean probability is multiplied by and added."""


SingleClass = Annotated[Literal["skip", "zero", "raise"], factor()]


def loss_of(task: str, answer: Answer, said: Loss) -> Loss:
    """The loss behind `default`, or the one that was said."""
    known = LOSSES_OF_TASK.get(task, {}).get(answer)
    return known[0] if known and said == "default" else said


def unsuited(task: str, answer: Answer, said: Loss) -> str:
    """Why a loss does not suit what a model answers in a task; empty where it does."""
    known = LOSSES_OF_TASK.get(task, {}).get(answer, ())
    if said == "default" or said in known:
        return ""
    if not known:
        return f"training.loss: to {task} has one loss only; leave it at default"
    return f"training.loss: '{said}' is no loss to {task} with, where a model puts out {answer}; {choose(said, known)}"
