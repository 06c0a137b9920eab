"""The menu of rules: what series of readings mean. Rules are pure, so old records can be judged again."""

from lab.spec.rules.activations import ActScale, DeadUnits, Saturation
from lab.spec.rules.exact import (
    AttentionForm,
    CrossGraph,
    DoubleSoftmax,
    MaskedRow,
    ModeAndInput,
    Nonfinite,
    PaddingLeak,
    StaleGrad,
)
from lab.spec.rules.gradients import (
    GradGrowth,
    GradSpike,
    GradWeightBand,
    NoGradient,
    UpdateHigh,
    UpdateLow,
    Vanishing,
)
from lab.spec.rules.rule import Action, Finding, RuleSpec, Series, Severity
from lab.spec.rules.scores import Divergence, InitialLoss, NoLearning, Seesaw
from lab.spec.rules.which import Rules, house_rules

__all__ = [
    "ActScale",
    "Action",
    "AttentionForm",
    "CrossGraph",
    "DeadUnits",
    "Divergence",
    "DoubleSoftmax",
    "Finding",
    "GradGrowth",
    "GradSpike",
    "GradWeightBand",
    "InitialLoss",
    "MaskedRow",
    "ModeAndInput",
    "NoGradient",
    "NoLearning",
    "Nonfinite",
    "PaddingLeak",
    "RuleSpec",
    "Rules",
    "Saturation",
    "Seesaw",
    "Series",
    "Severity",
    "StaleGrad",
    "UpdateHigh",
    "UpdateLow",
    "Vanishing",
    "house_rules",
]
