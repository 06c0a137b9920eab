"""Factors as designs see them: each level with the changes it makes, read once from the study and its base."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from lab.errors import LabError, Place, raise_all
from lab.plan.conditions import ABSENT, Condition, read_condition, same
from lab.plan.options import as_word, choices_at, field_at, is_structural, mark_at, menu_of, value_at
from lab.plan.wording import Choice, Menu, check_condition
from lab.spec.change import change
from lab.spec.design import Levels
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.spec import Level, plain


@dataclass(frozen=True)
class Setting:
    """One level of a factor: the changes it makes to the base and how it is shown."""

    changes: Mapping[str, Any]
    shown: Level
    problem: LabError | None = None
    """Why the base alone cannot take it; the level of another factor may mend that."""

    @property
    def key(self) -> str:
        """The same for equal levels, whatever the order they are listed in."""
        return json.dumps(plain(self.changes), sort_keys=True, default=str)


@dataclass(frozen=True)
class Varied:
    """A factor that has been read."""

    name: str
    where: Place
    levels: tuple[Setting, ...]
    """As listed; none for a range, which only a sampler draws from."""
    base: Setting
    off: Setting | None = None
    when: Condition | None = None
    is_range: bool = False
    labels: tuple[str, ...] = ()
    paths: tuple[str, ...] = field(default=())
    """The options it moves: the one it is called by, or those of its linked changes."""

    @property
    def is_linked(self) -> bool:
        """Whether its levels are changes of several options, so that its name is only a name."""
        return self.name not in self.paths

    @property
    def others(self) -> tuple[Setting, ...]:
        """Its levels but for the base's."""
        return tuple(level for level in self.levels if level.key != self.base.key)

    def shown_at(self, values: Mapping[str, Any]) -> Level:
        """How the level with these values is shown; ABSENT where none of its options exist."""
        if all(value is ABSENT for value in values.values()):
            return ABSENT
        if self.labels or self.is_linked:
            for level in (*self.levels, self.base):
                if all(same(values[path], value) for path, value in level.changes.items()):
                    return level.shown
        return show(values) if self.is_linked else as_word(values[self.name])


def show(values: Mapping[str, Any]) -> str:
    """A linked level as text: key=value, with as little of the key as tells the options apart."""
    ends = [path.rsplit(".", 1)[-1] for path in values]
    names = ends if len(set(ends)) == len(ends) else list(values)
    return ", ".join(f"{name}={as_word(value)}" for name, value in zip(names, values.values(), strict=True))


def read_factors(file: StudyFile) -> tuple[tuple[Varied, ...], list[LabError]]:
    """Every factor of a study that can be read, and all that is wrong with the others."""
    menu, problems, factors = menu_of(file.base), list[LabError](), list[Varied]()
    for name, levels in file.study.factors.items():
        try:
            factors.append(_read(file, name, levels))
        except LabError as problem:
            problems += problem.problems
    problems += overlaps([(factor.name, factor.where, factor.paths) for factor in factors])
    menu = menu_with(menu, file, factors)
    for factor in factors:
        problems += check_condition(factor.when, menu) if factor.when is not None else []
    return tuple(factors), problems


def menu_with(menu: Menu, file: StudyFile, factors: Iterable[Varied]) -> dict[str, Choice]:
    """The menu, to which linked factors add their names and labelled ones their labels."""
    added = dict(menu) | {name: Choice() for name in file.study.factors if name not in menu}
    for factor in factors:
        if factor.is_linked:
            added[factor.name] = Choice(tuple(level.shown for level in (*factor.levels, factor.base)))
        elif factor.labels:
            added[factor.name] = replace(menu[factor.name], labels=factor.labels)
    return added


def overlaps(owners: Sequence[tuple[str, Place, Sequence[str]]]) -> list[LabError]:
    """Mistakes where two owners (name, place, options) would both move one option."""
    problems = []
    for (one, _, mine), (other, where, yours) in combinations(owners, 2):
        shared = sorted({max(a, b, key=len) for a in mine for b in yours if _within(a, b) or _within(b, a)})
        if shared:
            hint = "let one factor hold all changes of an option"
            problems.append(LabError(f"{one} and {other} both change {shared[0]}", where=where, hint=hint))
    return problems


def _within(path: str, group: str) -> bool:
    return path == group or path.startswith(f"{group}.")


@contextmanager
def told_at(where: Place) -> Iterator[None]:
    """Tell mistakes of a change at the place of the study file that asks for it."""
    try:
        yield
    except LabError as error:
        raise_all([_moved(problem, where) for problem in error.problems])


def _moved(problem: LabError, where: Place) -> LabError:
    key = problem.where.key
    what = problem.what if not key or where.key.endswith(key) else f"{key}: {problem.what}"
    return LabError(what, where=where, hint=problem.hint)


def _read(file: StudyFile, name: str, levels: Levels) -> Varied:
    where = file.places.at("factors", name)
    when = read_condition(levels.when, file.places.at("factors", name, "when")) if levels.when else None
    if levels.set is not None:
        return _read_linked(file.base, name, levels, where, when)
    if levels.is_range:
        return Varied(name, where, (), _base(file.base, (name,)), None, when, is_range=True, paths=(name,))
    return _read_single(file.base, name, levels, where, when)


def _read_single(base: Experiment, name: str, levels: Levels, where: Place, when: Condition | None) -> Varied:
    settings = [_setting(base, {name: value}, where) for value in _values(base, name, levels, where)]
    if levels.labels is not None:
        settings = [replace(each, shown=label) for each, label in zip(settings, levels.labels, strict=True)]
    else:
        settings = [replace(each, shown=as_word(each.changes[name])) for each in settings]
    reference, off, mark = _base(base, (name,)), None, mark_at(base, name)
    if mark is not None and mark.has_off:
        off = Setting({name: mark.off}, as_word(mark.off))
    return _varying(Varied(name, where, tuple(settings), reference, off, when, False, levels.labels or (), (name,)))


def _read_linked(base: Experiment, name: str, levels: Levels, where: Place, when: Condition | None) -> Varied:
    said = levels.set or ()
    paths = tuple(dict.fromkeys(path for changes in said for path in changes))
    if not paths:
        raise LabError("its levels change nothing", where=where, hint="name options with their values in each level")
    if field_at(base, name) is not None:
        raise LabError(f"linked changes cannot be called {name}, which is an option", where=where, hint="rename them")
    reference = _base(base, paths)
    settings = [_setting(base, _completed(base, changes, reference), where) for changes in said]
    labels = levels.labels or tuple(show(each.changes) for each in settings)
    settings = [replace(each, shown=label) for each, label in zip(settings, labels, strict=True)]
    shown = next((each.shown for each in settings if each.key == reference.key), show(reference.changes))
    reference = replace(reference, shown=shown)
    return _varying(Varied(name, where, tuple(settings), reference, None, when, False, levels.labels or (), paths))


def _completed(base: Experiment, changes: Mapping[str, Any], reference: Setting) -> Mapping[str, Any]:
    """A linked level with the base's values for what only other levels name, unless options come and go with it."""
    return changes if any(is_structural(base, path) for path in changes) else {**reference.changes, **changes}


def _values(base: Experiment, name: str, levels: Levels, where: Place) -> Sequence[Any]:
    if isinstance(levels.values, tuple):
        return levels.values
    if levels.values == "off":
        option, mark, now = field_at(base, name), mark_at(base, name), value_at(base, name)
        if option is None or mark is None or not mark.has_off:
            raise LabError(f"{name} has no off level", where=where, hint="list its levels instead")
        return list(dict.fromkeys((option.default if now is ABSENT else now, mark.off)))
    choices = choices_at(base, name)
    if choices is None:
        raise LabError(f"the levels of {name} cannot be counted", where=where, hint="list them instead of `all`")
    return choices


def _setting(base: Experiment, changes: Mapping[str, Any], where: Place) -> Setting:
    """A level with its values read back from a validated experiment, where the base can take it as it stands."""
    try:
        with told_at(where):
            changed = change(base, changes)
    except LabError as problem:
        return Setting(changes, None, problem)
    return Setting({path: value_at(changed, path) for path in changes}, None)


def _base(base: Experiment, paths: Sequence[str]) -> Setting:
    values = {path: value_at(base, path) for path in paths}
    values = {path: value for path, value in values.items() if value is not ABSENT}
    shown = as_word(next(iter(values.values()), None)) if len(paths) == 1 else show(values)
    return Setting(values, shown)


def _varying(factor: Varied) -> Varied:
    """Refuse a factor whose levels repeat or never leave the base."""
    keys = [level.key for level in factor.levels]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            raise LabError(f"level {factor.levels[index].shown} is listed twice", where=factor.where, hint="drop one")
    if not factor.others:
        what = f"nothing varies: the base is at {factor.base.shown} already"
        raise LabError(what, where=factor.where, hint="list another level, or drop the factor")
    return factor
