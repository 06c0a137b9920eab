"""The store: one record a trial, filed under its study; what has a record is done, the rest is pending."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, Place, choose
from lab.records.amendments import with_history
from lab.records.folder import Folder, open_folder
from lab.records.record import Record

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)

RECORD = re.compile(r"([0-9a-f]{8,64}-\d+(?:r\d+)?)\.json")
"""How a record's file is called; every other file is somebody else's."""
PLAN = "plan.json"


class Store:
    """Records by trial id, in one folder a study; any path, or any URL that fsspec knows."""

    def __init__(self, root: str | Path = "mlruns") -> None:
        self.root = str(root)
        self.place = open_folder(root)
        self._studies = self.place.inner("records")

    def __str__(self) -> str:
        return str(self.place)

    def write(self, record: Record, readings: pa.Table | None = None) -> None:
        """Keep a record: its readings first, since the record itself is what makes the trial done."""
        if not RECORD.fullmatch(f"{record.trial}.json"):
            raise ValueError(f"'{record.trial}' is not a trial's id")
        folder = self._studies.inner(record.study)
        if readings is not None:
            folder.write(f"{record.trial}.parquet", _parquet(readings))
        folder.write(f"{record.trial}.json", record.to_json().encode())

    def read(self, trial: str, *, study: str = "") -> Record | None:
        """A trial's record, whichever study ran it (`study` is asked first), or None while it is pending."""
        for name in self._in_order(study):
            record = self._read(self._studies.inner(name), trial)
            if record is not None:
                return record
        return None

    def readings(self, trial: str, *, study: str = "") -> pa.Table | None:
        """A trial's readings, or None when nothing was measured."""
        for name in self._in_order(study):
            data = self._studies.inner(name).read(f"{trial}.parquet")
            if data is not None:
                return _table(data, f"{self._studies.inner(name)}/{trial}.parquet")
        return None

    def find(self, trials: Iterable[str], *, study: str = "") -> dict[str, str]:
        """Which of these trials have a record, and in which study (`study` itself where it has one)."""
        wanted = frozenset(trials)
        found: dict[str, str] = {}
        for name in self._in_order(study) if wanted else ():
            folder = self._studies.inner(name)
            for trial, size in _records_in(folder).items():
                if trial in wanted and trial not in found and self._is_whole(folder, trial, size):
                    found[trial] = name
        return found

    def records(self, study: str) -> Iterator[Record]:
        """Every record of one study, in the order of their ids."""
        for trial in self.trials(study):
            record = self._read(self._studies.inner(study), trial)
            if record is not None:
                yield record

    def trials(self, study: str) -> list[str]:
        """The trials of one study that have a record, by their files' names alone, sorted."""
        return sorted(_records_in(self._studies.inner(study)))

    def studies(self) -> list[str]:
        """The studies that the store knows, sorted."""
        return self._studies.folders()

    def set_aside(self, trial: str) -> None:
        """Make a trial pending again; its record and readings stay readable under the study's attempts."""
        for name in self.studies():
            folder = self._studies.inner(name)
            if folder.has(f"{trial}.json"):
                self._set_aside(folder, trial)

    def write_plan(self, outline: Mapping[str, object]) -> None:
        """Keep a plan's outline beside its records, with the wordings its claims have had."""
        text = json.dumps(with_history(self, outline), indent=1, allow_nan=False)
        self._studies.inner(str(outline["name"])).write(PLAN, text.encode())

    def read_plan(self, study: str) -> dict[str, Any]:
        """The outline of a study's plan, as it was last run."""
        folder = self._studies.inner(study)
        data = folder.read(PLAN)
        if data is None:
            known = self.studies()
            mend = choose(study, known) if known else "run one: lab run studies/norm_ablation.yaml --profile quick"
            raise LabError(f"the store {self} holds no study '{study}'", hint=mend)
        try:
            return dict(json.loads(data))
        except ValueError as error:
            mend = "run the study again, which writes it anew; the records themselves are whole"
            raise LabError("the plan cannot be read", where=Place(f"{folder}/{PLAN}"), hint=mend) from error

    def write_beside(self, study: str, name: str, said: Mapping[str, object]) -> None:
        """Keep something that was worked out of a whole study beside its records, as <name>.json."""
        self._studies.inner(study).write(f"{name}.json", json.dumps(said, indent=1, allow_nan=False).encode())

    def read_beside(self, study: str, name: str) -> dict[str, Any]:
        """What was kept so; nothing where it was not, or where the file is broken."""
        data = self._studies.inner(study).read(f"{name}.json")
        try:
            return dict(json.loads(data)) if data is not None else {}
        except (ValueError, TypeError):
            log.warning("%s/%s.json cannot be read: it is left out", self._studies.inner(study), name)
            return {}

    def _in_order(self, first: str) -> Iterator[str]:
        """The studies, one of them first; the others are not even listed unless they are asked for."""
        if first:
            yield first
        yield from (name for name in self.studies() if name != first)

    def _is_whole(self, folder: Folder, trial: str, size: int) -> bool:
        """Whether a record is worth counting; one that a power cut emptied or cut short is set aside."""
        if size and folder.ends_with(f"{trial}.json", b"}"):
            return True
        if folder.has(f"{trial}.json"):
            self._doubt(folder, trial)
        return False

    def _read(self, folder: Folder, trial: str) -> Record | None:
        data = folder.read(f"{trial}.json")
        if data is None:
            return None
        try:
            record = Record.from_json(data.decode())
        except (ValueError, KeyError, TypeError, AttributeError):
            record = None
        if record is None or record.trial != trial:
            self._doubt(folder, trial)
            return None
        return record

    def _doubt(self, folder: Folder, trial: str) -> None:
        """Say that a record is broken and, where that is allowed, move it out of the way."""
        log.warning("%s/%s.json is not a whole record: the trial counts as pending", folder, trial)
        try:
            self._set_aside(folder, trial)
        except LabError as refused:
            log.warning("%s", refused)

    def _set_aside(self, folder: Folder, trial: str) -> None:
        attempts = folder.inner("attempts").files()
        number = next(n for n in range(1, len(attempts) + 2) if f"{trial}.{n}.json" not in attempts)
        for ending in ("json", "parquet"):
            if folder.has(f"{trial}.{ending}"):
                folder.move(f"{trial}.{ending}", f"attempts/{trial}.{number}.{ending}")


def _records_in(folder: Folder) -> dict[str, int]:
    """The trials a folder has records of, with the size of each."""
    named = ((RECORD.fullmatch(name), size) for name, size in folder.files().items())
    return {match[1]: size for match, size in named if match}


def _parquet(readings: pa.Table) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(readings, sink, compression="zstd")
    return bytes(sink.getvalue())


def _table(data: bytes, place: str) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError):
        log.warning("%s is not whole: its readings are left out", place)
        return None
