"""A replayed step as a file: a page with every tensor, or the tensors as a table for other programs."""

from __future__ import annotations

from typing import Literal

from lab.records.replayed import Replayed
from lab.report.markup import tag, text
from lab.report.of_replay import replay_text, rows

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #222; }
pre { background: #f6f6f4; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: left; border-bottom: 1px solid #ddd; white-space: nowrap; }
td.number { text-align: right; }
tr.odd td { background: #fbe3e0; }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd; } pre { background: #242424; } th, td { border-color: #444; }
  tr.odd td { background: #5a2a26; }
}
"""


def written(told: Replayed, form: Literal["text", "html", "parquet"]) -> bytes:
    """The replay in a form that is kept in a file."""
    if form == "text":
        return replay_text(told).encode()
    return _page(told).encode() if form == "html" else _parquet(told)


def _page(told: Replayed) -> str:
    title = f"{told.trial}, step {told.step}"
    table = rows(told.computed)
    head = tag("tr", *(tag("th", text(name)) for name in table[0])) if table else ""
    body = "".join(_row(row, at=told.abnormal.tensor.at if told.abnormal else -1) for row in table)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{text(title)}</title><style>{STYLE}</style>"
        + tag("h1", text(title))
        + tag("pre", text(replay_text(told)))
        + tag("h2", text(f"Every tensor of the step, {len(table)} of them"))
        + tag("table", tag("thead", head), tag("tbody", body))
        + "</html>\n"
    )


def _row(row: dict[str, object], *, at: int) -> str:
    cells = (
        tag("td", text(f"{value:.5g}"), class_="number") if isinstance(value, float) else tag("td", text(value))
        for value in row.values()
    )
    return tag("tr", *cells, **({"class_": "odd"} if row["at"] == at or row["odd"] else {}))


def _parquet(told: Replayed) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows(told.computed)), sink, compression="zstd")
    return bytes(sink.getvalue())
