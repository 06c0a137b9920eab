"""The options that a study may vary: which paths lead into an experiment, and what may stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic.fields import FieldInfo

from lab.plan.conditions import ABSENT
from lab.plan.wording import Choice
from lab.spec.change import FIXED
from lab.spec.experiment import Experiment
from lab.spec.spec import Factor, Family, Spec, finite_choices, option_factor, plain


def value_at(experiment: Experiment, path: str) -> Any:
    """The value behind a path, or ABSENT where this experiment has no such option."""
    value: Any = experiment
    for name in path.split("."):
        if not isinstance(value, Spec):
            return ABSENT
        value = vars(value).get(name, ABSENT)
    return value


def is_structural(experiment: Experiment, path: str) -> bool:
    """Whether changing this path changes which options there are: a whole group, or its kind."""
    return path.endswith(".kind") or isinstance(value_at(experiment, path), Spec)


def affects(path: str, other: str) -> bool:
    """Whether a change of one path can change what another one holds."""
    if path == other or other.startswith(f"{path}.") or path.startswith(f"{other}."):
        return True
    return path.endswith(".kind") and other.startswith(path.removesuffix("kind"))


def field_at(experiment: Experiment, path: str) -> FieldInfo | None:
    """The declaration of an option, in the experiment's own kind of model or else in another kind."""
    group, _, name = path.rpartition(".")
    owner = value_at(experiment, group) if group else experiment
    if isinstance(owner, Spec) and name in type(owner).model_fields:
        return type(owner).model_fields[name]
    family = value_at(experiment, path.split(".")[0])
    members = type(family).members.values() if isinstance(family, Family) else ()
    found = (_declared(member, path.split(".")[1:]) for member in members)
    return next((field for field in found if field is not None), None)


def choices_at(experiment: Experiment, path: str) -> tuple[Any, ...] | None:
    """The values that an option of the experiment's own kind of model can take; those of `kind` are all kinds."""
    field = None if path.endswith(".kind") else field_at(experiment, path)
    return menu_of(experiment)[path].values if field is None else finite_choices(field.annotation)


def _declared(spec: object, names: Sequence[str]) -> FieldInfo | None:
    field: FieldInfo | None = None
    for name in names:
        if not (isinstance(spec, type) and issubclass(spec, Spec) and name in spec.model_fields):
            return None
        field = spec.model_fields[name]
        spec = field.annotation
    return field


def mark_at(experiment: Experiment, path: str) -> Factor | None:
    """The factor mark of an option, which tells its off level."""
    field = field_at(experiment, path)
    return option_factor(field) if field is not None else None


def menu_of(experiment: Experiment) -> dict[str, Choice]:
    """Every path a condition may name: the experiment's own options, and those of kinds it could switch to."""
    menu: dict[str, Choice] = {}
    for path, choice in _walk(experiment):
        known = menu.get(path)
        menu[path] = choice if known is None else _either(known, choice)
    return menu


def _walk(experiment: Experiment) -> Iterator[tuple[str, Choice]]:
    for name, field in Experiment.model_fields.items():
        if name in FIXED:
            continue
        value = getattr(experiment, name)
        if isinstance(value, Family):
            yield name, Choice(is_group=True)
            for member in type(value).members.values():
                yield from _group(member, f"{name}.")
            yield f"{name}.kind", Choice(tuple(type(value).members))
        elif isinstance(value, Spec):
            yield name, Choice(is_group=True)
            yield from _group(type(value), f"{name}.")
        else:
            yield name, Choice(finite_choices(field.annotation))


def _group(spec: type[Spec], prefix: str) -> Iterator[tuple[str, Choice]]:
    for name, field in spec.model_fields.items():
        inner = field.annotation
        if name == "kind":
            continue
        if isinstance(inner, type) and issubclass(inner, Spec):
            yield f"{prefix}{name}", Choice(is_group=True)
            yield from _group(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", Choice(finite_choices(field.annotation))


def _either(one: Choice, other: Choice) -> Choice:
    if one.values is None or other.values is None:
        return Choice(None, is_group=one.is_group and other.is_group)
    extra = tuple(value for value in other.values if value not in one.values)
    return Choice((*one.values, *extra), is_group=one.is_group and other.is_group)


def as_word(value: Any) -> object:
    """A value as it is shown and stored: a scalar as it is, anything else as compact JSON."""
    value = plain(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
