"""The one mechanism for declaring options: a typed field of a Spec is declared once and used everywhere."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from lab.errors import LabError, choose

Level = Any
"""One setting of a factor: a number, a word, a truth value, or a tuple of those."""


@dataclass(frozen=True)
class Factor:
    """Marks a field whose choices may be ablated; `off` is the level that removes the part."""

    off: Any = None
    has_off: bool = True
    fuse: Literal["structure", "data"] = "structure"
    """Whether trials that differ in it only could share one vectorised loop (`data`) or not."""


def factor(*, fuse: Literal["structure", "data"] = "structure") -> Factor:
    """A factor without an off level."""
    return Factor(has_off=False, fuse=fuse)


def take_scalars_as_written(schema: Any) -> None:
    """Let no scalar turn into another: `yes` is a word and not a truth value, `true` is not 1, "3" is not 3."""
    if isinstance(schema, dict):
        if schema.get("type") in ("bool", "int", "float", "str"):
            schema["strict"] = True
        for inner in schema.values():
            take_scalars_as_written(inner)
    elif isinstance(schema, (list, tuple)):
        for inner in schema:
            take_scalars_as_written(inner)


class Spec(BaseModel):
    """A group of typed options. Unknown keys are refused and nothing changes after reading."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )

    version: ClassVar[int] = 1
    """Raised when a default changes its meaning, so that old records are never mistaken for new ones."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        take_scalars_as_written(schema)
        return schema

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        for name, field in cls.model_fields.items():
            if option_factor(field) is not None and finite_choices(field.annotation) is None:
                raise TypeError(
                    f"{cls.__name__}.{name}: Factor needs a finite type (Literal or bool), got {field.annotation!r}"
                )

    def content(self) -> dict[str, Any]:
        """What makes this spec itself: every option that differs from its default, and its version."""
        said: dict[str, Any] = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if isinstance(value, Spec):
                inner = value.content()
                if inner or field.is_required():
                    said[name] = inner
            elif field.is_required() or name == "kind" or value != _default(field):
                said[name] = plain(value)
        if self.version != 1:
            said["version"] = self.version
        return said

    def options(self) -> dict[str, Any]:
        """Every option with its value, defaults included, under dotted names."""
        found: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Spec):
                found |= {f"{name}.{key}": inner for key, inner in value.options().items()}
            else:
                found[name] = plain(value)
        return found


class Family(Spec):
    """A spec with variants told apart by `kind`; defining a variant registers it."""

    code: ClassVar[str] = ""
    """Where the variant's code lives, as "module:name"; imported by `build` and nowhere else."""

    members: ClassVar[dict[str, type[Family]]]
    noun: ClassVar[str] = "spec"

    @classmethod
    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if Family in cls.__bases__:
            cls.members = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.model_fields:
            register(cls)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "kind" in cls.model_fields or "members" not in vars(cls) or not cls.members:
            return super().__get_pydantic_core_schema__(source, handler)
        return core_schema.tagged_union_schema(
            choices={kind: handler.generate_schema(member) for kind, member in cls.members.items()},
            discriminator="kind",
        )

    @classmethod
    def named(cls, kind: str) -> type[Self]:
        """The variant of this kind."""
        if kind not in cls.members:
            raise LabError(f"there is no {cls.noun} '{kind}'", hint=choose(kind, cls.members))
        return cls.members[kind]  # type: ignore[return-value]

    def build(self, *arguments: Any) -> Any:
        """Call the code this spec orders: the one bridge from the menu to the kitchen."""
        return resolve(self.code)(self, *arguments)


def register(cls: type[Family]) -> None:
    """Put a variant on its family's menu; two of one kind are a mistake."""
    kind = str(cls.model_fields["kind"].default)
    known = cls.members.get(kind)
    if known is not None and defined_in(known) != defined_in(cls):
        raise LabError(
            f"two {cls.noun}s are called '{kind}': {defined_in(known)} and {defined_in(cls)}",
            hint="give one of them another kind",
        )
    cls.members[kind] = cls


def defined_in(cls: type) -> str:
    """The file a class was written in, as its module tells."""
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):
        return cls.__module__


def resolve(code: str) -> Any:
    """The object behind "module:name"."""
    module, _, name = code.partition(":")
    return getattr(importlib.import_module(module), name)


def finite_choices(annotation: Any) -> tuple[Any, ...] | None:
    """All values a type allows, or None when they cannot be listed."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return finite_choices(get_args(annotation)[0])
    if origin is Literal:
        return get_args(annotation)
    if annotation is bool:
        return (True, False)
    if annotation is type(None):
        return (None,)
    if origin in (Union, types.UnionType):
        parts = [finite_choices(part) for part in get_args(annotation)]
        return None if None in parts else tuple(value for part in parts if part for value in part)
    return None


def _default(field: FieldInfo) -> Any:
    """A field's default, without the copy that pydantic makes of it: it is only compared with."""
    return field.default if field.default_factory is None else field.get_default(call_default_factory=True)


def option_factor(field: FieldInfo) -> Factor | None:
    """The factor mark of a field, if it has one."""
    return next((mark for mark in field.metadata if isinstance(mark, Factor)), None)


_SCALARS = frozenset({bool, int, float, str})


def plain(value: Any) -> Any:
    """A value as JSON would hold it: tuples become lists, specs become mappings."""
    if value is None or type(value) in _SCALARS:
        return value
    if isinstance(value, Spec):
        return value.content()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    return value


def digest(content: object, *, length: int = 12) -> str:
    """A short name for a content: equal contents have equal names, whatever the order of their keys."""
    text = json.dumps(plain(content), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def fields_of(spec: type[Spec], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every option of a spec with its dotted name, groups opened, families left closed."""
    for name, field in spec.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, Spec) and not issubclass(inner, Family):
            yield from fields_of(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field
