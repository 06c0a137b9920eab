"""What the coordinator and its workers tell each other, as plain data through a pipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lab.errors import Place
from lab.records.record import Origin, Record
from lab.spec.rules import Finding


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know once, when it starts."""

    store: str
    """Where records go: a path or URL."""
    root: str
    """The project's folder, which plug-ins are named from."""
    origin: Origin
    """Code and environment, the same for all of its trials."""
    plugins: tuple[str, ...] = ()
    """Files with models, datasets, probes and rules of one's own, loaded before anything is read."""
    device: str = "cpu"
    """cpu, cuda, or auto for a GPU where torch finds one."""
    gpu: str = ""
    """The one GPU it may see."""
    threads: int = 1
    deterministic: str = "warn"
    hashes_data: bool = True
    """Whether records name the content of their data."""


@dataclass(frozen=True)
class Job:
    """One trial to run."""

    record: Record
    """The record as far as it is known before: who the trial is."""
    experiment: str
    """The concrete experiment as JSON."""
    experiment_id: str
    """What its content must come out as, so that a plug-in that changed meanwhile is noticed."""
    checkpoints: str
    """The folder that holds a folder for each trial under way."""
    bundles: str
    """The folder that holds a folder for each trial whose flight recorder froze."""
    seconds: float | None = None
    """Longest time it may take."""
    handed_back: frozenset[str] = field(default_factory=frozenset)
    """Ways to end that are told but not recorded, because the trial will be tried again."""
    is_watched: bool = False
    """Whether every epoch waits for a verdict."""


@dataclass(frozen=True)
class Verdict:
    """The answer to an epoch of a watched trial."""

    go_on: bool


@dataclass(frozen=True)
class Stop:
    """Leave at the end of this epoch; its checkpoint is there."""


@dataclass(frozen=True)
class Ready:
    """A worker has imported everything and waits for a trial."""

    device: str


@dataclass(frozen=True)
class Epoch:
    """A trial finished an epoch."""

    trial: str
    epoch: int
    step: int
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Points:
    """Probe summaries of a trial were read out."""

    trial: str
    points: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Alert:
    """A rule found something grave in a trial's readings."""

    trial: str
    finding: Finding


@dataclass(frozen=True)
class Ended:
    """A trial ended; its record lies in the store, unless it is handed back."""

    record: Record
    is_written: bool


@dataclass(frozen=True)
class Unable:
    """A worker cannot work at all: a plug-in that does not load, a disk that is full."""

    what: str
    hint: str = ""
    where: Place = field(default_factory=Place)


@dataclass(frozen=True)
class Died:
    """A worker's process is gone; the pool says this in its place."""

    exitcode: int | None


Order = Job | Verdict | Stop
Message = Ready | Epoch | Points | Alert | Ended | Unable | Died
