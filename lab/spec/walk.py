"""A way into the types: what an option's annotation says stands behind one more key."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from lab.spec.spec import Family, Spec


def stripped(annotation: Any) -> Any:
    """A type without its marks, and without `| None`."""
    if get_origin(annotation) is Annotated:
        return stripped(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return stripped(parts[0]) if len(parts) == 1 else annotation
    return annotation


def step(annotation: Any, key: str | int) -> Any:
    """The type behind a key; the same type where the key is not one of the file's but of pydantic's own."""
    annotation = stripped(annotation)
    spec, family = spec_of(annotation), family_of(annotation)
    if family is not None and annotation is family:
        return family.members.get(str(key), annotation)
    if spec is not None and annotation is spec:
        return spec.model_fields[str(key)].annotation if key in spec.model_fields else annotation
    if get_origin(annotation) is tuple and isinstance(key, int):
        inner = get_args(annotation)
        return inner[0] if inner[-1] is Ellipsis else inner[min(key, len(inner) - 1)]
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    return annotation


def spec_of(annotation: Any) -> type[Spec] | None:
    """The group of options a type speaks of, if it does."""
    return next((part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, Spec)), None)


def family_of(annotation: Any) -> type[Family] | None:
    """The family whose members a type leaves to choose from, if it does."""
    spec = spec_of(annotation)
    open_family = spec is not None and issubclass(spec, Family) and "kind" not in spec.model_fields
    return spec if open_family and spec is not None and issubclass(spec, Family) else None


def _parts(annotation: Any) -> Iterator[Any]:
    annotation = stripped(annotation)
    yield annotation
    for inner in get_args(annotation):
        yield from _parts(inner)
