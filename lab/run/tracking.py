"""MLflow's client behind the few verbs that `live` and `publish` need; nothing else of the project imports mlflow."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.run.account import Point

SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
}
"""How we want MLflow to behave wherever the person has not said otherwise."""
NOISY = ("mlflow.store.db.utils", "alembic", "urllib3.connectionpool")
"""Loggers that speak of what is none of the reader's business: new tables, second attempts."""
METRICS_A_BATCH = 1000
PARAMS_A_BATCH = 100
FIRST_TABLES = frozenset({"experiments", "runs", "metrics", "params", "tags"})
"""Tables that MLflow makes before all others."""
PAGE = 200
"""Runs of one search request: a page of 1,000 long runs can take longer than a request may."""
ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})


@dataclass(frozen=True)
class Address:
    """Where MLflow keeps things: its store, and the folder of artifacts unless a server decides that."""

    uri: str
    artifacts: str | None

    @property
    def is_server(self) -> bool:
        """Whether somebody else serves it."""
        return self.artifacts is None

    def __str__(self) -> str:
        """The address as it may be shown: without its password."""
        return re.sub(r"//([^/@:]*):[^/@]*@", r"//\1:***@", self.uri)


def address(root: str | Path, uri: str | None = None) -> Address:
    """The store that was asked for, else MLFLOW_TRACKING_URI, else a sqlite file beside the records."""
    folder = Path("mlruns" if "://" in str(root) else root).resolve()
    said = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder / 'mlflow.db'}"
    is_server = said.startswith(("http://", "https://", "databricks"))
    return Address(said, None if is_server else (folder / "artifacts").as_uri())


@dataclass(frozen=True)
class Run:
    """One run as MLflow has it."""

    id: str
    status: str
    started: int
    tags: Mapping[str, str]
    params: Mapping[str, str]

    @property
    def has_ended(self) -> bool:
        """Whether nobody is writing to it any more."""
        return self.status in ENDED


class Tracker:
    """A connection to one MLflow store."""

    def __init__(self, place: Address) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        prepare(place)
        from mlflow.tracking import MlflowClient

        for noisy in NOISY:
            logging.getLogger(noisy).setLevel(logging.ERROR)
        self.place = place
        with self._asking():
            create(place)
            self._client: Any = MlflowClient(place.uri)

    def experiment(self, name: str, tags: Mapping[str, str]) -> tuple[str, bool]:
        """The id of the experiment of this name, its tags brought up to date, and whether it is new."""
        with self._asking():
            known = self._client.get_experiment_by_name(name)
            if known is None:
                return self._create_experiment(name, tags)
            if known.lifecycle_stage == "deleted":
                self._client.restore_experiment(known.experiment_id)
            for key, value in tags.items():
                if known.tags.get(key) != value:
                    self._client.set_experiment_tag(known.experiment_id, key, value)
            return str(known.experiment_id), False

    def _create_experiment(self, name: str, tags: Mapping[str, str]) -> tuple[str, bool]:
        from mlflow.exceptions import MlflowException

        folder = self.place.artifacts and f"{self.place.artifacts}/{name}"
        try:
            return str(self._client.create_experiment(name, artifact_location=folder, tags=dict(tags))), True
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return str(self._client.get_experiment_by_name(name).experiment_id), False

    def runs(self, experiment: str, tag: str = "", value: str = "") -> Iterator[Run]:
        """The runs of an experiment, or those with this tag, oldest first."""
        condition = f"tags.`{tag}` = '{value}'" if tag else ""
        page = None
        while True:
            with self._asking():
                found = self._client.search_runs(
                    [experiment], condition, max_results=PAGE, order_by=["start_time ASC"], page_token=page
                )
            yield from (_run(run) for run in found)
            page = found.token
            if not page:
                return

    def start(self, experiment: str, name: str, *, tags: Mapping[str, str], started: int) -> Run:
        """A new run."""
        with self._asking():
            return _run(self._client.create_run(experiment, start_time=started, tags=dict(tags), run_name=name))

    def log(self, run: str, points: Sequence[Point], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write points, parameters and tags, in as few requests as MLflow takes; the tags come last."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [
            Metric(point.key, point.value if isfinite(point.value) else nan, point.time, point.step) for point in points
        ]
        settings = [Param(key, value) for key, value in params.items()]
        size = METRICS_A_BATCH - PARAMS_A_BATCH
        while metrics or settings or tags:
            is_last = len(metrics) <= size - len(tags) and len(settings) <= PARAMS_A_BATCH
            taken = [RunTag(key, value) for key, value in tags.items()] if is_last else []
            with self._asking():
                self._client.log_batch(run, metrics[: size - len(taken)], settings[:PARAMS_A_BATCH], taken)
            if is_last:
                return
            metrics, settings = metrics[size - len(taken) :], settings[PARAMS_A_BATCH:]

    def history(self, run: str) -> dict[str, set[int]]:
        """The steps that a run has points at, for each of its keys."""
        with self._asking():
            keys = self._client.get_run(run).data.metrics
            return {key: {point.step for point in self._client.get_metric_history(run, key)} for key in keys}

    def attach(self, run: str, files: Mapping[str, bytes]) -> None:
        """Keep files, named by their paths, as a run's artifacts."""
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            for name, data in files.items():
                place = Path(folder, name)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
            with self._asking():
                self._client.log_artifacts(run, folder)

    def log_dataset(self, run: str, name: str, sha256: str) -> None:
        """Say which data a run was trained on."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name, sha256[:36], source_type="code", source=f"lab dataset {name}")
        with self._asking():
            self._client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    def end(self, run: str, status: str, ended: int) -> None:
        """Close a run."""
        with self._asking():
            self._client.set_terminated(run, status, ended)

    def reopen(self, run: str) -> None:
        """Take a run up again."""
        with self._asking():
            self._client.update_run(run, "RUNNING")

    def delete(self, run: str) -> None:
        """Put a run into MLflow's trash."""
        with self._asking():
            self._client.delete_run(run)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Tell what MLflow or the way to it refuses as one sentence."""
        from alembic.util import CommandError
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (MlflowException, SQLAlchemyError, CommandError, OSError) as error:
            raise LabError(f"MLflow at {self.place} {_trouble(error)}", hint=_mend(self.place)) from error


def _run(run: Any) -> Run:
    return Run(run.info.run_id, run.info.status, run.info.start_time or 0, run.data.tags, run.data.params)


def _trouble(error: BaseException) -> str:
    """What went wrong, in few words: a network's errors arrive wrapped several times."""
    from requests.exceptions import ConnectionError as NoConnection
    from requests.exceptions import Timeout

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (NoConnection, Timeout)):
            return "does not answer"
        cause = cause.__cause__ or cause.__context__
    said = str(error).strip() or type(error).__name__
    return f"cannot be used: {said.splitlines()[0][:300]}"


def _mend(place: Address) -> str:
    if place.is_server:
        return "see that the server runs and MLFLOW_TRACKING_URI names it; the records are complete without it"
    return "see that it can be written to, or move it away: `lab publish` makes a new one from the records"


def prepare(place: Address) -> None:
    """Make the folder of a sqlite store, and refuse a file that is not MLflow's before MLflow writes into it."""
    if not place.uri.startswith("sqlite:///"):
        return
    path = _file(place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tables = _tables(path) if path.exists() and path.stat().st_size else set()
    except OSError as error:
        raise LabError(
            f"MLflow's store {path} cannot be used: {error.strerror}", hint="name another folder with LAB_STORE"
        ) from error
    except sqlite3.DatabaseError as error:
        raise LabError(
            f"{path} is not a database that MLflow can read: {error}",
            hint="move it away: `lab publish` makes a new one from the records",
        ) from error
    if tables and tables.isdisjoint(FIRST_TABLES):
        raise LabError(
            f"{path} is a database of something else than MLflow (it holds {', '.join(sorted(tables)[:5])})",
            hint="move it away, or name another store with MLFLOW_TRACKING_URI",
        )


def create(place: Address) -> None:
    """Make a sqlite store's first tables beside it and put them in place whole.

    MLflow migrates a new file for seconds, and one that was killed meanwhile can never be opened again.
    """
    from mlflow.tracking import MlflowClient

    if not place.uri.startswith("sqlite:///") or (path := _file(place)).exists():
        return
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent, ignore_cleanup_errors=True) as folder:
        draft = Path(folder) / path.name
        MlflowClient(f"sqlite:///{draft}").search_experiments(max_results=1)
        with suppress(FileExistsError):  # somebody else was faster; theirs is as good
            path.hardlink_to(draft)


def _file(place: Address) -> Path:
    return Path(place.uri.split("?")[0].removeprefix("sqlite:///")).resolve()


def _tables(path: Path) -> set[str]:
    """What a sqlite file holds; nothing that can be said while somebody is writing its first tables."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        try:
            return {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
        except sqlite3.OperationalError:
            return set()
