"""Causes: which finding explains which, so that one fault has one headline and not ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lab.spec.rules import Finding

LATEST = 30
"""Steps that a cause may fire after its symptom and still explain it."""
OF_THE_WHOLE = frozenset({"no_learning"})
"""Causes that speak of a whole run, at its end, and so explain what came at any time."""
TRAINING = (
    "grad_spike", "grad_growth", "vanishing", "act_scale", "dead_units", "saturation", "no_learning", "seesaw",
    "divergence", "grad_weight_band",
)  # fmt: skip
"""What any deep trouble shows as, sooner or later."""
SYMPTOMS: dict[str, tuple[str, ...]] = {
    "masked_row": ("nonfinite", *TRAINING),
    "attention_form": TRAINING,
    "padding_leak": TRAINING,
    "cross_graph": TRAINING,
    "double_softmax": TRAINING,
    "nonfinite": TRAINING,
    "stale_grad": TRAINING,
    "mode_and_input": ("initial_loss", "nonfinite", "no_gradient", "update_low", *TRAINING),
    "update_high": ("nonfinite", *TRAINING),
    "initial_loss": ("nonfinite", *TRAINING),
    "act_scale": ("initial_loss", "nonfinite", "no_gradient", *TRAINING),
    "no_gradient": ("update_low", "vanishing", "grad_weight_band"),
    "update_low": ("no_learning", "seesaw", "grad_weight_band"),
    "vanishing": ("dead_units", "update_low", "no_learning", "seesaw", "grad_weight_band"),
    "dead_units": ("no_gradient", "vanishing", "grad_weight_band"),
    "saturation": (
        "no_gradient",
        "vanishing",
        "dead_units",
        "grad_spike",
        "grad_growth",
        "seesaw",
        "grad_weight_band",
    ),
    "grad_spike": ("seesaw", "divergence"),
    "divergence": ("dead_units", "saturation", "no_learning", "seesaw"),
    "no_learning": ("seesaw",),
}
"""Rule -> the rules whose findings it explains; what is certain explains what is only unlikely."""
RANK = (
    "mode_and_input", "masked_row", "attention_form", "padding_leak", "cross_graph", "nonfinite", "stale_grad",
    "double_softmax", "update_high", "act_scale", "initial_loss", "dead_units", "no_gradient", "vanishing",
    "update_low", "grad_spike", "grad_growth", "divergence", "saturation", "no_learning", "seesaw",
    "grad_weight_band",
)  # fmt: skip
"""The deeper cause first: where several would explain a finding, and where two would explain each other."""


def explained(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings, each naming the rule that explains it if there is one."""
    first: dict[str, int] = {}
    for finding in findings:
        if finding.level != "info":
            first[finding.rule] = min(finding.step, first.get(finding.rule, finding.step))
    causes = _causes(first)
    return tuple(
        replace(finding, explained_by="" if finding.level == "info" else causes.get(finding.rule, ""))
        for finding in findings
    )


def rank(rule: str) -> int:
    """How deep a cause a rule tells of; rules of one's own come last."""
    return RANK.index(rule) if rule in RANK else len(RANK)


def _causes(first: dict[str, int]) -> dict[str, str]:
    """Symptom -> cause, without circles: the shallowest symptoms are explained first."""
    causes: dict[str, str] = {}
    for rule in sorted(first, key=rank, reverse=True):
        able = [cause for cause in first if rule in SYMPTOMS.get(cause, ()) and cause != rule]
        able = [cause for cause in able if cause in OF_THE_WHOLE or first[cause] <= first[rule] + LATEST]
        able = [cause for cause in able if rule not in _chain(cause, causes)]
        if able:
            causes[rule] = min(able, key=rank)
    return causes


def _chain(rule: str, causes: dict[str, str]) -> set[str]:
    """The causes behind a rule."""
    seen: set[str] = set()
    while rule in causes and rule not in seen:
        seen.add(rule)
        rule = causes[rule]
    return seen | {rule}
