"""What claims say, held against the words of a study: factors it has, levels these have, arms it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lab.errors import LabError, Place, choose
from lab.plan.conditions import Condition, read_condition, same
from lab.plan.factors import Setting as Known
from lab.plan.factors import Varied
from lab.plan.options import affects, as_word
from lab.plan.wording import Menu, check_condition
from lab.spec.claims import Arm, At, Cell, Claim, Interaction, Number, Setting, Statement, Term, parse
from lab.spec.files import StudyFile


@dataclass(frozen=True)
class Spoken:
    """A claim whose every word is known."""

    name: str
    claim: Claim
    statement: Statement
    where: Condition | None
    place: Place
    involved: tuple[str, ...]
    """The factors that it speaks of, also in its condition, in the order of the study."""


def read_claims(file: StudyFile, factors: Sequence[Varied], menu: Menu) -> tuple[list[Spoken], list[LabError]]:
    """The claims of a study, and all that is wrong with their words."""
    found, problems = list[Spoken](), list[LabError]()
    for name, claim in file.study.claims.items():
        try:
            spoken, wrong = _Speech(file, {factor.name: factor for factor in factors}, menu, name, claim).read()
            problems += wrong
            found.append(spoken)
        except LabError as problem:
            problems += problem.problems
    return found, problems


@dataclass(frozen=True)
class _Speech:
    """One claim, being read."""

    file: StudyFile
    factors: Mapping[str, Varied]
    menu: Menu
    name: str
    claim: Claim

    @property
    def place(self) -> Place:
        return self.file.places.at("claims", self.name, "say")

    def read(self) -> tuple[Spoken, list[LabError]]:
        said = parse(self.claim.say, self.place)
        right = self._checked(said.right, is_right=said.times == 1)
        statement = Statement(self._checked(said.left), said.sign, right, said.times)
        if statement.left == statement.right:
            raise self._error("both sides are the same", "compare two levels or two cells")
        if statement.sign == "==" and not self.claim.by:
            raise self._error("an equivalence needs a margin", "say how different at most: `by: 0.01`")
        where, wrong = self._where(statement)
        spoken = [each.factor for term in (statement.left, statement.right) for each in settings_in(term)]
        looked_at = where.paths if where is not None else frozenset[str]()
        involved = [factor.name for factor in self.factors.values() if _feeds(factor, looked_at)]
        names = tuple(name for name in self.factors if name in spoken or name in involved)
        return Spoken(self.name, self.claim, statement, where, self.place, names), wrong

    def _where(self, statement: Statement) -> tuple[Condition | None, list[LabError]]:
        if self.claim.where is None:
            return None, []
        place = self.file.places.at("claims", self.name, "where")
        condition = read_condition(self.claim.where, place)
        if not isinstance(statement.left, At | Interaction):
            hint = "leave it out: cells are named in full"
            raise LabError("`where` goes with levels and interactions", where=place, hint=hint)
        own = [each.factor for each in settings_in(statement.left)]
        met = [name for name in own if _feeds(self.factors[name], condition.paths)]
        if met:
            hint = "let it look at other factors"
            raise LabError(f"`where` looks at {met[0]}, which the claim itself varies", where=place, hint=hint)
        return condition, check_condition(condition, self.menu)

    def _checked(self, term: Term, *, is_right: bool = False) -> Term:
        """The term with its levels as the study shows them."""
        match term:
            case At(setting) if is_right and self._is_number(setting):
                return Number(float(setting.level))
            case At(setting):
                return At(self._setting(setting))
            case Cell(settings):
                found = tuple(self._setting(each) for each in settings)
                twice = [one.factor for one in found if sum(one.factor == other.factor for other in found) > 1]
                if twice:
                    raise self._error(f"{twice[0]} is named twice in one cell", "drop one")
                return Cell(found)
            case Interaction(first, second):
                if first.factor == second.factor:
                    raise self._error("an interaction is between two factors", "name another one")
                return Interaction(self._change(first), self._change(second))
            case Arm(name) if name not in self.file.study.arms:
                raise self._error(f"there is no arm '{name}'", choose(name, self.file.study.arms))
        return term

    def _is_number(self, setting: Setting) -> bool:
        """Whether a number on the right is no level: the levels of its factor are words."""
        if isinstance(setting.level, bool) or not isinstance(setting.level, int | float):
            return False
        levels = [level.shown for level in levels_of(self._factor(setting.factor))]
        return not any(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)

    def _factor(self, name: str) -> Varied:
        if name not in self.factors:
            raise self._error(f"there is no factor '{name}'", choose(name, self.factors))
        if self.factors[name].is_range:
            raise self._error(f"{name} is a range, which has no levels to compare", "list its values")
        return self.factors[name]

    def _setting(self, setting: Setting) -> Setting:
        factor = self._factor(setting.factor)
        for level in levels_of(factor):
            values = [level.shown, *(level.changes.values() if len(level.changes) == 1 else ())]
            is_spelt_out = setting.level == _spelt(level.shown)
            if is_spelt_out or any(same(as_word(setting.level), as_word(value)) for value in values):
                return replace(setting, level=level.shown)
        shown = [_spelt(level.shown) for level in levels_of(factor)]
        raise self._error(f"{factor.name} has no level {_spelt(setting.level)}", choose(_spelt(setting.level), shown))

    def _change(self, setting: Setting) -> Setting:
        """A level other than the base's, which need not be named where there is only one."""
        factor = self._factor(setting.factor)
        others = [level.shown for level in levels_of(factor)[1:]]
        if setting.is_named:
            found = self._setting(setting)
            if not any(same(found.level, level) for level in others):
                hint = choose("", map(_spelt, others))
                raise self._error(f"{factor.name} is at {_spelt(found.level)} in the base: it is no change", hint)
            return found
        if len(others) > 1:
            listed = " or ".join(f"{factor.name}={_spelt(level)}" for level in others)
            raise self._error(f"{factor.name} has {len(others)} levels beside the base's", f"name one: {listed}")
        return replace(setting, level=others[0], is_named=True)

    def _error(self, what: str, hint: str) -> LabError:
        return LabError(what, where=self.place, hint=hint)


def levels_of(factor: Varied) -> list[Known]:
    """The levels of a factor, the base's first, each as it is shown in cells."""
    base = next((level for level in factor.levels if level.key == factor.base.key), factor.base)
    return [base, *factor.others]


def settings_in(term: Term) -> Iterator[Setting]:
    """Every level that a term names."""
    match term:
        case At(setting):
            yield setting
        case Cell(settings):
            yield from settings
        case Interaction(first, second):
            yield from (first, second)


def _feeds(factor: Varied, paths: frozenset[str]) -> bool:
    return factor.name in paths or any(affects(own, path) for own in factor.paths for path in paths)


def _spelt(level: object) -> str:
    """A level in the spelling of the file."""
    if level is None or isinstance(level, bool):
        return "null" if level is None else str(level).lower()
    return str(as_word(level))
