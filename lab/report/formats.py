"""The forms a report takes as a file, and the files' bytes."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from lab.analysis.frame import frame_of
from lab.plan.plan import shown
from lab.records.store import Store
from lab.report.notebook import notebook
from lab.report.page import page
from lab.report.report import Report
from lab.report.words import latex, markdown

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["html", "md", "tex", "csv", "parquet", "ipynb"]
FOLDER = "reports"
"""The folder of a store that reports are kept in."""


def written(form: Format, store: Store, reports: Sequence[Report]) -> bytes:
    """A report's file."""
    return FORMS[form](store, reports)


def file_name(form: Format, reports: Sequence[Report]) -> str:
    """What a report's file is called."""
    names = [report.outline.name for report in reports]
    return f"{'+'.join(names) if len(names) < 4 else f'{names[0]}+{len(names) - 1}'}.{form}"


def data_frame(reports: Sequence[Report]) -> pd.DataFrame:
    """Every trial of every study, with the study it is of; levels that a file cannot hold are told in words."""
    import pandas as pd

    frames = []
    for report in reports:
        frame = frame_of(report.rows)
        frame.insert(0, "study", report.outline.name)
        frames.append(frame)
    told = pd.concat(frames, ignore_index=True)
    for name in told.columns:
        if name.startswith("level."):
            told[name] = pd.Series(_plain(told[name].tolist()), dtype=object)
    return told


def _plain(levels: list[object]) -> list[object]:
    """Levels of one kind as they are, of several kinds as text."""
    kinds = {type(level) for level in levels if level is not None}
    if len(kinds) <= 1 and kinds <= {str, bool, int, float}:
        return levels
    return [None if level is None else shown(level) for level in levels]


def _html(store: Store, reports: Sequence[Report]) -> bytes:
    return page(store, reports).encode()


def _md(store: Store, reports: Sequence[Report]) -> bytes:
    return "\n".join(map(markdown, reports)).encode()


def _tex(store: Store, reports: Sequence[Report]) -> bytes:
    return "\n".join(map(latex, reports)).encode()


def _csv(store: Store, reports: Sequence[Report]) -> bytes:
    return data_frame(reports).to_csv(index=False).encode()


def _parquet(store: Store, reports: Sequence[Report]) -> bytes:
    sink = io.BytesIO()
    data_frame(reports).to_parquet(sink, index=False)
    return sink.getvalue()


def _ipynb(store: Store, reports: Sequence[Report]) -> bytes:
    return notebook(reports, store.root).encode()


FORMS: Mapping[Format, Callable[[Store, Sequence[Report]], bytes]] = {
    "html": _html,
    "md": _md,
    "tex": _tex,
    "csv": _csv,
    "parquet": _parquet,
    "ipynb": _ipynb,
}
