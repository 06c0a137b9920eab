"""Cell, Trial and Plan: the units of comparing, of running, and of a study as a whole."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property

from lab.plan.asked import Asked, Asking, claims_hash
from lab.plan.extension import Extension, seeds_of
from lab.spec.design import Block
from lab.spec.experiment import Experiment
from lab.spec.spec import Level, digest, plain
from lab.spec.study import Study, Tuned


@dataclass(frozen=True)
class Cell:
    """One combination of levels and the complete experiment it stands for."""

    levels: Mapping[str, Level]
    """Factor -> level as shown and stored: a plain value, or the label of a list or linked level."""
    experiment: Experiment
    tuned: Mapping[str, Tuned] = field(default_factory=dict)
    """Nuisance options, found by this cell's own tuning trials before its compared ones start."""
    name: str = ""
    """The arm's or path step's own name, when it has one."""

    @cached_property
    def id(self) -> str:
        """The digest of the content: equal cells are one cell, in this study and in every other."""
        content: dict[str, object] = self.experiment.content()
        if self.tuned:
            content |= {"tuned": {path: spec.content() for path, spec in self.tuned.items()}}
        return digest(content)

    @property
    def label(self) -> str:
        """How a reader is told of it."""
        return self.name or labelled(self.levels)


@dataclass(frozen=True)
class Trial:
    """A cell with a seed: the unit of work and of resuming."""

    cell: Cell
    seed: int
    repeat: int = 0
    """Above zero for the re-runs that measure the noise floor."""

    @cached_property
    def id(self) -> str:
        """Known by content: "<cell id>-<seed>"."""
        return f"{self.cell.id}-{self.seed}" + (f"r{self.repeat}" if self.repeat else "")


@dataclass(frozen=True)
class Plan:
    """All of a study's cells and trials, in the order they are run: seed by seed, so that pairs fill up together."""

    name: str
    """The study's name with its profile: what records, MLflow and Optuna file it under."""
    study: Study
    cells: tuple[Cell, ...]
    reference: Cell
    """The base itself, which every effect is a difference to."""
    skipped: frozenset[str] = frozenset()
    """Ids of trials that are done."""
    search: Block | None = None
    """The search block, whose cells only a sampler knows."""
    notes: tuple[str, ...] = ()
    """What a reader should know: merged cells, forbidden combinations, aliases, options without meaning."""
    aliases: tuple[tuple[str, ...], ...] = ()
    """Groups of main effects and two-factor interactions ("a", "a x b") that a fraction cannot tell apart."""
    source: str = ""
    """The study file's text."""
    file: str = ""
    profile: str = ""
    claims: tuple[Asked, ...] = ()
    """What is claimed, as these cells can answer it."""
    extension: Extension | None = None
    """When to go on beyond the planned seeds."""
    extra: tuple[Trial, ...] = ()
    """Trials of seeds beyond the planned ones, for claims that were not decided yet."""

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """What is to do, seed by seed, then the noise floor."""
        return tuple(trial for trial in self.all_trials if trial.id not in self.skipped)

    @cached_property
    def all_trials(self) -> tuple[Trial, ...]:
        """Everything the study is made of, done or not."""
        return tuple(self._enumerate())

    def _enumerate(self) -> Iterator[Trial]:
        seeds = self.study.seeds
        for seed in seeds.values:
            for cell in self.cells:
                yield Trial(cell, seed)
        for repeat in range(1, seeds.noise_floor + 1):
            yield Trial(self.reference, seeds.values[0], repeat)
        yield from self.extra

    def told(self, cell: Cell) -> str:
        """How a cell is told to a reader, as reports do: its own name, or what it changes about the base."""
        if cell.name or cell.id == self.reference.id:
            return cell.name or "the base"
        base = self._base_levels()
        changed = {key: level for key, level in cell.levels.items() if base.get(key, level) != level}
        return labelled(changed or cell.levels)

    def without(self, done: Set[str]) -> Plan:
        """The same plan with these trials done."""
        return replace(self, skipped=self.skipped | done)

    def _base_levels(self) -> Mapping[str, Level]:
        """The base's level of every factor, also of those that exist only elsewhere."""
        levels = dict(self.reference.levels)
        for name in self.study.factors:
            with suppress(AttributeError):
                levels.setdefault(name, self.reference.experiment.get(name))
        return levels

    @property
    def command(self) -> str:
        """What a person types to run it, or to go on with it."""
        profile = ["-p", self.profile] if self.profile else []
        return shlex.join(["lab", "run", self.file, *profile]) if self.file else ""

    @property
    def asking(self) -> Asking:
        """The claims with the rule they are tested by."""
        planned = len(self.study.seeds.values)
        looks = self.extension.looks if self.extension is not None else (planned,)
        return Asking(
            claims=self.claims,
            test=self.study.test,
            seeds=seeds_of(self.study, looks[-1]),
            planned=planned,
            looks=looks,
            rounds=self.extension.rounds if self.extension is not None else 1,
            extra=tuple(trial.id for trial in self.extra),
            hash=claims_hash(self.study),
        )

    def outline(self) -> dict[str, object]:
        """What a report needs of the plan, as plain data, kept beside the records."""
        score = self.study.score
        return {
            "name": self.name,
            "question": self.study.question,
            "file": self.file,
            "command": self.command,
            "source": self.source,
            "score": score.options(),
            "factors": list(self.study.factors),
            "reference": self.reference.id,
            "base": plain(self._base_levels()),
            "cells": [{"id": cell.id, "label": cell.label, "levels": plain(cell.levels)} for cell in self.cells],
            "trials": [trial.id for trial in self.all_trials],
            "notes": list(self.notes),
            "aliases": [list(group) for group in self.aliases],
            "claims": self.asking.outline() if self.claims else {},
        }


def labelled(levels: Mapping[str, Level]) -> str:
    """Levels in one line, each factor by the last word of its path."""
    return ", ".join(f"{short(key)}={shown(level)}" for key, level in levels.items()) or "base"


def shown(level: Level) -> str:
    """A level as a reader sees it: numbers to four digits, a list like a tuple."""
    if isinstance(level, float):
        return f"{level:.4g}"
    return str(_tuples(level))


def _tuples(level: Level) -> Level:
    return tuple(_tuples(each) for each in level) if isinstance(level, list) else level


def short(path: str) -> str:
    """The last word of a dotted path."""
    return path.rsplit(".", 1)[-1]
