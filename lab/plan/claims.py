"""Claims -> what the cells of a plan can answer: a weighted sum of cells for each, or the cell that it lacks."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from lab.errors import LabError
from lab.plan.asked import Asked
from lab.plan.blocks import cross
from lab.plan.constraints import Rules
from lab.plan.factors import Varied
from lab.plan.ground import Ground
from lab.plan.options import affects, as_word
from lab.plan.plan import Cell, short
from lab.plan.power import lowest_p
from lab.plan.spoken import Spoken, levels_of
from lab.spec.claims import Arm, At, Interaction, Number, Setting, Term
from lab.spec.claims import Cell as Named
from lab.spec.files import StudyFile
from lab.spec.spec import Level

LEAST = {"paired_permutation": 2, "paired_t": 2, "bootstrap": 4}
"""The fewest seeds that each method says anything of."""
Weights = Counter[str]
Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Board:
    """The cells of a plan, found by their levels."""

    file: StudyFile
    ground: Ground
    rules: Rules
    cells: Sequence[Cell]
    reference: Cell
    aliases: Sequence[Sequence[str]] = ()

    def ask(self, spoken: Sequence[Spoken]) -> tuple[tuple[Asked, ...], list[LabError]]:
        """Every claim that can be answered, and what the others lack."""
        asked, problems = list[Asked](), list[LabError]()
        for each in spoken:
            try:
                asked.append(self._asked(each))
            except LabError as problem:
                problems += problem.problems
        if asked and not problems:
            problems += _too_few_seeds(self.file, asked)
        return tuple(asked), problems

    # -- cells by their levels -----------------------------------------------------------------------------------

    @cached_property
    def factors(self) -> dict[str, Varied]:
        """The factors by name."""
        return {factor.name: factor for factor in self.ground.factors}

    @cached_property
    def base(self) -> dict[str, Level]:
        """The base's level of every factor, also of those that exist only elsewhere."""
        return {name: self.reference.levels.get(name, levels_of(each)[0].shown) for name, each in self.factors.items()}

    @cached_property
    def by_levels(self) -> dict[str, Cell]:
        """The cells that their levels say all about; an arm that changes more than factors is none of them."""
        return {self._key(cell.levels): cell for cell in self.cells if not cell.name or self._is_described(cell)}

    def _key(self, levels: Levels) -> str:
        return json.dumps({name: as_word(levels.get(name, base)) for name, base in self.base.items()}, sort_keys=True)

    def _is_described(self, cell: Cell) -> bool:
        moved = [path for factor in self.factors.values() for path in factor.paths]
        moved += [self.rules.match.by] if self.rules.match is not None else []
        mine, base = cell.experiment.options(), self.reference.experiment.options()
        changed = [path for path in mine.keys() | base.keys() if mine.get(path) != base.get(path)]
        return all(any(affects(own, path) for own in moved) for path in changed)

    def _at(self, *settings: Setting) -> list[Cell]:
        """The cells that have all of these factors, at these levels."""
        return [
            cell
            for cell in self.by_levels.values()
            if all(
                each.factor in cell.levels and as_word(cell.levels[each.factor]) == as_word(each.level)
                for each in settings
            )
        ]

    def _twin(self, cell: Cell, *settings: Setting) -> Cell | None:
        """The cell that is equal but for these levels."""
        return self.by_levels.get(self._key({**cell.levels, **{each.factor: each.level for each in settings}}))

    # -- claims ----------------------------------------------------------------------------------------------------

    def _asked(self, spoken: Spoken) -> Asked:
        left, right, claim = spoken.statement.left, spoken.statement.right, spoken.claim
        against = right.value if isinstance(right, Number) else 0.0
        confounded = claim.confounded
        if isinstance(left, Interaction):
            corners = _corners((left.first, self._base_of(left.first)), (left.second, self._base_of(left.second)))
            weights, groups, is_contrast = self._groups(spoken, corners, (1, -1, -1, 1))
            noun, names = "four", {f"{a} x {b}" for a, b in (_names(left), _names(left)[::-1])}
        elif isinstance(left, At) and isinstance(right, At):
            weights, groups, is_contrast = self._groups(spoken, [(left.setting,), (right.setting,)], (1, -1))
            noun, names = "pair", {left.setting.factor}
        else:
            weights, groups, is_contrast = self._sides(spoken), 1, False
            noun, names = "cell" if isinstance(right, Number) else "pair", set[str]()
            groups = sum(weight > 0 for weight in weights.values())
        if is_contrast and not confounded:
            noun, confounded = "cell", self._alias(names)
        return Asked(
            name=spoken.name, say=claim.say, sign=spoken.statement.sign, weights=dict(weights), against=against,
            metric=claim.metric or self.file.study.score.name, by=claim.by, groups=groups, noun=noun,
            expects=claim.expects, confounded=confounded,
        )  # fmt: skip

    def _base_of(self, setting: Setting) -> Setting:
        return Setting(setting.factor, self.base[setting.factor])

    def _sides(self, spoken: Spoken) -> Weights:
        """One side less the other, each the mean of its cells."""
        weights = Weights()
        for term, sign in ((spoken.statement.left, 1), (spoken.statement.right, -1)):
            cells = self._cells(spoken, term)
            for cell in cells:
                weights[cell.id] += sign / len(cells)  # type: ignore[assignment]
        if not any(weights.values()):
            raise LabError("both sides are the same cell", where=spoken.place, hint="compare two that differ")
        return weights

    def _cells(self, spoken: Spoken, term: Term) -> list[Cell]:
        match term:
            case At(setting):
                found = [cell for cell in self._at(setting) if self._counts(spoken, cell)]
                return found or self._lacks(spoken, [(setting,)])
            case Named(settings):
                cell = self.by_levels.get(self._key({**self.base, **{each.factor: each.level for each in settings}}))
                return [cell] if cell is not None else self._lacks(spoken, [settings])
            case Arm(name):
                return [self._arm(spoken, name)]
        return []

    def _arm(self, spoken: Spoken, name: str) -> Cell:
        """The cell of an arm, whether or not it goes by the arm's name."""
        same = self.ground.experiment(self.file.study.arms[name])
        for cell in self.cells:
            if cell.name == name or cell.experiment == same:
                return cell
        hint = f"add `- arms: [{name}]` to {self._design} (+1 cell, +{self._seeds} runs)"
        raise LabError(f"claim `{spoken.name}` needs the arm {name}, which no cell is", where=spoken.place, hint=hint)

    def _counts(self, spoken: Spoken, cell: Cell) -> bool:
        return spoken.where is None or self.ground.holds_in(spoken.where, cell.experiment)

    def _groups(
        self, spoken: Spoken, corners: Sequence[Sequence[Setting]], signs: Sequence[int]
    ) -> tuple[Weights, int, bool]:
        """The mean signed sum over groups of cells that are equal but for the corners' levels."""
        found = [self._group(spoken, cell, corners) for cell in self._at(*corners[0])]
        groups = [group for group in found if group is not None]
        is_contrast = not groups
        columns = list(zip(*groups, strict=True)) if groups else self._balanced(spoken, corners)
        if not columns:
            self._lacks(spoken, corners)
        weights = Weights()
        for column, sign in zip(columns, signs, strict=True):
            for cell in column:
                weights[cell.id] += sign / len(column)  # type: ignore[assignment]
        return weights, len(columns[0]), is_contrast

    def _group(self, spoken: Spoken, cell: Cell, corners: Sequence[Sequence[Setting]]) -> tuple[Cell, ...] | None:
        group = [self._twin(cell, *corner) for corner in corners]
        whole = [each for each in group if each is not None and self._counts(spoken, each)]
        return tuple(whole) if len(whole) == len(corners) else None

    def _balanced(self, spoken: Spoken, corners: Sequence[Sequence[Setting]]) -> list[tuple[Cell, ...]]:
        """In a fraction, all cells at each corner, where the other factors are in balance among them."""
        if not any(block.kind == "fractional" for block in self.file.study.design.blocks):
            return []
        columns = [tuple(cell for cell in self._at(*corner) if self._counts(spoken, cell)) for corner in corners]
        own = {each.factor for each in corners[0]}
        shares = [[_shares(column, name) for name in self.base if name not in own] for column in columns]
        return columns if all(columns) and all(share == shares[0] for share in shares) else []

    def _alias(self, names: set[str]) -> str:
        """What a fraction cannot tell a claim's effect from."""
        group = next((group for group in self.aliases if names & set(group)), ())
        others = [each for each in group if each not in names]
        return f"this fraction cannot tell it from {' or '.join(others)}" if others else ""

    # -- what is lacking -------------------------------------------------------------------------------------------

    @property
    def _seeds(self) -> int:
        return len(self.file.study.seeds.values)

    @property
    def _design(self) -> str:
        return "design" if ("design", 0) in self.file.places.known else "design.also"

    def _lacks(self, spoken: Spoken, corners: Sequence[Sequence[Setting]]) -> list[Cell]:
        """Refuse a claim whose cells are not there, with the block that would bring them in."""
        wanted = self._wanted(spoken, corners)
        if wanted is None:
            levels: Levels = {each.factor: each.level for corner in corners for each in corner}
            hint = "a constraint or a `when` leaves it out: narrow that, or the claim"
        else:
            levels, fresh = wanted
            many = f"+{fresh} cell{'' if fresh == 1 else 's'}, +{fresh * self._seeds} runs"
            block = f"grid: [{', '.join(self._crossed(spoken))}]"
            hint = f"add `- {block}` to {self._design} ({many})" if levels else f"add `- one_out` to {self._design}"
        named = " with ".join(f"{name}={as_word(level)}" for name, level in levels.items()) or "the base"
        what = f"claim `{spoken.name}` needs {named}, which no cell has"
        raise LabError(what, where=spoken.place, hint=hint)

    def _crossed(self, spoken: Spoken) -> tuple[str, ...]:
        """The factors of the grid that would bring a claim's cells in."""
        terms = (spoken.statement.left, spoken.statement.right)
        at_base = {
            each.factor
            for term in terms
            if isinstance(term, Named)
            for each in term.settings
            if as_word(each.level) == as_word(self.base[each.factor])
        }
        return tuple(name for name in spoken.involved if name not in at_base)

    def _wanted(self, spoken: Spoken, corners: Sequence[Sequence[Setting]]) -> tuple[Levels, int] | None:
        """The first of the lacking cells, by its levels, and how many cells the whole grid around it would add."""
        names = self._crossed(spoken)
        factors = [factor for factor in self.ground.factors if factor.name in names]
        fresh: dict[str, Levels] = {}
        wanted: list[Levels] = []
        for levels, is_meant in self._new(factors, spoken):
            fresh[self._key(levels)] = levels
            if is_meant and any(
                all(as_word(levels.get(s.factor)) == as_word(s.level) for s in corner) for corner in corners
            ):
                wanted.append({name: levels[name] for name in names if name in levels})
        return (wanted[0], len(fresh)) if wanted else None

    def _new(self, factors: Sequence[Varied], spoken: Spoken) -> Iterator[tuple[Levels, bool]]:
        """The levels of each cell that the grid of some factors would add, and whether the claim looks at it."""
        for changes in cross(self.ground, factors, {}):
            if any(self.ground.holds(each.condition, changes) for each in self.rules.forbidden):
                continue
            try:
                levels = self.ground.levels(self.ground.experiment(changes))
            except LabError:
                continue
            if self._key(levels) not in self.by_levels:
                yield levels, spoken.where is None or self.ground.holds(spoken.where, changes)


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
    return f"claim {short(asked.name)} is not testable here: {asked.confounded}" if asked.confounded else ""
