"""The page on the rules, written from their specs and from the table of causes."""

from __future__ import annotations

from collections.abc import Iterator

from lab.records.rules.causes import LATEST, SYMPTOMS
from lab.spec.rules import RuleSpec, house_rules
from lab.spec.spec import fields_of
from lab.spec.words import choices_text, default_text

HEAD = f"""# Rules: what is watched while a model trains

Written from the rules themselves: python docs/make_rules.py.

Every run is watched by the rules below, as far as its probes read what they judge. A rule says at which step, in which
tensor or module, by which value against which threshold, what that likely means, and what to try: live in the terminal,
in MLflow (tags `lab.health`, `lab.alerts`, `lab.first_alert_step`, curve `health/alerts`), in the record and in the
report, which names the levels that alerts are confined to.

## Which rules, and what they do

```yaml
rules: all                                   # the default; off for none
rules: [no_gradient, {{kind: grad_spike, z: 6}}]  # these and no others
rules: [all, {{kind: stall, steps: 50}}]        # all, and one of a plug-in
rules: {{seesaw: off, update_high: {{over: 0.3, action: stop}}}}  # all, with changes; rules of plug-ins are added so
```

The same words stand in an experiment, in a study and in a study's profile, which merges a mapping key by key. `level`
is `info`, `warn` or `fatal`; a run with a fatal finding is broken. `action` is `note`, `freeze` (the flight recorder
keeps the last steps for a replay) or `stop` (the trial ends as `stopped`, and its record names the rule and the step).
Rules change nothing in a run that they do not stop, so they are no part of what decides a cell.

What a rule finds in the readings of one flush is acted on at the next, or when the epoch ends, whatever the machine's
speed. Stored readings can be judged again by the same rules; of long runs they are thinned, and a 50-step window then
counts as 50 readings of its median.

Parameters that are declared frozen, and those whose gradient the model knows to be zero by construction, are exempt.

## Causes and symptoms

One fault trips many rules. A finding is shown as explained by another when that fired no later than {LATEST} steps
after it and the table below names it as a cause; it is then no headline, nor does it freeze anything.
"""


def rules_page() -> str:
    """All rules of the house, each with its condition, options, reason, meaning and remedy."""
    rules = house_rules()
    causes = ["| rule | explains |", "|---|---|"]
    causes += [f"| {kind} | {', '.join(symptoms)} |" for kind, symptoms in SYMPTOMS.items()]
    parts = [HEAD + "\n" + "\n".join(causes), "## The rules"]
    parts += ["\n".join(_rule(kind, rule)) for kind, rule in rules.items()]
    return "\n\n".join(parts) + "\n"


def _rule(kind: str, rule: type[RuleSpec]) -> Iterator[str]:
    yield f"### {rule.number} {kind}"
    yield ""
    yield " ".join((rule.__doc__ or "").split())
    yield ""
    for head, text in (("Reads", f"`{rule.reads}`"), ("Why", rule.why), ("Likely", rule.means), ("Try", rule.remedy)):
        yield f"- **{head}**: {text}"
    yield ""
    yield "| option | choices | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in fields_of(rule):
        if name != "kind":
            meaning = " ".join((field.description or "").split())
            choices = choices_text(field).replace("|", "\\|")
            yield f"| {name} | {choices} | {default_text(field)} | {meaning} |"
