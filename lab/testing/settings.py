"""Settings of a spec: one level changed, or all of them at will."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from lab.spec.models import ModelSpec
from lab.spec.spec import Spec, fields_of, finite_choices, option_factor

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

AnySpec = TypeVar("AnySpec", bound=Spec)


def settings_of(kind: type[AnySpec], fixed: Mapping[str, object]) -> SearchStrategy[AnySpec]:
    """A Hypothesis strategy over all settings of a spec: every finite option varies, the others are as told."""
    from hypothesis import strategies as st

    drawn: dict[str, SearchStrategy[object]] = {}
    for path, field in fields_of(kind):
        levels = finite_choices(field.annotation)
        if path in fixed:
            told = fixed[path]
            drawn[path] = told if isinstance(told, st.SearchStrategy) else st.just(told)
        elif levels is not None:
            drawn[path] = st.sampled_from(levels)
    made = st.fixed_dictionaries(drawn).map(lambda flat: _validated(kind, _nested(flat)))
    return made.filter(bool)  # type: ignore[return-value]


def one_changed(base: ModelSpec) -> Iterator[ModelSpec]:
    """Every level of every factor, changed alone, where that is allowed."""
    options = base.options()
    for path, field in fields_of(type(base)):
        if option_factor(field) is None:
            continue
        for level in finite_choices(field.annotation) or ():
            made = changed(base, path, level) if level != options[path] else None
            if made is not None:
                yield made


def changed(spec: AnySpec, path: str, level: object) -> AnySpec | None:
    """The spec with one option changed, or None where that is not allowed."""
    return _validated(type(spec), _nested({**spec.options(), path: level}))


def _validated(kind: type[AnySpec], options: Mapping[str, object]) -> AnySpec | None:
    try:
        return kind.model_validate(options)
    except ValidationError:
        return None


def _nested(flat: Mapping[str, object]) -> dict[str, object]:
    """Dotted names opened into groups."""
    opened: dict[str, object] = {}
    for path, value in flat.items():
        group, _, name = path.rpartition(".")
        inner = opened.setdefault(group, {}) if group else opened
        assert isinstance(inner, dict)
        inner[name] = value
    return opened


def named(spec: Spec) -> str:
    """A spec in an error message: its kind and what is not at its default."""
    said = {key: value for key, value in spec.content().items() if key != "kind"}
    return f"{getattr(spec, 'kind', type(spec).__name__)} {said or ''}".strip()
