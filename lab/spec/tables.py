"""The types -> tables of what there is to choose from: in the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from lab.errors import LabError, choose
from lab.spec import schema
from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment, StopRun, Training
from lab.spec.models import ModelSpec
from lab.spec.models.model import ModelSpec as AnyModel
from lab.spec.probes import ProbeSpec
from lab.spec.problems import yaml_word
from lab.spec.recorder import FlightRecorder
from lab.spec.rules import RuleSpec
from lab.spec.spec import Family, Spec, fields_of, finite_choices, option_factor
from lab.spec.study import Study
from lab.spec.tasks import COSTS, COURSE, TASKS
from lab.spec.walk import family_of, spec_of
from lab.spec.words import choices_text, default_text

FAMILIES: dict[str, type[Family]] = {
    "models": ModelSpec,
    "datasets": DatasetSpec,
    "probes": ProbeSpec,
    "rules": RuleSpec,
}
OPTION_COLUMNS = ("option", "choices", "default", "off", "meaning")


@dataclass(frozen=True)
class Table:
    """Rows under a heading, with a sentence about them."""

    title: str
    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def show(name: str) -> tuple[Table, ...]:
    """What there is under a name: a menu, a kind, or one option of a kind."""
    if name in FAMILIES:
        return (_menu(name),)
    if name in _GROUPS:
        return _GROUPS[name]()
    kind, _, option = name.partition(".")
    members = [family.members[kind] for family in FAMILIES.values() if kind in family.members]
    if not members:
        raise LabError(f"there is nothing called '{name}'", hint=choose(name, names(), limit=40))
    if option:
        return tuple(_option(member, kind, option) for member in members)
    return tuple(_kind(member) for member in members)


def names() -> list[str]:
    """Everything that can be shown."""
    return [*FAMILIES, *_GROUPS, *(kind for family in FAMILIES.values() for kind in family.members)]


def print_show(name: str, *, as_json: bool = False) -> int:
    """Print the tables under a name."""
    found = show(name)
    if as_json:
        sys.stdout.write(json.dumps([asdict(table) for table in found], indent=1, ensure_ascii=False) + "\n")
        return 0
    render(found)
    return 0


def render(tables: tuple[Table, ...]) -> None:
    """Draw tables in the terminal, as wide as it is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as Drawn
    from rich.text import Text

    console = Console(highlight=False)
    for table in tables:
        drawn = Drawn(box=box.SIMPLE_HEAD, title=Text(table.title, "bold"), title_justify="left")
        drawn.caption, drawn.caption_justify = Text(table.says), "left"
        shown = [index for index in range(len(table.columns)) if any(row[index] for row in table.rows)]
        for index in shown:
            drawn.add_column(table.columns[index], overflow="fold", no_wrap=index == 0)
        for row in table.rows:
            drawn.add_row(*(Text(row[index]) for index in shown))
        console.print(drawn)


def markdown_reference() -> str:
    """Every word of both files, as one Markdown page."""
    parts = ["# Reference", "Written from the types by `lab`; the same text is in the editor and in `lab show`."]
    parts += ["## The study file", *map(_markdown, _study()), "## The experiment file"]
    parts += [
        _markdown(table) for group in ("experiment", "training", "stop_run", "recorder") for table in _GROUPS[group]()
    ]
    for name, family in FAMILIES.items():
        parts += [f"## {name.capitalize()}", _markdown(_menu(name))]
        parts += [_markdown(_kind(member)) for _, member in sorted(family.members.items())]
    parts += ["## Tasks and scores", *map(_markdown, _tasks())]
    return "\n\n".join(parts) + "\n"


def write_schemas(folder: Path) -> list[Path]:
    """Write the JSON Schemas of both kinds of file."""
    return schema.write_schemas(folder)


def _markdown(table: Table) -> str:
    shown = [index for index in range(len(table.columns)) if any(row[index] for row in table.rows)]
    lines = [f"### {table.title}", "", table.says, ""]
    if table.rows:
        lines.append("| " + " | ".join(table.columns[index] for index in shown) + " |")
        lines.append("|" + "---|" * len(shown))
    for row in table.rows:
        lines.append("| " + " | ".join(row[index].replace("|", "\\|") for index in shown) + " |")
    return "\n".join(lines).strip()


def _menu(name: str) -> Table:
    members = sorted(FAMILIES[name].members.items())
    rows = tuple((kind, _about(member), _summary(member)) for kind, member in members)
    return Table(name, "`lab show KIND` tells the options of one.", ("kind", _ABOUT[name], "meaning"), rows)


_ABOUT = {"models": "tasks", "datasets": "task", "probes": "read", "rules": "reads"}


def _about(member: type[Family]) -> str:
    if issubclass(member, AnyModel):
        return ", ".join(member.tasks)
    if issubclass(member, DatasetSpec):
        return member.task
    if issubclass(member, ProbeSpec):
        return f"{member.moment}, {member.cost}"
    return member.reads if issubclass(member, RuleSpec) else ""


def _kind(member: type[Family]) -> Table:
    fields = ((name, field) for name, field in fields_of(member) if name != "kind")
    kind = str(member.model_fields["kind"].default)
    return Table(f"{member.noun} {kind}", _doc(member), OPTION_COLUMNS, tuple(_row(*each) for each in fields))


def _option(member: type[Family], kind: str, option: str) -> Table:
    fields = dict(fields_of(member))
    if option not in fields:
        what = f"'{kind}' has no option '{option}'"
        raise LabError(what, hint=choose(option, [name for name in fields if name != "kind"], limit=40))
    field, mark = fields[option], option_factor(fields[option])
    choices = finite_choices(field.annotation)
    default = field.get_default(call_default_factory=True)
    rows = tuple(
        (
            yaml_word(choice),
            "default" if choice == default else "",
            "off" if mark is not None and mark.has_off and choice == mark.off else "",
        )
        for choice in choices or ()
    ) or ((choices_text(field), f"default {default_text(field)}", ""),)
    return Table(f"{member.noun} {kind}.{option}", _text(field), ("choice", "default", "off"), rows)


def _row(name: str, field: FieldInfo) -> tuple[str, ...]:
    mark = option_factor(field)
    off = yaml_word(mark.off) if mark is not None and mark.has_off else ""
    return (name, choices_text(field), default_text(field), off, _text(field))


def _group(spec: type[Spec], title: str) -> Callable[[], tuple[Table, ...]]:
    def tables() -> tuple[Table, ...]:
        says = f"{_doc(spec)} {_short_form(spec)}".strip()
        return (Table(title, says, OPTION_COLUMNS, tuple(_row(*each) for each in spec.model_fields.items())),)

    return tables


def _short_form(spec: type[Spec]) -> str:
    """What the validator that takes a shorthand says of it."""
    said = _in_one_line(getattr(getattr(spec, "_shorthand", None), "__doc__", None))
    return f"Written short: {said[0].lower()}{said[1:]}" if said else ""


def _study() -> tuple[Table, ...]:
    """The study's own words, then those of each of its groups."""
    found = {spec.__name__: spec for field in Study.model_fields.values() for spec in _groups_in(field.annotation)}
    groups = [(spec, _title(spec)) for spec in found.values()]
    return (*_group(Study, "study")(), *(table for each in groups for table in _group(*each)()))


def _title(spec: type[Spec]) -> str:
    """The key of a study that a group stands behind."""
    for name, field in Study.model_fields.items():
        if spec_of(field.annotation) is spec:
            return name
    return "design block" if spec.__name__ == "Block" else spec.__name__.lower()


def _groups_in(annotation: Any) -> Iterator[type[Spec]]:
    spec = spec_of(annotation)
    if spec is None or family_of(annotation) is not None or spec in (StopRun, FlightRecorder):
        return
    inner = [found for field in spec.model_fields.values() for found in _groups_in(field.annotation)]
    yield from ([] if spec.__name__ == "Design" else [spec])
    yield from (found for found in inner if found is not spec)


def _tasks() -> tuple[Table, ...]:
    tables = [
        Table(
            task.name,
            f"{task.says.capitalize()}. A score is named with its split: train, valid or test, as in valid.acc.",
            ("score", "goal", "meaning"),
            tuple((name, task.goals.get(name, "max"), says) for name, says in task.scores.items()),
        )
        for task in TASKS.values()
    ]
    always = (("costs", "What a trial took; every task has these.", COSTS), ("course", "How a trial went.", COURSE))
    heads = ("score", "goal", "meaning")
    told = (
        Table(title, says, heads, tuple((name, "min", meaning) for name, meaning in scores.items()))
        for title, says, scores in always
    )
    return (*tables, *told)


_GROUPS: dict[str, Callable[[], tuple[Table, ...]]] = {
    "tasks": _tasks,
    "experiment": _group(Experiment, "experiment"),
    "training": _group(Training, "training"),
    "stop_run": _group(StopRun, "stop_run"),
    "recorder": _group(FlightRecorder, "recorder"),
    "study": _study,
}


def _text(field: FieldInfo) -> str:
    return _in_one_line(field.description)


def _doc(spec: type[Spec]) -> str:
    return _in_one_line(spec.__doc__)


def _summary(spec: type[Spec]) -> str:
    """The first paragraph of what a spec says of itself."""
    return _in_one_line((spec.__doc__ or "").partition("\n\n")[0])


def _in_one_line(text: str | None) -> str:
    return " ".join((text or "").split())
