"""Claims -> what the cells of a plan can answer: a weighted sum of cells for each, or the cell that it lacks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from lab.errors import LabError
from lab.plan.asked import Asked
from lab.plan.board import Board
from lab.plan.lacking import Corners, design_of, lacking
from lab.plan.options import as_word
from lab.plan.plan import Cell
from lab.plan.power import lowest_p
from lab.plan.spoken import Spoken
from lab.spec.claims import Arm, At, Interaction, Known, Number, Setting, Term
from lab.spec.claims import Cell as Named
from lab.spec.files import StudyFile

LEAST = {"paired_permutation": 2, "paired_t": 2, "bootstrap": 4}
"""The fewest seeds that each method says anything of."""
Weights = Counter[str]
Aliases = Sequence[Sequence[str]]


def ask(board: Board, spoken: Sequence[Spoken], aliases: Aliases) -> tuple[tuple[Asked, ...], list[LabError]]:
    """Every claim that can be answered, and what the others lack."""
    asked, problems = list[Asked](), list[LabError]()
    for each in spoken:
        try:
            asked.append(_Answer(board, aliases).of(each))
        except LabError as problem:
            problems += problem.problems
    if asked and not problems:
        problems += _too_few_seeds(board.file, asked)
    return tuple(asked), problems


@dataclass(frozen=True)
class _Answer:
    """Finds the cells that answer claims."""

    board: Board
    aliases: Aliases

    def of(self, spoken: Spoken) -> Asked:
        """A claim as a weighted sum of cells."""
        left, right, claim = spoken.statement.left, spoken.statement.right, spoken.claim
        against = right.value if isinstance(right, Number) else 0.0
        known = right.name if isinstance(right, Known) else ""
        confounded = claim.confounded
        if isinstance(left, Interaction):
            corners = _corners((left.first, self._base_of(left.first)), (left.second, self._base_of(left.second)))
            weights, groups, is_contrast = self._groups(spoken, corners, (1, -1, -1, 1))
            noun, names = "four", {f"{a} x {b}" for a, b in (_names(left), _names(left)[::-1])}
        elif isinstance(left, At) and isinstance(right, At):
            signs = (1, -spoken.statement.times)
            weights, groups, is_contrast = self._groups(spoken, [(left.setting,), (right.setting,)], signs)
            noun, names = "pair", {left.setting.factor}
        else:
            weights, groups, is_contrast = self._sides(spoken), 1, False
            noun, names = "cell" if isinstance(right, Number | Known) else "pair", set[str]()
            groups = sum(weight > 0 for weight in weights.values())
        if is_contrast and not confounded:
            noun, confounded = "cell", self._alias(names)
        return Asked(
            name=spoken.name, say=claim.say, sign=spoken.statement.sign, weights=dict(weights), against=against,
            metric=claim.metric or self.board.file.study.score.name, by=claim.by, groups=groups, noun=noun,
            known=known, times=spoken.statement.times if known else 1.0,
            expects=claim.expects, why=claim.why, confounded=confounded,
        )  # fmt: skip

    def _base_of(self, setting: Setting) -> Setting:
        return Setting(setting.factor, self.board.base[setting.factor])

    def _sides(self, spoken: Spoken) -> Weights:
        """One side less the other, each the mean of its cells."""
        weights, said = Weights(), spoken.statement
        sides = [[cell.id for cell in self._cells(spoken, term)] for term in (said.left, said.right)]
        for cells, sign in zip(sides, (1, -said.times), strict=True):
            for cell in cells:
                weights[cell] += sign / len(cells)  # type: ignore[assignment]
        if set(sides[0]) == set(sides[1]):
            raise LabError("both sides are the same cell", where=spoken.place, hint="compare two that differ")
        return weights

    def _cells(self, spoken: Spoken, term: Term) -> list[Cell]:
        match term:
            case At(setting):
                found = [cell for cell in self.board.at(setting) if self._counts(spoken, cell)]
                if not found:
                    raise lacking(self.board, spoken, [(setting,)])
                return found
            case Named(settings):
                cell = self.board.by_levels.get(
                    self.board.key({**self.board.base, **{each.factor: each.level for each in settings}})
                )
                if cell is None:
                    raise lacking(self.board, spoken, [settings])
                return [cell]
            case Arm(name):
                return [self._arm(spoken, name)]
        return []

    def _arm(self, spoken: Spoken, name: str) -> Cell:
        """The cell of an arm, whether or not it goes by the arm's name."""
        same = self.board.ground.experiment(self.board.file.study.arms[name])
        for cell in self.board.cells:
            if cell.name == name or cell.experiment == same:
                return cell
        seeds = len(self.board.file.study.seeds.values)
        hint = f"add `- arms: [{name}]` to {design_of(self.board)} (+1 cell, +{seeds} runs)"
        raise LabError(f"claim `{spoken.name}` needs the arm {name}, which no cell is", where=spoken.place, hint=hint)

    def _counts(self, spoken: Spoken, cell: Cell) -> bool:
        return spoken.where is None or self.board.ground.holds_in(spoken.where, cell.experiment)

    def _groups(self, spoken: Spoken, corners: Corners, signs: Sequence[float]) -> tuple[Weights, int, bool]:
        """The mean signed sum over groups of cells that are equal but for the corners' levels."""
        found = [self._group(spoken, cell, corners) for cell in self.board.at(*corners[0])]
        groups = [group for group in found if group is not None]
        is_contrast = not groups
        columns = list(zip(*groups, strict=True)) if groups else self._balanced(spoken, corners)
        if not columns:
            raise lacking(self.board, spoken, corners)
        weights = Weights()
        for column, sign in zip(columns, signs, strict=True):
            for cell in column:
                weights[cell.id] += sign / len(column)  # type: ignore[assignment]
        return weights, len(columns[0]), is_contrast

    def _group(self, spoken: Spoken, cell: Cell, corners: Corners) -> tuple[Cell, ...] | None:
        group = [self.board.twin(cell, *corner) for corner in corners]
        whole = [each for each in group if each is not None and self._counts(spoken, each)]
        return tuple(whole) if len(whole) == len(corners) else None

    def _balanced(self, spoken: Spoken, corners: Corners) -> list[tuple[Cell, ...]]:
        """In a fraction, all cells at each corner, where the other factors are in balance among them."""
        if not any(block.kind == "fractional" for block in self.board.file.study.design.blocks):
            return []
        columns = [tuple(cell for cell in self.board.at(*corner) if self._counts(spoken, cell)) for corner in corners]
        own = {each.factor for each in corners[0]}
        shares = [[_shares(column, name) for name in self.board.base if name not in own] for column in columns]
        return columns if all(columns) and all(share == shares[0] for share in shares) else []

    def _alias(self, names: set[str]) -> str:
        """What a fraction cannot tell a claim's effect from."""
        group = next((group for group in self.aliases if names & set(group)), ())
        others = [each for each in group if each not in names]
        return f"this fraction cannot tell it from {' or '.join(others)}" if others else ""


def _names(said: Interaction) -> tuple[str, str]:
    return said.first.factor, said.second.factor


def _corners(*sides: tuple[Setting, Setting]) -> list[tuple[Setting, ...]]:
    return list(product(*sides))


def _shares(cells: Iterable[Cell], factor: str) -> dict[str, float]:
    """How large a share of some cells is at each level of a factor."""
    counts = Counter(json.dumps(as_word(cell.levels.get(factor)), default=str) for cell in cells)
    return {level: number / counts.total() for level, number in counts.items()}


def _too_few_seeds(file: StudyFile, asked: Sequence[Asked]) -> list[LabError]:
    """Seeds that cannot decide a single claim, whatever they score."""
    study, planned = file.study, len(file.study.seeds.values)
    tested = [claim for claim in asked if claim.is_testable]
    if not tested:
        return []
    family = len(tested) if study.test.adjust == "holm" else 1
    shared = f" ({len(tested)} claims, Holm)" if family > 1 else ""
    is_exact = study.test.method == "paired_permutation" and study.seeds.extend is None
    sides = 1 if any(claim.is_equivalence for claim in tested) else 2

    def reaches(seeds: int) -> bool:
        return seeds >= least and (not is_exact or lowest_p(seeds) * sides / 2 <= study.test.alpha / family)

    least = 2 if study.seeds.extend is not None else LEAST[study.test.method]
    if reaches(planned):
        return []
    seeds = "1 seed decides" if planned == 1 else f"{planned} seeds decide"
    why = f"a paired permutation test cannot go below p = {lowest_p(planned) * sides / 2:.4g}"
    why = why if is_exact and planned >= least else f"{study.test.method} needs {least}"
    enough = next(number for number in range(planned, 10_000) if reaches(number))
    way = ", or `test: {method: paired_t}`" if is_exact and planned > 1 else ""
    hint = f"use {enough}{shared}{way}, or leave claims out of a profile: `claims: null`"
    what = f"{seeds} nothing at alpha {study.test.alpha:g}: {why}"
    return [LabError(what, where=file.places.at("seeds"), hint=hint)]


def note_of(asked: Asked) -> str:
    """What a reader of the plan should know of a claim; mostly nothing."""
    return f"claim {asked.name} is not testable here: {asked.confounded}" if asked.confounded else ""
