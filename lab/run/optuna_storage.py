"""Optuna's storage, its studies and their parameters; with the files named like this one, all that imports it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    check_distribution_compatibility,
)
from optuna.exceptions import OptunaError
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection

from lab.errors import LabError, Place
from lab.spec.design import Score
from lab.spec.spec import Level

GRACE = 10
"""Seconds after which the lock of a killed process is broken; Optuna's own 30 would block every other writer."""


@dataclass(frozen=True)
class Choices:
    """A parameter that takes one of some values."""

    values: tuple[Level, ...]


@dataclass(frozen=True)
class Interval:
    """A parameter that takes a number between two bounds."""

    low: float
    high: float
    is_log: bool = False
    step: float | None = None
    is_whole: bool = False


Dimension = Choices | Interval


def open_storage(root: Path) -> BaseStorage:
    """The storage that LAB_OPTUNA names, or the journal file beside the records."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = os.environ.get("LAB_OPTUNA", "")
    place = root / "optuna.journal"
    try:
        return optuna.storages.get_storage(url) if url else _open_journal(place)
    except Exception as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        hint = "see that LAB_OPTUNA names a database that answers, or leave it out for the file under mlruns/"
        if not url:
            hint = "see that it may be written; if it is broken, move it away: it is made again from the records"
        where = Place(url.rsplit("@", 1)[-1] or str(place))
        raise LabError(f"Optuna's storage cannot be opened ({told})", where=where, hint=hint) from error


@contextmanager
def answering() -> Iterator[None]:
    """What cannot go on without Optuna says so when its storage fails, instead of throwing."""
    try:
        yield
    except OptunaError as error:
        told = f"{type(error).__name__}: {error}".splitlines()[0]
        hint = "see what LAB_OPTUNA names, or run the same command again when it answers: what has a record is kept"
        raise LabError(f"Optuna's storage failed ({told})", hint=hint) from error


def _open_journal(place: Path) -> BaseStorage:
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = JournalFileOpenLock(str(place), grace_period=GRACE)
    _cut_half_line(place, lock)
    if place.exists() and not os.access(place, os.W_OK):
        raise PermissionError(f"{place} is read-only")
    return JournalStorage(Journal(place, lock))


class Journal(BaseJournalBackend):
    """Optuna's journal file, without waiting for the disk at every line: what a power cut takes, the records mend."""

    def __init__(self, place: Path, lock: JournalFileOpenLock) -> None:
        self._place = place
        self._lock = lock
        self._file = JournalFileBackend(str(place), lock_obj=lock)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """The lines from a number on."""
        return self._file.read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add lines, whole, while nobody else does."""
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            with self._place.open("ab") as file:
                file.write(lines.encode())
        finally:
            self._lock.release()


def _cut_half_line(place: Path, lock: JournalFileOpenLock) -> None:
    """A writer that was cut off in the middle of a line would make all that is written after it unreadable."""
    if not place.exists() or place.stat().st_size == 0 or _ends_a_line(place):
        return
    lock.acquire()
    try:
        if not _ends_a_line(place):
            os.truncate(place, place.read_bytes().rfind(b"\n") + 1)
    finally:
        lock.release()


def _ends_a_line(place: Path) -> bool:
    with place.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _direction(score: Score) -> StudyDirection:
    return StudyDirection.MAXIMIZE if score.goal == "max" else StudyDirection.MINIMIZE


def study_id(
    storage: BaseStorage, name: str, scores: Sequence[Score], distributions: Mapping[str, BaseDistribution]
) -> int:
    """The study of this name; made anew when the file it was made for has changed so far that it cannot go on."""
    directions = [_direction(score) for score in scores]
    with answering():
        study = _study(storage, name, directions)
        if study.directions != directions or not _fits(study, distributions):
            optuna.delete_study(study_name=name, storage=storage)
            study = _study(storage, name, directions)
        names = [score.name for score in scores]
        if study.metric_names != names:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                study.set_metric_names(names)
        return storage.get_study_id_from_name(name)


def _study(storage: BaseStorage, name: str, directions: Sequence[StudyDirection]) -> optuna.Study:
    return optuna.create_study(storage=storage, study_name=name, directions=directions, load_if_exists=True)


def _fits(study: optuna.Study, distributions: Mapping[str, BaseDistribution]) -> bool:
    """Whether parameters still are what they were: Optuna refuses a factor that has gained a level."""
    seen: dict[str, BaseDistribution] = {}
    for trial in study.get_trials(deepcopy=False):
        seen |= trial.distributions
    try:
        for name in seen.keys() & distributions.keys():
            check_distribution_compatibility(seen[name], distributions[name])
    except ValueError:
        return False
    return True


def distribution(dimension: Dimension) -> BaseDistribution:
    """A parameter as Optuna says it."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(dimension.values)
    if dimension.is_whole:
        step = int(dimension.step) if dimension.step else 1
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.is_log, step=step)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.is_log, step=dimension.step)
