"""Orders for a replay: the trial as it is to be built again, from its bundle or its record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.records.bundles import Bundle
from lab.records.record import Record

if TYPE_CHECKING:
    import pyarrow as pa

Progress = Callable[[int, int], None]
"""Told a step that was taken and the one that is to be reached."""


@dataclass(frozen=True)
class Side:
    """A trial as it is to be built again."""

    trial: str
    experiment: Mapping[str, Any]
    """The concrete experiment as plain data."""
    experiment_id: str
    seed: int
    cell: str
    repeat: int = 0
    study: str = ""
    label: str = ""
    data: str = ""
    """Hash of the data it had; empty where none was taken."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """What its numbers hang on, as far as it is known."""
    plugins: Mapping[str, str] = field(default_factory=dict)
    """Plug-in files with the digests they had; empty where they are not known."""
    root: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Replay:
    """The order to replay one step."""

    side: Side
    step: int
    bundle: Bundle | None = None
    """What to start from; the start of the trial without it."""
    readings: pa.Table | None = None
    losses: tuple[float, ...] = ()
    last: int = -1
    """A step that the trial is known to have taken; -1 of none."""
    epochs: int = 0
    """The epochs that it is known to have come through."""
    lr: float | None = None
    anyway: bool = False


@dataclass(frozen=True)
class Filming:
    """The order to train a trial again and film its attention."""

    side: Side
    windows: int
    readings: pa.Table | None = None
    losses: tuple[float, ...] = ()
    """The recorded loss of every epoch it came through: so many are trained."""
    anyway: bool = False


@dataclass(frozen=True)
class Comparison:
    """The order to run two trials side by side."""

    sides: tuple[Side, Side]
    seed: int
    steps: int
    anyway: bool = True
    """Both run now and alike: what has changed since they were recorded is told, and stops nothing."""


def side_of_bundle(bundle: Bundle) -> Side:
    """The trial that a bundle is of."""
    return Side(
        trial=bundle.trial,
        experiment=json.loads(bundle.experiment),
        experiment_id=bundle.experiment_id,
        seed=bundle.seed,
        cell=bundle.cell,
        repeat=bundle.repeat,
        study=bundle.study,
        label=bundle.label,
        data=bundle.data,
        environment=bundle.environment,
        plugins=bundle.plugins,
        root=bundle.root,
        commit=bundle.commit,
    )


def side_of_record(record: Record) -> Side:
    """The trial that a record is of, put together from its options."""
    origin = record.origin
    device = origin.device if origin.device in ("", "cpu") else "cuda"
    known = {"torch_version": origin.versions.get("torch", ""), "threads": origin.threads, "device": device}
    options = _nested(record.options)
    return Side(
        trial=record.trial,
        experiment=options,
        experiment_id="" if record.tuned else record.cell,
        seed=record.seed,
        cell=record.cell,
        repeat=record.repeat,
        study=record.study,
        label=record.label,
        data=origin.data,
        environment={key: value for key, value in known.items() if value},
        plugins=dict.fromkeys(options.get("plugins", ()), ""),
        commit=origin.commit,
    )


def _nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted options as the mapping that they were read from."""
    told: dict[str, Any] = {}
    for path, value in options.items():
        *groups, name = path.split(".")
        inner = told
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = value
    return told
