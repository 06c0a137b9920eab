"""One study in MLflow: its experiment, a run of its own, and one flat run a trial; `live` and `publish` share it."""

from __future__ import annotations

import hashlib
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lab.records.record import Record
from lab.records.store import Store
from lab.run import account
from lab.run.account import Budget, Clock, Facts, Outline, Point
from lab.run.tracking import Run, Tracker
from lab.spec.spec import digest

if TYPE_CHECKING:
    import pyarrow as pa

PUBLISHED = "lab.published"
"""The tag that is written last: the stamp of the record that a run shows completely."""
REPORT = "lab.report"
"""The tag that tells which report the study's own run holds."""
NOTE = "mlflow.note.content"
"""The tag that MLflow shows as a description."""
ENDINGS = {"done": "FINISHED", "pruned": "FINISHED", "killed": "KILLED"}


class Mirror:
    """A study as MLflow shows it."""

    def __init__(self, tracker: Tracker, outline: Outline, store: Store, *, command: str = "") -> None:
        self._tracker = tracker
        self._outline = outline
        self._store = store
        self._experiment, self._is_new = tracker.experiment(str(outline["name"]), self._tags(command))

    def runs(self) -> list[Run]:
        """Every run of the study."""
        return [] if self._is_new else list(self._tracker.runs(self._experiment))

    def show_study(self, runs: list[Run] | None = None) -> None:
        """Bring the study's own run up to date: its file and its plan."""
        if runs is None and not self._is_new:
            runs = list(self._tracker.runs(self._experiment, "lab.role", "study"))
        current = digest(self._outline)
        own = [run for run in runs or () if run.tags.get("lab.role") == "study"]
        for surplus in own[1:]:
            self._tracker.delete(surplus.id)
        if own and own[0].tags.get("lab.plan") == current:
            return
        now = _now()
        tags = {"lab.role": "study", "lab.study": str(self._outline["name"])}
        run = own[0] if own else self._tracker.start(self._experiment, "study", tags=tags, started=now)
        self._tracker.attach(run.id, _plan_files(self._outline))
        self._tracker.log(run.id, (), {}, {"lab.plan": current, NOTE: self._described("")})
        self._tracker.end(run.id, "FINISHED", now)

    def show_report(self, files: Mapping[str, bytes], note: str) -> bool:
        """Keep a report with the study's own run, and say the same in both descriptions; whether it was news."""
        self.show_study(self.runs())
        run = next(self._tracker.runs(self._experiment, "lab.role", "study"))
        self._tracker.experiment(str(self._outline["name"]), {NOTE: note})
        current = digest([note, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}])
        if run.tags.get(REPORT) == current and run.tags.get(NOTE) == note:
            return False
        self._tracker.attach(run.id, files)
        self._tracker.log(run.id, (), {}, {NOTE: note, REPORT: current})
        return True

    def begin(self, facts: Facts, *, started: int, is_resumed: bool) -> tuple[Run, Budget]:
        """The run of a trial that starts: the half-written one it left behind, else a new one."""
        left = [] if self._is_new and not is_resumed else self.runs_of(facts.trial)
        kept = next((run for run in left if PUBLISHED not in run.tags and _agrees(run, facts)), None)
        for run in left:
            if run is not kept:
                self._tracker.delete(run.id)
        if kept is None:
            return self._start(facts, started, {"lab.status": "running"}), Budget()
        if kept.has_ended:
            self._tracker.reopen(kept.id)
            self._tracker.log(kept.id, (), {}, {"lab.status": "running"})
        return kept, Budget(self._tracker.history(kept.id))

    def runs_of(self, trial: str) -> list[Run]:
        """What there is of a trial: one run, unless two processes raced."""
        return list(self._tracker.runs(self._experiment, "lab.trial", trial))

    def is_complete(self, run: Run, record: Record) -> bool:
        """Whether a run shows all of a record."""
        facts = account.facts_of_record(record, self._outline)
        return run.has_ended and run.tags.get(PUBLISHED) == account.stamp(record, facts)

    def complete(
        self, record: Record, run: Run | None = None, budget: Budget | None = None, waiting: Sequence[Point] = ()
    ) -> None:
        """Make a trial's run show all of its record.

        `budget` knows what the run was sent, else MLflow is asked; `waiting` are points still to be sent.
        """
        facts = account.facts_of_record(record, self._outline)
        clock = Clock.of(record)
        if run is not None and (PUBLISHED in run.tags or not _agrees(run, facts)):
            self._tracker.delete(run.id)
            run = None
        is_new = run is None
        if run is None:
            run, budget, waiting = self._start(facts, clock.started, {}), None, ()
        readings = self._store.readings(record.trial, study=record.study)
        measured = _measured(readings, clock) if budget is None else ()
        budget = budget or Budget({} if is_new else self._tracker.history(run.id))
        points = [*waiting, *budget.admit(account.curves(record), reserve=account.RESERVED)]
        points += budget.admit(account.endings(record, self._outline))
        points += budget.admit(measured)
        self._tracker.attach(run.id, _files(record, readings))
        if record.origin.data:
            self._tracker.log_dataset(run.id, str(record.options.get("dataset.kind")), record.origin.data)
        tags = facts.tags | account.verdict(record) | {PUBLISHED: account.stamp(record, facts)}
        self._tracker.log(run.id, points, missing(run, facts), _news(run, tags))
        self._tracker.end(run.id, ENDINGS.get(record.status, "FAILED"), clock.ended)

    def _start(self, facts: Facts, started: int, tags: Mapping[str, str]) -> Run:
        all_tags = facts.tags | dict(tags)
        run = self._tracker.start(self._experiment, facts.name, tags=all_tags, started=started)
        return replace(run, tags=all_tags)

    def _tags(self, command: str) -> dict[str, str]:
        score = self._outline.get("score") or {}
        said = {
            NOTE: self._described(command),
            "mlflow.experimentKind": "custom_model_development",
            "lab.study": str(self._outline["name"]),
            "lab.question": account.cut(str(self._outline.get("question", ""))),
            "lab.file": str(self._outline.get("file", "")),
            "lab.score": str(score.get("name", "")),
        }
        return {name: text for name, text in said.items() if text}

    def _described(self, command: str) -> str:
        return account.describe(self._outline, command)


def _measured(readings: pa.Table | None, clock: Clock) -> Iterator[Point]:
    """The summaries of a trial's readings, as a run that was heard live has them already."""
    if readings is None:
        return
    from lab.probes.retold import retold

    told = retold(readings)
    last = max((step for _, step, _ in told), default=0)
    for key, step, value in told:
        yield Point(key, step, value, clock.between(step / last if last else 1.0))


def _agrees(run: Run, facts: Facts) -> bool:
    """Whether no parameter of a run contradicts the trial; parameters cannot be changed in MLflow."""
    return all(facts.params.get(name, text) == text for name, text in run.params.items())


def missing(run: Run, facts: Facts) -> dict[str, str]:
    """The parameters that a run does not show yet."""
    return {name: text for name, text in facts.params.items() if name not in run.params}


def _news(run: Run, tags: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in tags.items() if run.tags.get(name) != text}


def _now() -> int:
    return round(time.time() * 1000)


def _plan_files(outline: Outline) -> dict[str, bytes]:
    texts = {"plan.json": json.dumps(outline, indent=1), "plan.txt": account.plan_table(outline)}
    if outline.get("source"):
        texts["study.yaml"] = str(outline["source"])
    return {name: text.encode() for name, text in texts.items()}


def _files(record: Record, readings: pa.Table | None) -> dict[str, bytes]:
    """What a trial's run keeps: the record, the readings, and what its code and machine were."""
    origin = record.origin
    lock = "".join(f"{name}=={version}\n" for name, version in origin.versions.items())
    texts = {"record.json": record.to_json(), "environment.txt": lock, "changes.diff": origin.diff}
    texts["error.txt"] = record.traceback or record.error
    files = {name: text.encode() for name, text in texts.items() if text}
    if readings is not None:
        files["probes/params.parquet"] = _parquet(readings)
    return files


def _parquet(readings: Any) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(readings, sink, compression="zstd")
    return sink.getvalue()
