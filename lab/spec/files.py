"""Files -> Experiment and StudyFile: read, checked against the menu and against each other, all mistakes at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from lab.errors import LabError, Place, choose, raise_all
from lab.spec.agree import disagreements, with_changes, with_goals, with_study
from lab.spec.design import Block, Design, Score
from lab.spec.document import Document, read_document
from lab.spec.experiment import Experiment
from lab.spec.places import Path as Way
from lab.spec.places import Places
from lab.spec.plugins import load_plugins
from lab.spec.problems import as_written, explain
from lab.spec.profiles import under_profile
from lab.spec.project import inside, project_root, shown
from lab.spec.spec import Spec
from lab.spec.study import Seeds, Study
from lab.spec.tasks import TASKS

SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
STUDY_ONLY = frozenset(Study.model_fields) - frozenset(Experiment.model_fields)
Read = TypeVar("Read", bound=Spec)
NEEDED = {"question": "?", "base": "?", "score": "cost.seconds"}
"""What stands in for keys that are refused or missing, while the rest is checked; every task has this score."""
PARTED = (("factors",), ("nuisance",), ("arms",), ("constraints",), ("claims",))
"""Keys whose parts the rest of the file can do without one by one."""
HARMLESS: Mapping[str | int, object] = {"design": "grid", "constraints": {"forbid": "false"}}


@dataclass(frozen=True)
class StudyFile:
    """A study as it is written: with its base, under one of its profiles, and with the place of each of its keys."""

    study: Study
    base: Experiment
    name: str
    """The study's name, with "-profile" behind it: what its records are filed under."""
    file: str = ""
    text: str = ""
    places: Places = field(default_factory=lambda: Places(""))
    profile: str = ""


def read_experiment(path: Path | str, *, root: Path | None = None) -> Experiment:
    """The experiment of a file; paths inside it start at the project's folder, `root`."""
    path, root = Path(path), root or project_root(Path(path))
    problems: list[LabError] = []
    experiment = _experiment(read_document(path, shown(path, root)), root, problems)
    raise_all(_each_once(problems))
    return _found(experiment)


def read_study(path: Path | str, *, profile: str | None = None, root: Path | None = None) -> StudyFile:
    """The study of a file under a profile, with the base it varies."""
    path, root = Path(path), root or project_root(Path(path))
    document, changes = under_profile(read_document(path, shown(path, root)), profile)
    problems = list(document.problems)
    base = _base(document, root, problems)
    study = _study(document, problems)
    if base is not None and changes:
        base = with_changes(base, changes, ("profiles", str(profile), "set"), document.places, problems)
    if study is not None and base is not None:
        problems += disagreements(study, base, document)
    name = _name(document, path, profile, problems)
    raise_all(_each_once(problems))
    study = with_goals(_found(study), _found(base))
    text, places = document.text, document.places
    return StudyFile(study, with_study(study, _found(base)), name, shown(path, root), text, places, profile or "")


def check_study(path: Path | str, *, root: Path | None = None) -> list[LabError]:
    """Every mistake of a study file, the plain file's and each profile's."""
    path, root = Path(path), root or project_root(Path(path))
    try:
        profiles = profiles_in(path)
    except LabError as error:
        return list(error.problems)
    problems: list[LabError] = []
    for profile in (None, *profiles):
        try:
            read_study(path, profile=profile, root=root)
        except LabError as error:
            problems += error.problems
    return _each_once(problems)


def profiles_in(path: Path | str) -> list[str]:
    """The names of a file's profiles, whatever else is wrong with it."""
    document = read_document(Path(path), shown(Path(path), project_root(Path(path))))
    profiles = document.data.get("profiles")
    return list(profiles) if isinstance(profiles, Mapping) else []


def kind_of(path: Path | str) -> Literal["study", "experiment"]:
    """What a file is, told by its keys: a study asks a question about a base."""
    document = read_document(Path(path), shown(Path(path), project_root(Path(path))))
    return "study" if STUDY_ONLY & document.data.keys() else "experiment"


def study_of_experiment(path: Path | str, *, root: Path | None = None) -> StudyFile:
    """An experiment as a plan of one cell: the base itself, with one seed, by the main score of its task."""
    path, root = Path(path), root or project_root(Path(path))
    base = read_experiment(path, root=root)
    document = read_document(path, shown(path, root))
    task, problems = TASKS[base.dataset.task], list[LabError]()
    main = next(iter(task.scores))
    study = Study(
        question=f"How does {path.stem} do?",
        base=shown(path, root),
        score=Score(name=f"valid.{main}", goal=task.goals[main]),
        design=Design(blocks=(Block(kind="grid"),)),
        seeds=Seeds(values=(0,)),
    )
    name = _name(document, path, None, problems)
    raise_all(problems)
    return StudyFile(study, base, name, document.places.file, document.text, document.places)


def _base(document: Document, root: Path, problems: list[LabError]) -> Experiment | None:
    """The experiment a study varies, with the study's own plug-ins loaded first."""
    _load(document, root, problems)
    said, where = document.data.get("base"), document.places.at("base")
    if not isinstance(said, str):
        return None
    try:
        path = inside(said, root)
        if not path.is_file():
            known = sorted(shown(file, root) for file in (root / "experiments").glob("*.yaml"))
            raise LabError(f"there is no file '{said}'", hint=choose(said, known))
        base = read_document(path, shown(path, root))
    except LabError as error:
        problems.append(error if error.where.file else LabError(error.what, where=where, hint=error.hint))
        return None
    if not base.data.keys() & {"dataset", "model"} and STUDY_ONLY & base.data.keys():
        problems.append(LabError(f"'{said}' is a study, not an experiment", where=where, hint="name what it varies"))
        return None
    return _experiment(base, root, problems)


def _experiment(document: Document, root: Path, problems: list[LabError]) -> Experiment | None:
    problems += document.problems
    _load(document, root, problems)
    try:
        return Experiment.model_validate(document.data)
    except ValidationError as error:
        problems += _beyond_reading(error, document, Experiment)
    return None


def _load(document: Document, root: Path, problems: list[LabError]) -> None:
    files = document.data.get("plugins")
    for index, file in enumerate(files if isinstance(files, list) else ()):
        try:
            load_plugins([file] if isinstance(file, str) else [], root)
        except LabError as error:
            where = error.where if error.where.file else document.places.at("plugins", index)
            problems.append(LabError(error.what, where=where, hint=error.hint))


def _study(document: Document, problems: list[LabError]) -> Study | None:
    """The study; where parts of it are refused, what is left of it, so that the rest is checked as well."""
    try:
        return Study.model_validate(document.data)
    except ValidationError as error:
        problems += _beyond_reading(error, document, Study)
        refused = [as_written(detail["loc"], document.data) for detail in error.errors()]
    data: Any = document.data
    for path in refused:
        data = _without(data, _expendable(path), HARMLESS.get(path[0]) if path else None)
    try:
        return Study.model_validate(NEEDED | data)
    except ValidationError:
        return None


def _expendable(path: Way) -> Way:
    """The smallest part of a study around a key that the rest of the study can do without."""
    if path[:1] == ("design",):
        items = [at for at, key in enumerate(path) if isinstance(key, int)]
        return path[: items[0] + 1] if items else path[:1]
    return path[:2] if path[:1] in PARTED else path[:1]


def _without(said: Any, path: Way, harmless: object) -> Any:
    """The same data less one part; in a list something harmless takes its place, so that lines stay right."""
    if not path:
        return said
    key, rest = path[0], path[1:]
    if isinstance(said, list):
        return [
            (_without(value, rest, harmless) if rest else harmless) if at == key else value
            for at, value in enumerate(said)
        ]
    if not isinstance(said, Mapping) or key not in said:
        return said
    inner = {key: _without(said[key], rest, harmless)} if rest else {}
    return {other: value for other, value in said.items() if other != key} | inner


def _beyond_reading(error: ValidationError, document: Document, spec: type[Spec]) -> list[LabError]:
    """What the types refuse, save what they say of values that could not be read in the first place."""
    told = {problem.where for problem in document.problems}
    found = explain(error, document.data, document.places, spec)
    return [problem for problem in found if problem.where not in told]


def _name(document: Document, path: Path, profile: str | None, problems: list[LabError]) -> str:
    said = document.data.get("study")
    name = said if isinstance(said, str) else path.stem
    for word, where in ((name, ("study",)), ("full" if profile is None else profile, ("profiles", str(profile)))):
        if SAFE_NAME.fullmatch(word) is None:
            hint = "use letters, digits, and . _ - in the names of studies and profiles"
            problems.append(LabError(f"'{word}' cannot name a folder", where=document.places.at(*where), hint=hint))
    return f"{name}-{profile}" if profile else name


def _each_once(problems: Iterable[LabError]) -> list[LabError]:
    """The same mistake is told once, however many profiles make it."""
    found: dict[tuple[Place, str], LabError] = {}
    for problem in problems:
        found.setdefault((problem.where, problem.what), problem)
    return list(found.values())


def _found(read: Read | None) -> Read:
    if read is None:
        raise AssertionError("what could not be read has been told as a mistake")
    return read
