"""Drafts -> cells: what is allowed is validated once and kept once, and every mistake is told at its cause."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from lab.errors import LabError
from lab.plan.blocks import Draft, Drawing
from lab.plan.constraints import Rules, tuned_in
from lab.plan.factors import Setting, Varied, told_at
from lab.plan.ground import Ground
from lab.plan.plan import Cell
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.spec import plain

MOST_CELLS = 20_000
MOST_TOLD = 20
"""Different mistakes that are told of a design's cells."""


@dataclass
class Cells:
    """The cells of a study as they are found, each content once."""

    file: StudyFile
    ground: Ground
    rules: Rules
    found: dict[str, Cell] = field(default_factory=dict)
    added: list[tuple[str, int]] = field(default_factory=list)
    """Block -> how many cells no block before it had."""
    notes: list[str] = field(default_factory=list)
    problems: dict[str, LabError] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    """What was drawn and allowed, by its changes."""
    drawn: int = 0

    def draw(self, drawing: Drawing) -> None:
        """Take in a block."""
        before, dropped = len(self.found), 0
        try:
            drafts = list(islice(drawing.drafts(), MOST_CELLS + 1 - self.drawn))
            self.drawn += len(drafts)
            if self.drawn > MOST_CELLS:
                hint = "cross fewer factors, or use fractional or search"
                raise LabError(f"the design has more than {MOST_CELLS} cells", where=drawing.where, hint=hint)
            dropped = sum(not self._take(draft) for draft in drafts)
        except LabError as problem:
            self._tell(problem)
        self.added.append((drawing.title, len(self.found) - before))
        if drawing.mixed is not None:
            self.notes += drawing.mixed.notes(drawing.title)
            if dropped:
                self.notes.append(f"{drawing.title}: {dropped} of its runs are forbidden, so it is out of balance")

    def mistakes(self, drawings: Sequence[Drawing]) -> list[LabError]:
        """All that went wrong while cells were made, and what only all of them together show."""
        for problem in (*self._idle_levels(), *self._never_there(drawings), *self._too_forbidden()):
            self._tell(problem)
        return list(self.problems.values())

    def _take(self, draft: Draft) -> bool:
        """Keep a draft as a cell, new or known; False where a constraint leaves it out."""
        changes = self.ground.reduced(draft.changes)
        key = json.dumps(plain(changes), sort_keys=True, default=str)
        if self.rules.drops(self.ground, changes, key):
            return False
        known = self.drafts.setdefault(key, draft)
        if known is not draft and not draft.name:
            return True
        experiment = self._validated(draft, changes)
        if experiment is not None:
            self._join(cell_of(self.file, self.ground, experiment, draft.name))
        return True

    def _validated(self, draft: Draft, changes: Mapping[str, Any]) -> Experiment | None:
        suspect = self._suspect(draft.changes)
        where = suspect.where if suspect else draft.where
        try:
            with told_at(where):
                return self.ground.experiment(changes)
        except LabError as error:
            told = [LabError(each.what, where=each.where, hint=each.hint or _of(changes)) for each in error.problems]
            for problem in told:
                self._tell(problem)
            return None

    def _join(self, cell: Cell) -> None:
        known = self.found.setdefault(cell.id, cell)
        if known is cell or not cell.name:
            return
        if known.name or known.experiment.id == self.ground.base.id:
            self.notes.append(f"{cell.name} is the same cell as {known.name or 'the reference'}")
        else:
            self.found[cell.id] = cell

    def _suspect(self, changes: Mapping[str, Any]) -> Varied | None:
        """The factor whose level the base alone could not take either."""
        return next((factor for factor, level in self._doubtful() if _has(changes, level)), None)

    def _doubtful(self) -> Iterator[tuple[Varied, Setting]]:
        for factor in self.ground.factors:
            for level in factor.levels:
                if level.problem is not None:
                    yield factor, level

    def _idle_levels(self) -> Iterator[LabError]:
        """Levels that are wrong as they stand, and in no cell that could show them to be right."""
        for _, level in self._doubtful():
            if level.problem is not None and not any(_has(each.changes, level) for each in self.drafts.values()):
                yield level.problem

    def _never_there(self, drawings: Sequence[Drawing]) -> Iterator[LabError]:
        """Conditional factors that no cell of their blocks brings up."""
        searched = {factor.name for drawing in drawings if drawing.block.kind == "search" for factor in drawing.factors}
        crossed = {factor.name: factor for drawing in drawings for factor in drawing.factors}
        for name, factor in crossed.items():
            if factor.when is None or name in searched:
                continue
            if not any(self.ground.exists(factor, draft.changes) for draft in self.drafts.values()):
                hint = "add a block in which it does, or drop the factor"
                yield LabError(f"`{factor.when.text}` holds in no cell", where=factor.when.where, hint=hint)

    def _too_forbidden(self) -> Iterator[LabError]:
        forbidding = [each for each in self.rules.forbidden if self.ground.holds(each.condition, {})]
        for each in forbidding:
            yield LabError("this forbids the reference, the base itself", where=each.condition.where, hint="narrow it")
        changed = [draft for draft in self.drafts.values() if self.ground.reduced(draft.changes)]
        worst = max(self.rules.forbidden, key=lambda each: len(each.dropped), default=None)
        if worst is not None and worst.dropped and not changed and not forbidding:
            hint = f"{len(worst.dropped)} combinations are left out: narrow it"
            yield LabError("no cell is left but the reference", where=worst.condition.where, hint=hint)

    def _tell(self, problem: LabError) -> None:
        if len(self.problems) < MOST_TOLD:
            for each in problem.problems:
                self.problems.setdefault(f"{each.where} {each.what}", each)


def cell_of(file: StudyFile, ground: Ground, experiment: Experiment, name: str = "") -> Cell:
    """A cell with its levels read back from the experiment."""
    return Cell(ground.levels(experiment), experiment, tuned_in(file, experiment), name)


def _has(changes: Mapping[str, Any], level: Setting) -> bool:
    return all(path in changes and changes[path] == value for path, value in level.changes.items())


def _of(changes: Mapping[str, Any]) -> str:
    """The hint for a combination that does not work together."""
    said = ", ".join(f"{path}={plain(value)}" for path, value in changes.items())
    return f"in the cell {said[:200]}" if said else ""
