"""`lab status`: how far studies are, read off the records and off what running commands claim."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lab.analysis.health import Failure, failures
from lab.analysis.rows import MISSING, Row, gather
from lab.errors import LabError
from lab.records.running import Running, running
from lab.records.store import Store
from lab.report.numbers import NONE, count, duration
from lab.report.tables import table_of
from lab.report.text import failures_table, terminal

MOST_RUNNING = 16
"""Running trials that are listed."""


@dataclass(frozen=True)
class InHand:
    """A trial that somebody works on."""

    trial: str
    label: str
    seed: int
    host: str
    pid: int


@dataclass(frozen=True)
class Standing:
    """How far one study is."""

    study: str
    question: str = ""
    planned: int = 0
    done: int = 0
    pruned: int = 0
    failed: int = 0
    pending: int = 0
    """Without a record, those in hand included."""
    sampled: int = 0
    """Tuning and search trials with a record, which no plan counts."""
    since: str = ""
    """When the first trial started, UTC."""
    seconds_left: float | None = None
    """At the speed of the trials that are done, by as many workers as there are now."""
    in_hand: tuple[InHand, ...] = ()
    failures: tuple[Failure, ...] = ()
    problem: str = ""
    """Why nothing can be said of it."""


def show_status(store: Store, study: str | None, *, as_json: bool = False) -> int:
    """Print how far one study is, or all of them; 0 whatever there is."""
    claims = running(store)
    if study is not None:
        told = [standing(store, study, claims)]
    else:
        told = [_standing_or_problem(store, name, claims) for name in store.studies()]
    if as_json:
        data = [asdict(each) for each in told]
        sys.stdout.write(json.dumps(data[0] if study is not None else data, indent=1) + "\n")
    else:
        terminal().print(status_text(told, detailed=study is not None))
    return 0


def standing(store: Store, study: str, claims: dict[str, Running]) -> Standing:
    """Count a study's trials."""
    results = gather(store, study)
    planned = [row for row in results.rows if row.role in ("compare", "floor")]
    pending = [row for row in planned if row.status == MISSING]
    in_hand = tuple(_in_hand(row, claims[row.trial]) for row in pending if row.trial in claims)
    statuses = [row.status for row in planned]
    return Standing(
        study=study,
        question=results.outline.question,
        planned=len(planned),
        done=statuses.count("done"),
        pruned=statuses.count("pruned"),
        failed=sum(row.is_failed for row in planned),
        pending=len(pending),
        sampled=len(results.rows) - len(planned),
        since=min((row.started for row in results.rows if row.started), default=""),
        seconds_left=_seconds_left(planned, workers=max(1, len(in_hand))),
        in_hand=in_hand,
        failures=failures(results.rows),
    )


def status_text(told: Sequence[Standing], *, detailed: bool) -> RenderableType:
    """A line a study; for a single one, also who works on what and what failed."""
    if not told:
        return Text("no study yet; run one: lab run studies/norm_ablation.yaml --profile quick")
    heads = ("study", "trials", "done", "running", "failed", "pruned", "pending", "left", "since (UTC)")
    table = table_of(*heads)
    table.columns[0].justify = "left"
    for each in told:
        table.add_row(*_line(each))
    parts: list[RenderableType] = [table]
    parts += [Text(f"{each.study}: {each.problem}", style="red") for each in told if each.problem]
    for each in told if detailed else ():
        parts += _details(each)
    return Group(*parts)


def _standing_or_problem(store: Store, study: str, claims: dict[str, Running]) -> Standing:
    """A study that cannot be read must not hide the others."""
    try:
        return standing(store, study, claims)
    except LabError as problem:
        return Standing(study, problem=f"{problem.what} ({problem.hint})")


def _in_hand(row: Row, claim: Running) -> InHand:
    return InHand(row.trial, row.label, row.seed, claim.host, claim.pid)


def _seconds_left(rows: Sequence[Row], *, workers: int) -> float | None:
    """Each pending trial as long as the mean of its cell, or of all; None while nothing is done."""
    seen: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.status == "done" and math.isfinite(row.seconds):
            seen[row.cell].append(row.seconds)
    if not seen:
        return None
    every = [seconds for times in seen.values() for seconds in times]
    mean = math.fsum(every) / len(every)
    left = (
        math.fsum(seen[row.cell]) / len(seen[row.cell]) if row.cell in seen else mean
        for row in rows
        if row.status == MISSING
    )
    return math.fsum(left) / workers


def _line(told: Standing) -> list[RenderableType]:
    if told.problem:
        return [Text(told.study), *([NONE] * 8)]
    sampled = f" + {told.sampled}" if told.sampled else ""
    return [
        Text(told.study),
        f"{told.planned:,}{sampled}",
        Text(f"{told.done:,}", style="green" if told.done == told.planned else ""),
        f"{len(told.in_hand):,}",
        Text(f"{told.failed:,}", style="red" if told.failed else ""),
        f"{told.pruned:,}",
        f"{told.pending:,}",
        duration(told.seconds_left) if told.pending else NONE,
        told.since[:16].replace("T", " ") or NONE,
    ]


def _details(told: Standing) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if told.in_hand:
        hands = Table.grid(padding=(0, 2))
        for each in told.in_hand[:MOST_RUNNING]:
            hands.add_row(
                Text(f"{each.label} · seed {each.seed}"), Text(f"{each.host}, process {each.pid}", style="dim")
            )
        left = len(told.in_hand) - MOST_RUNNING
        parts += [Text(), Text("Running", style="bold cyan"), Padding(hands, (0, 0, 0, 1))]
        parts += [Text(f" ... and {count(left, 'other trial')}", style="dim")] if left > 0 else []
    if told.failures:
        parts += [
            Text(),
            Text("Failed trials", style="bold cyan"),
            Padding(failures_table(told.failures), (0, 0, 0, 1)),
        ]
    return parts
