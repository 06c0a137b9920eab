"""Records -> MLflow: brings a study's experiment up to date with what is recorded, whatever a dead server missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from lab.records.record import Record
from lab.records.store import Store
from lab.run.account import Outline, cut
from lab.run.mirror import PUBLISHED, Mirror
from lab.run.tracking import Run, Tracker, address


@dataclass(frozen=True)
class Published:
    """How many runs were created, completed, and complete already."""

    created: int = 0
    updated: int = 0
    skipped: int = 0


def publish(outline: Outline, store: Store, study: str, *, uri: str | None = None) -> Published:
    """Make MLflow show every record of a study in one run each; what it shows already is left alone."""
    tracker = Tracker(address(store.root, uri))
    records = _records(outline, store, study)
    first = next(records, None)
    mirror = Mirror(tracker, outline, store, command=first.origin.command if first else "")
    runs = mirror.runs()
    mirror.show_study(runs)
    known = _one_a_trial(runs, tracker)
    done = Published()
    for record in chain([first] if first else [], records):
        run = known.get(record.trial)
        if run is not None and mirror.is_complete(run, record):
            done = replace(done, skipped=done.skipped + 1)
            continue
        mirror.complete(record, run)
        done = replace(done, created=done.created + (run is None), updated=done.updated + (run is not None))
    return done


def publish_report(
    outline: Outline, store: Store, files: Mapping[str, bytes], note: str, *, uri: str | None = None
) -> bool:
    """Show a report with the study's own run: files as artifacts, words as descriptions; whether it was news."""
    return Mirror(Tracker(address(store.root, uri)), outline, store).show_report(files, cut(note))


def _records(outline: Outline, store: Store, study: str) -> Iterator[Record]:
    """The study's own records, then those of its trials that another study ran."""
    own = set()
    for record in store.records(study):
        own.add(record.trial)
        yield record
    for trial, elsewhere in store.find(set(outline.get("trials", ())) - own).items():
        found = store.read(trial, study=elsewhere)
        if found is not None:
            yield found


def _one_a_trial(runs: list[Run], tracker: Tracker) -> dict[str, Run]:
    """The run of each trial; where two processes raced, the more complete one is kept."""
    kept: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (PUBLISHED not in run.tags, run.started)):
        trial = run.tags.get("lab.trial")
        if trial is None:
            continue
        if trial in kept:
            tracker.delete(run.id)
        else:
            kept[trial] = run
    return kept
