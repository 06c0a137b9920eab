"""Whether a study and its base agree: paths lead to options, levels may stand there, scores exist."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.errors import LabError, Place, choose
from lab.spec.change import change, option_at, spelled
from lab.spec.design import Levels, Score
from lab.spec.document import Document
from lab.spec.experiment import STREAMS, Experiment
from lab.spec.places import Path, Places
from lab.spec.possible import Lack, lacking
from lab.spec.problems import as_written, show
from lab.spec.spec import Family, Spec, fields_of, finite_choices, option_factor, plain
from lab.spec.study import Study, Tuned
from lab.spec.tasks import TASKS, Task

KINDS = ("dataset", "dataset.kind", "model", "model.kind")
"""Options that bring others with them."""


def disagreements(study: Study, base: Experiment, document: Document) -> list[LabError]:
    """Everything the study says that its base has no place for."""
    return list(_Pair(study, base, document).problems())


def with_study(study: Study, base: Experiment) -> Experiment:
    """The base with what the study says of every run: probes, rules, stopping, plug-ins and unpaired streams."""
    said = {name: getattr(study, name) for name in ("probes", "rules", "recorder", "stop_run")}
    changes: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if "pair" in study.seeds.model_fields_set:
        changes["training.unpaired"] = [stream for stream in STREAMS if stream not in study.seeds.pair]
    plugins = tuple(dict.fromkeys((*base.plugins, *study.plugins)))
    return change(base, changes).model_copy(update={"plugins": plugins})


def with_goals(study: Study, base: Experiment) -> Study:
    """The study with the goal of every score written out: a loss is minimised unless the file says otherwise."""
    task = TASKS[base.dataset.task]
    blocks = tuple(
        block.model_copy(update={"objectives": tuple(_aimed(score, task) for score in block.objectives)})
        if block.objectives
        else block
        for block in study.design.blocks
    )
    design = study.design.model_copy(update={"blocks": blocks})
    return study.model_copy(update={"score": _aimed(study.score, task), "design": design})


def _aimed(score: Score, task: Task) -> Score:
    if "goal" in score.model_fields_set:
        return score
    return score.model_copy(update={"goal": task.goal_of(score.name)})


def with_changes(
    base: Experiment, changes: Mapping[str, Any], top: Path, places: Places, problems: list[LabError]
) -> Experiment | None:
    """The base with changes that stand at `top` in the file; what is wrong with them is added to the problems."""
    try:
        return change(base, changes)
    except LabError as error:
        problems += [_moved(each, changes, top, places) for each in error.problems]
    return None


def _moved(problem: LabError, changes: Iterable[str], top: Path, places: Places) -> LabError:
    """A mistake of a change, told where the change stands."""
    key = problem.where.key
    owner = max((path for path in changes if f"{key}.".startswith(f"{path}.")), key=len, default=None)
    if owner is None:
        return LabError(f"{key}: {problem.what}" if key else problem.what, where=places.inside(*top), hint=problem.hint)
    inner = key[len(owner) :].strip(".").split(".") if key != owner else ()
    return LabError(problem.what, where=places.inside(*top, owner, *inner), hint=problem.hint)


@dataclass(frozen=True)
class _Pair:
    study: Study
    base: Experiment
    document: Document

    def problems(self) -> Iterator[LabError]:
        yield from self._scores()
        for path, levels in self.study.factors.items():
            yield from self._factor(path, levels)
        for path, tuned in self.study.nuisance.items():
            yield from self._range(("nuisance", path), path, tuned)
        for name, changes in self.study.arms.items():
            yield from self._changes(changes, ("arms", name))
        for index, block in enumerate(self.study.design.blocks):
            if block.to:
                yield from self._changes(block.to, self._way("design", "blocks", index, "to"))
        for index, constraint in enumerate(self.study.constraints):
            if constraint.by is not None:
                yield from self._option(constraint.by, ("constraints", index, "by"))

    def _way(self, *loc: str | int) -> Path:
        return as_written(loc, self.document.data)

    def _at(self, way: Path) -> Place:
        return self.document.places.inside(*way)

    def _scores(self) -> Iterator[LabError]:
        task = TASKS.get(self.base.dataset.task)
        if task is None:
            asked = f"the dataset asks to {self.base.dataset.task}, which is no task"
            yield LabError(asked, where=self._at(("base",)), hint=choose(self.base.dataset.task, TASKS))
            return
        for where, name in self._named_scores():
            if not task.has(name):
                what = f"{task.name} has no score '{name}'"
                yield LabError(what, where=where, hint=choose(name, task.all_scores()))
            elif lack := lacking_everywhere(name, self.study, self.base):
                yield LabError(lack.what, where=where, hint=lack.mend)

    def _named_scores(self) -> Iterator[tuple[Place, str]]:
        """Every score that the study names, and where."""
        named: list[tuple[Path, Score]] = [(self._way("score"), self.study.score)]
        for index, block in enumerate(self.study.design.blocks):
            for number, score in enumerate(block.objectives or ()):
                named.append((self._way("design", "blocks", index, "objectives", number), score))
        for way, score in named:
            for key, name in (("name", score.name), ("final", score.final)):
                if name is not None:
                    yield self.document.places.at(*way, key), name
        for name, claim in self.study.claims.items():
            if claim.metric is not None:
                yield self._at(("claims", name, "metric")), claim.metric

    def _option(self, path: str, way: Path) -> Iterator[LabError]:
        try:
            option_at(self.base, path)
        except LabError as error:
            yield LabError(error.what, where=self._at(way), hint=error.hint)

    def _changes(self, changes: Mapping[str, Any], way: Path) -> Iterator[LabError]:
        problems: list[LabError] = []
        with_changes(self.base, changes, way, self.document.places, problems)
        yield from problems

    def _factor(self, path: str, levels: Levels) -> Iterator[LabError]:
        way: Path = ("factors", path)
        if levels.set is not None:
            for index, changes in enumerate(levels.set):
                yield from self._changes(changes, (*way, "set", index))
            return
        home = self._home(path, levels)
        missing = list(self._option(path, way)) if home is None else []
        if home is None or missing:
            yield from missing
        elif levels.is_range:
            yield from self._range(way, path, levels, home)
        elif isinstance(levels.values, str):
            yield from self._word(path, levels.values, home)
        else:
            yield from self._levels(path, levels, home)

    def _home(self, path: str, levels: Levels) -> Experiment | None:
        """The experiment an option is looked up in: the base; for a conditional one also the base's other kinds."""
        homes: tuple[Experiment, ...] = (self.base, *(self._other_kinds() if levels.when else ()))
        for experiment in homes:
            try:
                option_at(experiment, path)
            except LabError:
                continue
            return experiment
        return None

    def _other_kinds(self) -> Iterator[Experiment]:
        """The base with each level of those factors that switch kinds."""
        for path, levels in self.study.factors.items():
            if not path.endswith(".kind") and path not in ("model", "dataset"):
                continue
            values = levels.values
            if values == "all" and path.endswith(".kind"):
                values = tuple(type(self.base.get(path.removesuffix(".kind"))).members)
            for value in values if isinstance(values, tuple) else ():
                try:
                    yield change(self.base, {path: value})
                except LabError:
                    continue

    def _word(self, path: str, word: str, home: Experiment) -> Iterator[LabError]:
        where = self._at(("factors", path))
        mark = option_factor(option_at(home, path))
        if word == "off":
            if mark is None or not mark.has_off:
                marks = ((name, option_factor(field)) for name, field in _options(home))
                able = [name for name, found in marks if found is not None and found.has_off]
                yield LabError(f"{path} has no off level", where=where, hint=choose(path, able))
            elif plain(home.get(path)) == mark.off:
                yield LabError(f"{path} is off in the base: nothing varies", where=where, hint="list the levels")
        elif choices_of(home, path) is None:
            what = f"the values of {path} cannot be listed, so 'all' says nothing"
            yield LabError(what, where=where, hint="list the levels, as in [2, 4, 8]")

    def _levels(self, path: str, levels: Levels, home: Experiment) -> Iterator[LabError]:
        """Each level alone on the base; of a conditional factor only what the option itself refuses."""
        seen: dict[str, int] = {}
        for index, value in enumerate(levels.values or ()):
            way = self._level_way(path, index)
            try:
                value = change(home, {path: value}).get(path)
            except LabError as error:
                for each in error.problems:
                    if levels.when is None or f"{each.where.key}.".startswith(f"{path}."):
                        yield self._of_level(each, path, way)
                continue
            if repr(value) in seen:
                yield LabError(f"level {show(spelled(value))} is listed twice", where=self._at(way))
            seen[repr(value)] = index
        if list(seen) == [repr(home.get(path))] and len(levels.values or ()) == 1:
            what = "the only level is the base's own: nothing varies"
            yield LabError(what, where=self._at(("factors", path)), hint="list another level, or leave the factor out")

    def _of_level(self, problem: LabError, path: str, way: Path) -> LabError:
        """A mistake of one level: inside it, or between it and the rest of the base."""
        told = _moved(problem, (path,), (), Places(""))
        inner = told.where.key.removeprefix(path).strip(".")
        return LabError(told.what, where=self._at((*way, *inner.split(".")) if inner else way), hint=told.hint)

    def _level_way(self, path: str, index: int) -> Path:
        """A level stands in a list of its own or under `values`."""
        short: Path = ("factors", path, index)
        return short if short in self.document.places.known else ("factors", path, "values", index)

    def _range(
        self, way: Path, path: str, levels: Levels | Tuned, home: Experiment | None = None
    ) -> Iterator[LabError]:
        home = home or self.base
        missing = list(self._option(path, way)) if home is self.base else []
        yield from missing
        values = levels.values if isinstance(levels.values, tuple) else levels.range or levels.log or ()
        word = "values" if isinstance(levels.values, tuple) else "range" if levels.range else "log"
        for index, value in enumerate(() if missing else values):
            try:
                change(home, {path: _whole(value)})
            except LabError as error:
                for each in error.problems:
                    if each.where.key == path:
                        yield LabError(each.what, where=self._at((*way, word, index)), hint=each.hint)


def lacking_everywhere(score: str, study: Study, base: Experiment) -> Lack | None:
    """Why neither the base nor a change that the study makes on it can have a score; None where one might."""
    lack = lacking(score, base.dataset, base.model)
    try:
        for changes in _changes_made(study, base) if lack else ():
            if any(path in KINDS for path in changes):
                return None  # the options of another kind are not looked into
            changed = change(base, changes)
            if lacking(score, changed.dataset, changed.model) is None:
                return None
    except LabError:
        return None  # a change that does not stand alone: what it goes with may have the score
    return lack


def _changes_made(study: Study, base: Experiment) -> Iterator[Mapping[str, Any]]:
    """The changes of data and model that cells make, one by one; of ranges their ends."""
    varied: dict[str, Levels | Tuned] = {**study.factors, **study.nuisance}
    for path, levels in varied.items():
        yield from getattr(levels, "set", None) or ()
        if path.startswith(("dataset", "model")) and getattr(levels, "set", None) is None:
            yield from ({path: value} for value in _tried(path, levels, base))
    yield from study.arms.values()
    yield from (block.to for block in study.design.blocks if block.to)


def _tried(path: str, levels: Levels | Tuned, base: Experiment) -> tuple[Any, ...]:
    if isinstance(levels.values, str):
        return choices_of(base, path) or ()
    return tuple(_whole(value) for value in levels.values or levels.range or levels.log or ())


def _whole(value: Any) -> Any:
    """The ends of ranges are read as floats, also those of whole numbers."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def choices_of(experiment: Experiment, path: str) -> tuple[Any, ...] | None:
    """Every value an option may take, or None where they cannot be listed."""
    owner, _, name = path.rpartition(".")
    group = experiment.get(owner) if owner else experiment
    if name == "kind" and isinstance(group, Family):
        return tuple(type(group).members)
    return finite_choices(option_at(experiment, path).annotation)


def _options(experiment: Experiment) -> Iterator[tuple[str, Any]]:
    for name in type(experiment).model_fields:
        value = getattr(experiment, name)
        if isinstance(value, Spec):
            yield from ((f"{name}.{key}", field) for key, field in fields_of(type(value)))
