"""What a person sees while a study runs: a live display on a terminal, plain lines elsewhere, JSON for a script."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.plan.plan import Plan, Trial
from lab.records.record import Record
from lab.run.alerting import Alerts
from lab.run.events import Alerted, EpochDone, Event, Said, TrialEnded, TrialStarted

LEVELS = {"info": "", "warn": "yellow", "error": "bold red"}


@dataclass
class Running:
    """A trial on a worker, as far as it has come."""

    label: str
    started: float
    epoch: int = 0
    epochs: int = 0
    score: float | None = None


@dataclass
class Tally:
    """Everything the display knows, updated event by event."""

    plan: Plan
    total: int
    began: float = field(default_factory=time.monotonic)
    ended: Counter[str] = field(default_factory=Counter)
    running: dict[str, Running] = field(default_factory=dict)
    best: tuple[float, str] | None = None
    alerts: Alerts = field(default_factory=Alerts)
    work: float = 0.0
    """Fractions of trials finished in this run, for the time left."""

    def hear(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, TrialStarted):
            label = told(event.trial, self.plan)
            self.running[event.trial.id] = Running(label, time.monotonic(), event.from_epoch)
        elif isinstance(event, EpochDone) and event.trial.id in self.running:
            self._advance(self.running[event.trial.id], event)
        elif isinstance(event, TrialEnded):
            self._end(event)

    def _advance(self, run: Running, event: EpochDone) -> None:
        if event.epochs:
            self.work += max(0, event.epoch - run.epoch) / event.epochs
        run.epoch, run.epochs = event.epoch, event.epochs
        run.score = event.scores.get(self.plan.study.score.name)

    def _end(self, event: TrialEnded) -> None:
        run = self.running.pop(event.trial.id, None)
        record = event.record
        if run is not None and run.epochs:
            self.work += 1 - run.epoch / run.epochs
        elif run is not None:
            self.work += 1
        self.ended[record.status] += 1
        if record.status == "done" and record.role != "tune":
            self._note_best(event)

    def _note_best(self, event: TrialEnded) -> None:
        value = score_of(event.record, self.plan)
        better = max if self.plan.study.score.goal == "max" else min
        if value is not None and (self.best is None or better(value, self.best[0]) != self.best[0]):
            self.best = (value, told(event.trial, self.plan))

    @property
    def finished(self) -> int:
        """Trials that left a record in this run."""
        return sum(self.ended.values())

    @property
    def left(self) -> float | None:
        """Seconds to the end at the speed seen so far; None before anything is known."""
        elapsed = time.monotonic() - self.began
        if self.work <= 0:
            return None
        return max(0.0, self.total - self.work) * elapsed / self.work


def told(trial: Trial, plan: Plan) -> str:
    """A trial as a person reads it: the cell as reports name it, the seed, and which repeat of the noise floor."""
    return f"{plan.told(trial.cell)} · seed {trial.seed}" + (f", repeat {trial.repeat}" if trial.repeat else "")


def score_of(record: Record, plan: Plan) -> float | None:
    """The study's score of a record, at the epoch that counts."""
    score = plan.study.score
    epoch = record.epoch_of(score.name, score.goal, score.at)
    value = record.score(score.name, epoch)
    return value if math.isfinite(value) else None


def duration(seconds: float | None) -> str:
    """Seconds as a person says them."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def summary(tally: Tally) -> str:
    """One line: done, running, failed, best, time left."""
    failed = sum(count for status, count in tally.ended.items() if status not in ("done", "pruned"))
    parts = [f"{tally.finished}/{tally.total} trials", f"{len(tally.running)} running"]
    if tally.ended["pruned"]:
        parts.append(f"{tally.ended['pruned']} pruned")
    if failed:
        parts.append(f"{failed} failed")
    if tally.alerts.trials:
        parts.append(f"alerts: {tally.alerts.counted()}")
    if tally.best is not None:
        parts.append(f"highest so far {tally.best[0]:.4f} ({tally.best[1]})")
    if tally.finished < tally.total:
        parts.append(f"{duration(tally.left)} left")
    return " · ".join(parts)


class PlainLines:
    """A line for every finished trial and every word said; nothing that needs a terminal."""

    def __init__(self, tally: Tally, out: TextIO) -> None:
        self.tally, self.out = tally, out

    def __enter__(self) -> Callable[[Event], None]:
        return self.hear

    def __exit__(self, *_: object) -> None:
        self.out.flush()

    def hear(self, event: Event) -> None:
        """Print what is worth a line."""
        self.tally.hear(event)
        if isinstance(event, Said):
            print(f"{event.level}: {event.text}", file=self.out, flush=True)
        elif isinstance(event, Alerted):
            words = self.tally.alerts.hear(event, self.tally.plan)
            if words:
                print(f"alert: {words}", file=self.out, flush=True)
        elif isinstance(event, TrialEnded):
            print(self._line(event), file=self.out, flush=True)

    def _line(self, event: TrialEnded) -> str:
        record, score = event.record, self.tally.plan.study.score.name
        value = score_of(record, self.tally.plan)
        said = (record.error.splitlines() or ["no score"])[0]
        outcome = said if record.is_failed or value is None else f"{score} {value:.4g}"
        head = f"[{self.tally.finished}/{self.tally.total}] {told(event.trial, self.tally.plan)}"
        return f"{head}: {record.status}, {outcome}, {duration(record.seconds)}; {duration(self.tally.left)} left"


def _finite(said: dict[str, object]) -> dict[str, object]:
    """Plain data without its evidence, and with words where JSON has no number."""
    told = {name: value for name, value in said.items() if name != "evidence"}
    return {name: str(v) if isinstance(v, float) and not math.isfinite(v) else v for name, v in told.items()}


class JsonLines:
    """One JSON object a line, for scripts."""

    def __init__(self, tally: Tally, out: TextIO) -> None:
        self.tally, self.out = tally, out

    def __enter__(self) -> Callable[[Event], None]:
        return self.hear

    def __exit__(self, *_: object) -> None:
        self.out.flush()

    def hear(self, event: Event) -> None:
        """Print the event as data."""
        self.tally.hear(event)
        data = self._data(event)
        if data is not None:
            print(json.dumps(data), file=self.out, flush=True)

    def _data(self, event: Event) -> dict[str, object] | None:
        if isinstance(event, Said):
            return {"event": "said", "level": event.level, "text": event.text}
        if isinstance(event, TrialStarted):
            return {"event": "started", "trial": event.trial.id, "from_epoch": event.from_epoch}
        if isinstance(event, EpochDone):
            finite = {name: value for name, value in event.scores.items() if math.isfinite(value)}
            return {"event": "epoch", "trial": event.trial.id, "epoch": event.epoch, "scores": finite}
        if isinstance(event, Alerted):
            return {"event": "alert", "trial": event.trial.id, **_finite(asdict(event.finding))}
        if isinstance(event, TrialEnded):
            value = score_of(event.record, self.tally.plan)
            return {
                "event": "ended",
                "trial": event.trial.id,
                "status": event.record.status,
                "score": value,
                "seconds": round(event.record.seconds, 3),
                "error": event.record.error,
            }
        return None


class LiveDisplay:
    """A bar, the running trials with their epochs, and what was said, redrawn in place."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self.tally, self.console = tally, console
        self.live = Live(get_renderable=self.draw, console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> Callable[[Event], None]:
        self.live.__enter__()
        return self.hear

    def __exit__(self, *problem: object) -> None:
        self.live.__exit__(None, None, None)
        self.console.print(summary(self.tally))

    def hear(self, event: Event) -> None:
        """Take the event in; words and failures stay on the screen above the display."""
        self.tally.hear(event)
        if isinstance(event, Said):
            self.console.print(Text(event.text, style=LEVELS.get(event.level, "")))
        elif isinstance(event, Alerted):
            words = self.tally.alerts.hear(event, self.tally.plan)
            if words:
                self.console.print(Text(words, style=LEVELS.get(event.finding.level, "bold red")))
        elif isinstance(event, TrialEnded) and event.record.is_failed:
            first = (event.record.error.splitlines() or [""])[0]
            self.console.print(Text(f"{event.trial.id} {event.record.status}: {first}", style="red"))

    def draw(self) -> RenderableType:
        """The display as it stands."""
        rows = Table.grid(padding=(0, 2))
        for run in list(self.tally.running.values())[:12]:
            bar = ProgressBar(total=max(1, run.epochs), completed=run.epoch, width=24)
            score = f"{run.score:.4f}" if run.score is not None else "…"
            rows.add_row(bar, f"{run.epoch}/{run.epochs or '?'}", score, Text(run.label, overflow="ellipsis"))
        whole = ProgressBar(total=max(1, self.tally.total), completed=min(self.tally.total, self.tally.work))
        return Group(whole, Text(summary(self.tally), style="bold"), rows)


Display = PlainLines | JsonLines | LiveDisplay


def display(plan: Plan, *, total: int, as_json: bool = False) -> Display:
    """The display that suits where the output goes."""
    tally = Tally(plan, total)
    if as_json:
        return JsonLines(tally, sys.stdout)
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(tally, console)
    return PlainLines(tally, sys.stderr)
