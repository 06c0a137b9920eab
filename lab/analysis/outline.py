"""A plan's outline, typed: what was meant to be run, which records are held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lab.plan.asked import Asking
from lab.plan.plan import labelled as labelled
from lab.plan.plan import shown as shown
from lab.spec.spec import Level


@dataclass(frozen=True)
class PlannedCell:
    """A cell as the plan tells of it."""

    id: str
    label: str
    levels: Mapping[str, Level]


@dataclass(frozen=True)
class Outline:
    """What was asked, what it is scored by, and every cell and trial that was planned."""

    name: str
    question: str
    file: str
    score: str
    goal: str
    at: str
    final: str | None
    factors: tuple[str, ...]
    reference: str
    base: Mapping[str, Level]
    """The reference's levels, whether or not it is a cell of the plan."""
    cells: Mapping[str, PlannedCell]
    trials: tuple[str, ...]
    notes: tuple[str, ...] = ()
    aliases: tuple[tuple[str, ...], ...] = ()
    """Groups of main effects and interactions ("a", "a x b") that a fraction cannot tell apart."""
    command: str = ""
    """What runs it, or goes on with it."""
    source: str = ""
    """The study file's text."""
    asking: Asking = field(default_factory=Asking)
    """What is claimed, and the rule it is tested by."""

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Read what `Plan.outline` wrote."""
        score = said["score"]
        return cls(
            name=said["name"],
            question=said["question"],
            file=said.get("file", ""),
            score=score["name"],
            goal=score["goal"],
            at=score["at"],
            final=score.get("final"),
            factors=tuple(said["factors"]),
            reference=said["reference"],
            base=said.get("base", {}),
            cells={cell["id"]: PlannedCell(**cell) for cell in said["cells"]},
            trials=tuple(said["trials"]),
            notes=tuple(said.get("notes", ())),
            aliases=tuple(tuple(group) for group in said.get("aliases", ())),
            asking=Asking.of(said.get("claims", {})),
            command=said.get("command", ""),
            source=said.get("source", ""),
        )

    @property
    def metrics(self) -> frozenset[str]:
        """Scores beside the study's own that claims are about."""
        return frozenset(claim.metric for claim in self.asking.claims) - {self.score}

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return 1 if self.goal == "max" else -1

    def told(self, cell: str) -> str:
        """How a cell is told to a reader: its own name, or what it changes about the reference."""
        planned = self.cells[cell]
        if planned.label != labelled(planned.levels):
            return planned.label
        if cell == self.reference:
            return "the base"
        changed = {key: level for key, level in planned.levels.items() if self.base.get(key, level) != level}
        return labelled(changed or planned.levels)


def split_trial(trial: str) -> tuple[str, int, int]:
    """The cell, the seed and the repeat that a trial's id tells of."""
    cell, _, rest = trial.partition("-")
    seed, _, repeat = rest.partition("r")
    return cell, int(seed), int(repeat or 0)
