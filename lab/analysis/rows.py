"""Each trial of a study as one row, held against the plan: what is missing has a row too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab.analysis.outline import Outline, split_trial
from lab.records.record import FAILED, Origin, Record
from lab.records.store import Store
from lab.spec.rules import Finding
from lab.spec.spec import Level

MISSING = "missing"
"""The status of a trial without a record."""


@dataclass(frozen=True)
class Row:
    """A trial without its curves."""

    trial: str
    cell: str
    label: str
    seed: int
    repeat: int = 0
    role: str = "compare"
    status: str = MISSING
    score: float = math.nan
    """NaN unless the trial is done: what ended early never enters a mean."""
    final: float = math.nan
    epoch: float = math.nan
    """The epoch whose scores count, from 1."""
    seconds: float = math.nan
    error: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Other scores that claims are about, at the same epoch."""
    levels: Mapping[str, Level] = field(default_factory=dict)
    costs: Mapping[str, float] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    origin: Origin | None = None
    started: str = ""
    study: str = ""
    """The study that ran it."""

    @property
    def is_failed(self) -> bool:
        """Whether the trial ended in a way that gives no score."""
        return self.status in FAILED


@dataclass(frozen=True)
class Results:
    """A study as far as it is known."""

    outline: Outline
    rows: tuple[Row, ...]
    """The planned trials in plan order, then those that only a sampler knew of."""
    strangers: int = 0
    """Records of this study that its plan no longer asks for."""


def gather(store: Store, study: str) -> Results:
    """Read a study's records and hold them against its plan as it was last run."""
    return held_against(store, Outline.of(store.read_plan(study)))


def held_against(store: Store, outline: Outline) -> Results:
    """Read what records there are of a plan, wherever they were made, one at a time."""
    origins: dict[tuple[object, ...], Origin] = {}
    places = store.find(outline.trials, study=outline.name)
    rows = [_planned(store, outline, trial, places.get(trial)) for trial in outline.trials]
    extra = list(_sampled(store, outline))
    shared = [_shared(row, origins) for row in rows + [row for row in extra if row is not None]]
    return Results(outline, tuple(shared), strangers=extra.count(None))


def _planned(store: Store, outline: Outline, trial: str, place: str | None) -> Row:
    cell, seed, repeat = split_trial(trial)
    role = "floor" if repeat else "compare"
    planned = outline.cells.get(cell)
    row = Row(trial, cell, planned.label if planned else cell, seed, repeat, role)
    if planned is not None:
        row = replace(row, levels=planned.levels)
    record = store.read(trial, study=place) if place is not None else None
    if record is None or (place != outline.name and record.status != "done"):
        return row  # what failed for another study is run anew for this one
    return _seen(row, record, outline)


def _sampled(store: Store, outline: Outline) -> Iterator[Row | None]:
    """Records of this study that are not in the plan: of a sampler, or (None) of an older plan."""
    planned = frozenset(outline.trials)
    for trial in store.trials(outline.name):
        record = store.read(trial, study=outline.name) if trial not in planned else None
        if record is None:
            continue
        if record.role in ("search", "tune"):
            told = Row(record.trial, record.cell, record.label, record.seed, record.repeat, record.role)
            yield _seen(replace(told, levels=record.levels), record, outline)
        else:
            yield None


def _seen(row: Row, record: Record, outline: Outline) -> Row:
    epoch = record.epoch_of(outline.score, outline.goal, outline.at)
    counts = record.status == "done"
    return replace(
        row,
        status=record.status,
        score=record.score(outline.score, epoch) if counts else math.nan,
        final=record.score(outline.final, epoch) if counts and outline.final else math.nan,
        metrics={name: record.score(name, epoch) for name in outline.metrics} if counts else {},
        epoch=math.nan if epoch is None else epoch + 1,
        seconds=record.seconds,
        error=record.error,
        costs={key: value for key, value in record.scores.items() if key.startswith("cost.")},
        findings=record.findings,
        origin=record.origin,
        started=record.origin.started,
        study=record.reused or record.study,
    )


def _shared(row: Row, origins: dict[tuple[object, ...], Origin]) -> Row:
    """Trials of one place hold one origin between them: its diff and its packages can be long."""
    if row.origin is None:
        return row
    here = row.origin
    key = (here.commit, here.dirty, here.diff, here.device, here.host, here.data, here.command)
    return replace(row, origin=origins.setdefault(key, here))
