"""Changes on an experiment: dotted paths with new values in, a complete and validated experiment out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from lab.errors import LabError, Place, choose, raise_all
from lab.spec.experiment import Experiment
from lab.spec.places import Places
from lab.spec.problems import explain, no_option
from lab.spec.spec import Family, Spec, fields_of
from lab.spec.walk import family_of, spec_of, stripped

FIXED = ("lab", "plugins")
"""What says how a file is read, and hence is no option of a run."""


def change(experiment: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """The experiment with these options changed, and no other.

    A whole section ("model") is replaced; "model.kind" keeps every option that the new kind also has. Whatever
    their order, wider changes are made first, so that "model.width" is read as a change of the new model.
    """
    said = spelled(experiment)
    problems: list[LabError] = []
    for path in sorted(changes, key=lambda path: (path.count("."), not path.endswith("kind"))):
        try:
            _put(said, path, spelled(changes[path]))
        except LabError as problem:
            problems.append(problem)
    try:
        changed = Experiment.model_validate(said)
    except ValidationError as error:
        for each in explain(error, said, Places(""), Experiment):
            problems.append(LabError(each.what, where=Place(key=each.where.key), hint=each.hint))
    raise_all(problems)
    return changed


def spelled(value: Any) -> Any:
    """A spec as a file would spell it, with every option written out."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, Spec):
        return {name: spelled(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        return {str(key): spelled(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [spelled(inner) for inner in value]
    return value


def option_at(experiment: Experiment, path: str) -> FieldInfo:
    """The declaration of an option; a path that leads nowhere is a mistake with its nearest match."""
    _, spec, name = _locate(spelled(experiment), path)
    return spec.model_fields[name]


def _put(said: dict[str, Any], path: str, value: Any) -> None:
    group, _, name = path.rpartition(".")
    if name == "kind" and group:
        section, spec, last = _locate(said, group)
        family = family_of(spec.model_fields[last].annotation)
        if family is not None and isinstance(section[last], dict):
            _switch_kind(section[last], family, value, path)
            return
    section, _, name = _locate(said, path)
    section[name] = value


def _locate(said: dict[str, Any], path: str) -> tuple[dict[str, Any], type[Spec], str]:
    """Where a path leads: the section as it is spelled, the section's type, and the option in it."""
    *groups, name = path.split(".")
    section: dict[str, Any] = said
    spec: type[Spec] = Experiment
    for group in groups:
        inner = _group(section, spec, group, path)
        section = section[group]
        family = family_of(inner)
        spec = inner if family is None else _named(family, section.get("kind"), path)
    if name not in spec.model_fields or (spec is Experiment and name in FIXED):
        raise unknown_option(spec, name, path)
    return section, spec, name


def _group(section: dict[str, Any], spec: type[Spec], group: str, path: str) -> type[Spec]:
    """The type of a group inside a section."""
    if group not in spec.model_fields:
        raise unknown_option(spec, group, path)
    inner = stripped(spec.model_fields[group].annotation)
    if not isinstance(inner, type) or not issubclass(inner, Spec) or not isinstance(section[group], dict):
        raise LabError(f"'{group}' has no options of its own", where=Place(key=path), hint=f"change {group} as a whole")
    return inner


def _named(family: type[Family], kind: object, path: str) -> type[Spec]:
    if not isinstance(kind, str) or kind not in family.members:
        hint = choose(kind, family.members)
        raise LabError(f"there is no {family.noun} '{kind}'", where=Place(key=path), hint=hint)
    return family.members[kind]


def _switch_kind(section: dict[str, Any], family: type[Family], kind: object, path: str) -> None:
    """Keep what both kinds have; what only the new one has is at its default."""
    new, old = _named(family, kind, path), family.members.get(str(section.get("kind")))
    if old is not None:
        _write_out(section, old)
    for name in [name for name in section if name not in new.model_fields]:
        del section[name]
    _write_out(section, new)
    section["kind"] = kind


def _write_out(section: dict[str, Any], spec: type[Spec]) -> None:
    """Write the defaults of what a section does not say."""
    for name, field in spec.model_fields.items():
        if not field.is_required():
            section.setdefault(name, spelled(field.get_default(call_default_factory=True)))


def unknown_option(spec: type[Spec], name: str, path: str) -> LabError:
    """The mistake of naming an option that is not there, with the nearest one that is."""
    if spec is not Experiment:
        options = [option for option in spec.model_fields if option != "kind"]
        return LabError(no_option(spec, name), where=Place(key=path), hint=choose(name, options))
    sections = [section for section in Experiment.model_fields if section not in FIXED]
    homes = [f"{section}.{name}" for section in sections if name in _all_options(section)]
    hint = f"did you mean {' or '.join(homes)}?" if homes else choose(name, sections)
    return LabError(f"'{name}' is no section of an experiment", where=Place(key=path), hint=hint)


def _all_options(section: str) -> set[str]:
    """The options a section has, whichever kind it is of."""
    spec = spec_of(Experiment.model_fields[section].annotation)
    if spec is None or stripped(Experiment.model_fields[section].annotation) is not spec:
        return set()
    members = spec.members.values() if family_of(spec) is not None and issubclass(spec, Family) else [spec]
    return {name for member in members for name, _ in fields_of(member)}
