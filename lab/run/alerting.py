"""What a person is told of alerts while a study runs: the first of a rule in a cell in full, the others counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.plan.plan import Plan
from lab.run.events import Alerted
from lab.spec.rules import Finding


@dataclass
class Alerts:
    """Counts the trials in which each rule found something; symptoms that another finding explains are left out."""

    trials: dict[str, set[str]] = field(default_factory=dict)
    """Rule -> trials."""
    _cells: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, event: Alerted, plan: Plan) -> str:
        """The words for an alert; empty where its cell has shown the same before, or another finding explains it."""
        finding, trial = event.finding, event.trial
        if finding.explained_by:
            return ""
        self.trials.setdefault(finding.rule, set()).add(trial.id)
        if (trial.cell.id, finding.rule) in self._cells:
            return ""
        self._cells.add((trial.cell.id, finding.rule))
        return f"{plan.told(trial.cell)} · seed {trial.seed}, {told(finding)}"

    def counted(self) -> str:
        """How many trials show which alerts, the commonest first; empty without any."""
        ordered = sorted(self.trials.items(), key=lambda item: (-len(item[1]), item[0]))
        return ", ".join(f"{rule} in {len(trials)}" for rule, trials in ordered)


def told(finding: Finding) -> str:
    """A finding in one line: where and when, what it says against its threshold, what it means, what to try."""
    against = f", threshold {finding.threshold:.3g}" if finding.threshold is not None else ""
    value = f" ({finding.value:.3g}{against})" if finding.value is not None else ""
    where = f" in {finding.scope}" if finding.scope and not finding.scope.startswith("__") else ""
    head = f"step {finding.step}: {finding.rule}{where}: {finding.says}{value}."
    meaning = f" Likely: {_small(finding.means)}" if finding.means else ""
    return head + meaning + (f" Try: {_small(finding.remedy)}" if finding.remedy else "")


def _small(words: str) -> str:
    """A sentence that goes on behind a colon; a word such as NaN keeps its capitals."""
    first = words.split(" ")[0]
    return words if any(letter.isupper() for letter in first[1:]) else words[:1].lower() + words[1:]
