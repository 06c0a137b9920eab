"""The frame: a study's trials as a table, missing ones included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.analysis.rows import Row, gather
from lab.records.store import Store

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "trial", "cell", "label", "seed", "repeat", "role", "status", "score", "final", "epoch", "seconds", "error",
)  # fmt: skip


def load(store: Store, study: str) -> pd.DataFrame:
    """One row a planned trial, then one a sampled one; `level.<factor>` and `cost.<name>` stand beside."""
    return frame_of(gather(store, study).rows)


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a table; a level that is a list is kept as a tuple, so that it can be grouped by."""
    import pandas as pd

    factors = list(dict.fromkeys(key for row in rows for key in row.levels))
    costs = list(dict.fromkeys(key for row in rows for key in row.costs))
    columns: dict[str, list[object]] = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
    columns |= {f"level.{key}": [_flat(row.levels.get(key)) for row in rows] for key in factors}
    columns |= {key: [row.costs.get(key, float("nan")) for row in rows] for key in costs}
    table = pd.DataFrame(columns)
    floats: dict[str, type] = dict.fromkeys(("score", "final", "epoch", "seconds"), float)
    return table.astype(floats | {f"level.{key}": object for key in factors})


def _flat(level: object) -> object:
    return tuple(_flat(each) for each in level) if isinstance(level, (list, tuple)) else level
