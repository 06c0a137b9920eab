"""What MLflow is told of a trial, worked out from events and records as plain data; nothing here talks to it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from lab.plan.plan import Trial
from lab.records.record import Record
from lab.records.rules.health import status_of
from lab.spec.rules import Finding
from lab.spec.spec import digest
from lab.spec.tasks import ALWAYS

KEYS = 64
"""Metric keys of one run: the UI fails by their number."""
POINTS = 1000
"""Points of one key."""
RESERVED = len(ALWAYS) + 3
"""Keys kept free for what is known at a trial's end: its costs, its course, the scores that count, its alerts."""
ALERTS = "health/alerts"
"""The curve that counts alerts over steps."""
LONGEST_VALUE = 6000
"""Characters of a parameter or tag; a longer one is cut."""
LONGEST_KEY = 250

Outline = Mapping[str, Any]
"""A plan as plain data; see Plan.outline."""


class Point(NamedTuple):
    """One value of one curve."""

    key: str
    step: int
    value: float
    time: int
    """Milliseconds since 1970."""


@dataclass(frozen=True)
class Facts:
    """What is known of a trial from its start on."""

    trial: str
    cell: str
    study: str
    seed: int
    repeat: int
    role: str
    label: str
    levels: Mapping[str, object]
    options: Mapping[str, object]
    source: str = ""
    """The study that ran it, when it was another one."""

    @property
    def name(self) -> str:
        """What its run is called."""
        ending = f" repeat {self.repeat}" if self.repeat else ""
        return cut(f"{self.label} · seed {self.seed}{ending}", 200)

    @property
    def params(self) -> dict[str, str]:
        """Every resolved option."""
        return {key_of(option): text_of(value) for option, value in self.options.items()}

    @property
    def tags(self) -> dict[str, str]:
        """What runs are filtered and grouped by."""
        said = {
            "lab.trial": self.trial,
            "lab.cell": self.cell,
            "lab.study": self.study,
            "lab.role": self.role,
            "lab.seed": str(self.seed),
            "lab.label": cut(self.label),
        }
        if self.source:
            said["lab.from_study"] = self.source
        return said | {f"lab.factor.{key_of(name)}": text_of(level) for name, level in self.levels.items()}


def facts_of_trial(trial: Trial, study: str, *, role: str, options: Mapping[str, object]) -> Facts:
    """A trial as it starts."""
    cell = trial.cell
    return Facts(trial.id, cell.id, study, trial.seed, trial.repeat, role, cell.label, dict(cell.levels), dict(options))


def facts_of_record(record: Record, outline: Outline) -> Facts:
    """A trial as this study sees it: a record of another study is shown under this one's label and levels."""
    cells = {cell["id"]: cell for cell in outline.get("cells", ())} if record.study != outline["name"] else {}
    cell = cells.get(record.cell, {"label": record.label, "levels": record.levels})
    return Facts(
        trial=record.trial,
        cell=record.cell,
        study=str(outline["name"]),
        seed=record.seed,
        repeat=record.repeat,
        role=record.role,
        label=cell["label"] or "base",
        levels=cell["levels"],
        options=record.options,
        source=record.reused or (record.study if record.study != outline["name"] else ""),
    )


def stamp(record: Record, facts: Facts) -> str:
    """A short name for what a complete run shows: equal stamps, nothing to do."""
    scores = {name: repr(float(value)) for name, value in record.scores.items()}
    found = [f"{finding.rule} {finding.scope} {finding.step}" for finding in record.findings]
    said = [record.status, record.origin.started, repr(float(record.seconds)), scores, found]
    return digest([*said, facts.name, facts.tags])


def verdict(record: Record) -> dict[str, str]:
    """The tags that only the end of a trial can tell."""
    said = {
        "lab.status": record.status,
        **health_tags(record.findings, is_failed=record.is_failed),
        "lab.error": cut(record.error),
        "mlflow.source.name": cut(record.origin.command),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": record.origin.commit,
        "mlflow.note.content": cut(note(record)),
    }
    return {name: value for name, value in said.items() if value}


def health_tags(findings: Sequence[Finding], *, is_failed: bool) -> dict[str, str]:
    """What runs are told apart by in the run table; a finding that another explains is no alert of its own."""
    alerts = headlines(findings)
    status = "broken" if is_failed else status_of(alerts)
    first = str(alerts[0].step) if alerts else ""
    rules = ", ".join(dict.fromkeys(finding.rule for finding in alerts))
    said = {"lab.health": status, "lab.alerts": cut(rules) or "none", "lab.first_alert_step": first}
    return {name: value for name, value in said.items() if value}


def headlines(findings: Sequence[Finding]) -> list[Finding]:
    """Warnings and worse that nothing explains, by step."""
    own = [finding for finding in findings if finding.level != "info" and not finding.explained_by]
    return sorted(own, key=lambda finding: finding.step)


def note(record: Record) -> str:
    """The description of a trial's run: how it ended and the exact commands that repeat it."""
    origin = record.origin
    lines = [f"Trial `{record.trial}` ended as **{record.status}** after {record.seconds:.1f} s."]
    if record.error:
        lines += ["", f"> {record.error.splitlines()[0]}"]
    commands = []
    if origin.commit:
        commands.append(f"git checkout {origin.commit}")
    if origin.diff:
        commands.append("git apply changes.diff   # among this run's artifacts")
    if origin.command:
        commands.append(origin.command)
    if commands:
        lines += ["", "To repeat it:", "```", *commands, "```"]
    return "\n".join(lines)


def curves(record: Record) -> Iterator[Point]:
    """A record's scores over its epochs."""
    shown = by_importance(name for name in record.history if name != "epoch")
    clock = Clock.of(record)
    planned = max(_whole(record.options.get("training.epochs")), clock.epochs)
    for name in shown:
        last = len(record.history[name])
        for epoch, value in enumerate(record.history[name], start=1):
            if is_drawn(epoch, planned) or epoch == last:
                yield Point(metric_of(name), epoch, value, clock.at(epoch))


def endings(record: Record, outline: Outline) -> Iterator[Point]:
    """What the end of a trial tells: its costs, and the scores that count."""
    clock = Clock.of(record)
    for name, value in record.scores.items():
        if name not in record.history:
            yield Point(metric_of(name), clock.epochs, value, clock.ended)
    alerts = headlines(record.findings)
    for count, finding in enumerate(alerts, start=1):
        yield Point(ALERTS, finding.step, float(count), clock.ended)
    if not alerts:
        yield Point(ALERTS, 0, 0.0, clock.ended)
    score = outline.get("score") or {}
    if "name" not in score:
        return
    index = record.epoch_of(score["name"], score.get("goal", "max"), score.get("at", "best_epoch"))
    epoch = clock.epochs if index is None else index + 1
    for told in (score["name"], score.get("final")):
        if told and math.isfinite(value := record.score(told, index)):
            yield Point(key_of(f"score/{told}"), epoch, value, clock.at(epoch))


@dataclass(frozen=True)
class Clock:
    """When each epoch of a recorded trial ended, as evenly as can be said afterwards."""

    started: int
    ended: int
    epochs: int

    @classmethod
    def of(cls, record: Record) -> Clock:
        """The clock of a record."""
        try:
            started = datetime.fromisoformat(record.origin.started).timestamp()
        except ValueError:
            started = 0.0
        epochs = max((len(values) for values in record.history.values()), default=0)
        return cls(round(1000 * started), round(1000 * (started + max(record.seconds, 0.0))), epochs)

    def at(self, epoch: int) -> int:
        """Milliseconds since 1970 at the end of an epoch, counted from 1."""
        return self.between(min(epoch / self.epochs, 1.0) if self.epochs else 1.0)

    def between(self, share: float) -> int:
        """Milliseconds since 1970 when this share of the trial was over."""
        return round(self.started + share * (self.ended - self.started))


def is_drawn(epoch: int, epochs: int) -> bool:
    """Whether an epoch, counted from 1, is among those drawn of a long run: the first, and then evenly many."""
    stride = math.ceil(epochs / (POINTS - 2))
    return epoch == 1 or stride <= 1 or epoch % stride == 0


@dataclass
class Budget:
    """What one run was sent so far: few enough keys, few enough points of each, and no point twice."""

    sent: dict[str, set[int]] = field(default_factory=dict)

    def admit(self, points: Iterable[Point], *, reserve: int = 0) -> list[Point]:
        """The points that still fit, with `reserve` keys left free for later ones."""
        return [point for point in points if self._fits(point, KEYS - reserve)]

    def _fits(self, point: Point, keys: int) -> bool:
        steps = self.sent.get(point.key)
        if steps is None:
            if len(self.sent) >= keys:
                return False
            steps = self.sent[point.key] = set()
        if point.step in steps or len(steps) >= POINTS:
            return False
        steps.add(point.step)
        return True


def by_importance(scores: Iterable[str]) -> list[str]:
    """Scores with those of single classes last, so that many classes never crowd out the mean."""
    return sorted(scores, key=lambda name: re.search(r"_\d+$", name) is not None)


def metric_of(score: str) -> str:
    """A score's name in MLflow, where what stands before a slash becomes a section: valid.acc -> valid/acc."""
    return key_of(score.replace(".", "/", 1))


def key_of(name: str) -> str:
    """A name with nothing in it that MLflow refuses."""
    clean = re.sub(r"[^\w.\-: /]", "_", name).strip("/. ")
    return re.sub(r"/{2,}", "/", clean)[:LONGEST_KEY] or "_"


def text_of(value: object) -> str:
    """An option's value as a parameter shows it."""
    return cut(value if isinstance(value, str) else json.dumps(value, default=str))


def cut(text: str, longest: int = LONGEST_VALUE) -> str:
    """A text no longer than MLflow takes."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def describe(outline: Outline, command: str) -> str:
    """The description of a study's experiment: its question, its cells, how to repeat it."""
    score = outline.get("score") or {}
    lines = [f"**{outline.get('question', '')}**", ""]
    if score:
        lines += [f"Compared by `{score['name']}` ({score['goal']}, {score['at'].replace('_', ' ')}).", ""]
    cells: Sequence[Mapping[str, Any]] = outline.get("cells", ())
    lines += [f"{len(cells)} cells, {len(outline.get('trials', ()))} trials.", ""]
    lines += ["| cell | levels |", "|---|---|"]
    lines += [f"| `{cell['id']}` | {cell['label']} |" for cell in cells[:100]]
    if len(cells) > 100:
        lines.append(f"| ... | {len(cells) - 100} more: plan.txt of the run named study |")
    lines += ["", *[f"- {said}" for said in outline.get("notes", ())]]
    if command:
        lines += ["", "To repeat it:", "```", command, "```"]
    return cut("\n".join(lines))


def plan_table(outline: Outline) -> str:
    """The plan's cells as a text table, one column a factor."""
    cells: Sequence[Mapping[str, Any]] = outline.get("cells", ())
    factors = list(dict.fromkeys(name for cell in cells for name in cell["levels"]))
    rows = [["cell", "label", *factors]]
    for cell in cells:
        levels = [text_of(cell["levels"][name]) if name in cell["levels"] else "" for name in factors]
        rows.append([cell["id"], cell["label"], *levels])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([str(outline.get("question", "")), "", *lines, ""])


def _whole(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) and math.isfinite(value) else 0
