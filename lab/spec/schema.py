"""The types -> JSON Schemas that let an editor complete and check experiment and study files, shorthands included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from lab.spec.claims import LONGEST
from lab.spec.experiment import Experiment
from lab.spec.probes import LEVELS
from lab.spec.profiles import FIXED, MERGED
from lab.spec.rules import RuleSpec
from lab.spec.spec import Spec, fields_of, finite_choices, option_factor
from lab.spec.study import MOST_SEEDS, Study
from lab.spec.tasks import TASKS, pattern_of
from lab.spec.walk import family_of, spec_of, stripped

Schema = dict[str, Any]
FileKind = Literal["experiment", "study"]

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The dialect that editors know best."""
ANYTHING: Schema = {"type": "object", "additionalProperties": True}
DURATION: Schema = {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*[smhd]\s*$"}


def json_schema(kind: FileKind) -> Schema:
    """The schema of one kind of file."""
    spec: type[Spec] = Study if kind == "study" else Experiment
    schema = _plain(spec.model_json_schema())
    known = schema["$defs"]
    known["FlightRecorder"] = _either({"const": "off"}, known["FlightRecorder"])
    schema["properties"]["probes"] = _leveled(schema["properties"]["probes"])
    _offer_rules(schema)
    if kind == "study":
        _accept_shorthands(schema)
    return {"$schema": DIALECT, "title": f"A lab {kind}", **schema}


def schema_text(kind: FileKind) -> str:
    """The schema as the file that ships."""
    return json.dumps(json_schema(kind), indent=1, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write both schemas into a folder, where a file's first line can point an editor at them."""
    kinds: tuple[FileKind, ...] = ("experiment", "study")
    paths = [folder / f"{kind}.schema.json" for kind in kinds]
    folder.mkdir(parents=True, exist_ok=True)
    for kind, path in zip(kinds, paths, strict=True):
        path.write_text(schema_text(kind), encoding="utf-8")
    return paths


def _plain(schema: Any) -> Any:
    """Pydantic's schema in the editors' dialect: no titles, texts in one line, kinds that must be said."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _plain(value) for key, value in schema.items() if key not in ("title", "discriminator")}
    if isinstance(schema.get("properties"), dict):
        found["properties"] = {key: _plain(value) for key, value in schema["properties"].items()}
        if "const" in found["properties"].get("kind", {}):
            found["required"] = sorted({*found.get("required", ()), "kind"})
            del found["properties"]["kind"]["default"]
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(found["description"].split())
    if "gt" in found:
        found["exclusiveMinimum"] = found.pop("gt")
    if "prefixItems" in found:
        found["items"] = found.pop("prefixItems")
    return found


def _accept_shorthands(schema: Schema) -> None:
    """What `mode="before"` validators take is not in pydantic's schema; here it is said once more, for editors."""
    known, words = schema["$defs"], schema["properties"]
    _offer_paths(known, words)
    _offer_scores(known)
    _offer_seeds(known)
    known["Claim"]["properties"]["metric"]["anyOf"][0] = _ref("ScoreName")
    known["Claim"] = _either({"type": "string", "minLength": 1, "maxLength": LONGEST}, known["Claim"])
    known["LevelsInFull"] = known["Levels"]
    known["Levels"] = {"anyOf": [{"type": "array", "minItems": 1}, {"enum": ["all", "off"]}, _ref("LevelsInFull")]}
    known["BlockOptions"] = _without_kind(known["Block"])
    known["Design"], known["Block"] = _design(known["Block"]), _block(known["Block"])
    known["Budget"]["properties"]["per_run"]["anyOf"].insert(0, DURATION)
    words["profiles"]["additionalProperties"] = _profile(words)


def _offer_paths(known: Schema, words: Schema) -> None:
    """Complete dotted paths, and the values behind them, wherever a study names some."""
    paths = option_paths()
    known |= {f"Value.{path}": _value(fields) for path, fields in paths.items()}
    known |= {f"Levels.{path}": _levels(path, fields) for path, fields in paths.items()}
    _point_at_changes(known)
    known["Changes"] = {"type": "object", "properties": {path: _ref(f"Value.{path}") for path in paths}}
    words["arms"]["additionalProperties"] = _ref("Changes")
    words["nuisance"]["properties"] = {path: _ref("Tuned") for path in paths}
    words["factors"]["properties"] = {path: _ref(f"Levels.{path}") for path in paths}


def _offer_scores(known: Schema) -> None:
    names = [name for task in TASKS.values() for name in task.all_scores()]
    plain = [name for name in dict.fromkeys(names) if "<" not in name]
    classes = (pattern_of(re.escape(name)) for name in dict.fromkeys(names) if "<" in name)
    known["ScoreName"] = {"anyOf": [{"enum": plain}, {"type": "string", "pattern": f"^({'|'.join(classes)})$"}]}
    options = known["Score"]["properties"]
    options["name"] = _ref("ScoreName") | {"description": options["name"]["description"]}
    options["final"]["anyOf"][0] = _ref("ScoreName")
    known["Score"] = _either(_ref("ScoreName"), known["Score"])


def _leveled(schema: Schema) -> Schema:
    """A list of probes in which levels may stand, or one level."""
    level: Schema = {"enum": list(LEVELS)}
    listed = schema["anyOf"][0] if "anyOf" in schema else schema
    items = {"anyOf": [level, listed["items"]]}
    forms = [level, {"type": "array", "items": items}, *schema.get("anyOf", ())[1:]]
    return {"description": schema["description"], "anyOf": forms}


def _offer_seeds(known: Schema) -> None:
    options = known["Seeds"]["properties"]
    forms = [{"type": "integer", "minimum": 1, "maximum": MOST_SEEDS}, options["values"]]
    options["values"] = {"anyOf": forms, "description": "How many, or which."}
    known["Seeds"] = _either(*forms, known["Seeds"])


def _offer_rules(schema: Schema) -> None:
    """A word, a list of rules, or all of them with changes by kind."""
    known, words = schema["$defs"], schema["properties"]
    names = {kind: rule.__name__ for kind, rule in RuleSpec.members.items() if rule.__name__ in known}
    for kind, name in names.items():
        known[f"Changes.{kind}"] = {"anyOf": [{"const": "off"}, _without_kind(known[name])]}
    changes = {"type": "object", "properties": {kind: _ref(f"Changes.{kind}") for kind in names}}
    full = words["rules"]
    listed = next(form for form in full.get("anyOf", [full]) if form.get("type") == "array")
    items = {"anyOf": [{"enum": ["all", *names]}, listed["items"]]}
    forms = [{"enum": ["all", "off"]}, {"type": "array", "items": items}, changes | {"additionalProperties": False}]
    forms += [form for form in full.get("anyOf", ()) if form.get("type") == "null"]
    words["rules"] = {"description": full["description"], "default": full.get("default"), "anyOf": forms}


def option_paths() -> dict[str, list[FieldInfo]]:
    """Every dotted path that a factor may vary, with its declarations: one for each kind that has it."""
    found: dict[str, list[FieldInfo]] = {}
    for path, field in _option_paths():
        found.setdefault(path, []).append(field)
    return found


def _option_paths() -> Iterator[tuple[str, FieldInfo]]:
    for section, field in Experiment.model_fields.items():
        spec = spec_of(field.annotation)
        if spec is None or stripped(field.annotation) is not spec:
            continue
        family = family_of(spec)
        for member in family.members.values() if family is not None else (spec,):
            yield from fields_of(member, f"{section}.")


def _value(fields: list[FieldInfo]) -> Schema:
    """The schema of an option's value, whichever kind it belongs to."""
    schemas = [_plain(TypeAdapter(_annotation(field)).json_schema()) for field in fields]
    merged = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
    if all("const" in schema for schema in merged):
        return {"enum": [schema["const"] for schema in merged]}
    text = next((field.description for field in fields if field.description), "")
    choices = merged[0] if len(merged) == 1 else {"anyOf": merged}
    return {"description": " ".join(text.split()), **choices}


def _annotation(field: FieldInfo) -> Any:
    bounds = tuple(mark for mark in field.metadata if mark is not option_factor(field))
    return Annotated[(field.annotation, *bounds)] if bounds else field.annotation


def _levels(path: str, fields: list[FieldInfo]) -> Schema:
    text = next((field.description for field in fields if field.description), "")
    marks = [option_factor(field) for field in fields]
    words = ["all"] if any(finite_choices(field.annotation) for field in fields) else []
    words += ["off"] if any(mark is not None and mark.has_off for mark in marks) else []
    forms: list[Schema] = [{"type": "array", "minItems": 1, "items": _ref(f"Value.{path}")}]
    forms += [{"enum": words}] if words else []
    return {"description": " ".join(text.split()), "anyOf": [*forms, _ref("LevelsInFull")]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _either(*forms: Schema) -> Schema:
    """One of several forms, under the text of the full one."""
    full = dict(forms[-1])
    text = full.pop("description", "")
    return {"description": text, "anyOf": [*forms[:-1], full]}


def _block(full: Schema) -> Schema:
    return _either(_kinds(full), _short(full), full)


def _design(block: Schema) -> Schema:
    """A word, a block, a block with `also`, or a list of blocks."""
    blocks = {"type": "array", "items": _ref("Block"), "minItems": 1}
    more = {"type": "array", "items": _ref("Block")}
    also = {"description": "More blocks; cells that are equal are one cell.", "anyOf": [more, _ref("Block")]}
    forms = [{**form, "properties": {**form["properties"], "also": also}} for form in (_short(block), block)]
    forms[0]["maxProperties"] = 2
    listed = {"type": "object", "properties": {"blocks": blocks}, "required": ["blocks"], "additionalProperties": False}
    return {"description": "Which cells are run.", "anyOf": [_kinds(block), *forms, blocks, listed]}


def _kinds(block: Schema) -> Schema:
    return {"enum": block["properties"]["kind"]["enum"]}


def _short(block: Schema) -> Schema:
    """{grid: [a, b]} or {path: {to: ...}}: the block's kind as its only key."""
    body = {"anyOf": [{"type": "array", "items": {"type": "string"}}, _ref("BlockOptions")]}
    kinds = [*block["properties"]["kind"]["enum"], "full"]
    short: Schema = {"type": "object", "properties": dict.fromkeys(kinds, body), "additionalProperties": False}
    return short | {"minProperties": 1, "maxProperties": 1}


def _without_kind(block: Schema) -> Schema:
    inner = {key: value for key, value in block["properties"].items() if key != "kind"}
    return {"type": "object", "properties": inner, "additionalProperties": False}


def _profile(words: Schema) -> Schema:
    """Every key of the study, none of them needed; null takes a key away."""
    own = {key: _or_null(value, merged=key in MERGED) for key, value in words.items() if key not in FIXED}
    changes = {**_ref("Changes"), "description": "Options of the base to change, as dotted paths."}
    return {"type": "object", "properties": {**own, "set": changes}, "additionalProperties": False}


def _or_null(schema: Schema, *, merged: bool) -> Schema:
    inner = {key: value for key, value in schema.items() if key not in ("default", "description")}
    if merged and "properties" in inner:
        inner["properties"] = {key: {"anyOf": [value, {"type": "null"}]} for key, value in inner["properties"].items()}
    if merged and isinstance(inner.get("additionalProperties"), dict):
        inner["additionalProperties"] = {"anyOf": [inner["additionalProperties"], {"type": "null"}]}
    return {"description": schema.get("description", ""), "anyOf": [inner, {"type": "null"}]}


def _point_at_changes(schema: Any) -> None:
    """Wherever any mapping may stand, it is one of changes on the base."""
    inner = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    for key, value in list(inner):
        if value == ANYTHING:
            schema[key] = _ref("Changes")
        elif key != "Changes":
            _point_at_changes(value)
