"""What a trial under way has seen so far, read off its last checkpoint and without torch."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lab.records.folder import Disk
from lab.records.rules.causes import explained
from lab.records.rules.state import finding_of
from lab.records.store import Store
from lab.spec.rules import Finding

if TYPE_CHECKING:
    import pyarrow as pa

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unfinished:
    """A trial as its last checkpoint has it."""

    trial: str
    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    history: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    """What rules have found so far."""
    readings: pa.Table | None = None


def unfinished(store: Store, trial: str) -> Unfinished | None:
    """What is known of a trial without a record; None where it has no checkpoint that can be read."""
    home = store.place.path if isinstance(store.place, Disk) else Path("mlruns")
    folder = home / "checkpoints" / trial
    for _ in range(2):  # a run under way may replace its checkpoint between the two readings
        try:
            index = json.loads((folder / "checkpoint.json").read_text())
            found = index["said"].get("rules", {}).get("found", ())
            told = _told(trial, index["said"]["progress"], _readings(folder, index["parts"]))
            return replace(told, findings=explained(tuple(map(finding_of, found))))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the checkpoint in %s cannot be read: %s", folder, error)
            return None
    return None


def _told(trial: str, progress: Mapping[str, object], readings: pa.Table | None) -> Unfinished:
    history = progress.get("history", {})
    told = {name: tuple(map(float, values)) for name, values in history.items()} if isinstance(history, dict) else {}
    epoch, step, seconds = (float(str(progress.get(key, 0))) for key in ("epoch", "step", "seconds"))
    return Unfinished(trial, int(epoch), int(step), seconds, told, readings=readings)


def _readings(folder: Path, parts: list[str]) -> pa.Table | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.read_table(folder / name) for name in parts]
    return pa.concat_tables(tables, promote_options="default").combine_chunks() if tables else None
