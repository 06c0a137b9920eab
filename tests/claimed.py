"""Claims over scores that were made up: seed by seed a number, or how the trial ended that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.analysis.claims import Verdict, verdicts
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row
from lab.plan.asked import Asked, Asking
from lab.records.record import Origin
from lab.spec.claims import Test

Scores = Mapping[str, Sequence[float | str | None]]
"""Cell -> what came of each seed; None where nothing has yet."""


def more(left: str, right: str, *, name: str = "more", **said: Any) -> Asked:
    """The claim that one cell scores more than another."""
    return claim(name, {left: 1.0, right: -1.0}, **said)


def claim(name: str, weights: Mapping[str, float], **said: Any) -> Asked:
    return Asked(**{"name": name, "say": name, "sign": ">", "weights": weights, "metric": "valid.acc"} | said)


def asking(scores: Scores, *claims: Asked, looks: Sequence[int] = (), rounds: int = 1, **test: Any) -> Asking:
    """The claims with a rule: looks at all seeds there are, unless others are named."""
    seeds = max(map(len, scores.values()))
    looks = tuple(looks) or (seeds,)
    return Asking(
        claims, Test(**test), tuple(range(looks[-1])), looks[0], looks, rounds, hash="0123456789ab" if claims else ""
    )


def study(scores: Scores, asked: Asking) -> tuple[list[Row], Outline]:
    """Rows and an outline of a study with these scores."""
    cells = {name: PlannedCell(name, name, {"cell": name}) for name in scores}
    first = next(iter(scores))
    outline = Outline(
        "s", "?", "", "valid.acc", "max", "best_epoch", None, ("cell",), first, {"cell": first}, cells, (), asking=asked
    )
    rows = [row(name, seed, value) for name, values in scores.items() for seed, value in enumerate(values)]
    return rows, outline


def row(cell: str, seed: int, value: float | str | None) -> Row:
    if value is None:
        return Row(f"{cell}-{seed}", cell, cell, seed)
    if isinstance(value, str):
        return Row(f"{cell}-{seed}", cell, cell, seed, status=value)
    return Row(f"{cell}-{seed}", cell, cell, seed, status="done", score=value)


def judged(
    scores: Scores,
    *claims: Asked,
    looks: Sequence[int] = (),
    lines: Sequence[Mapping[str, float]] = (),
    **test: Any,
) -> tuple[Verdict, ...]:
    """The verdicts over these scores; `lines` is what the data of each seed know."""
    rows, outline = study(scores, asking(scores, *claims, looks=looks, **test))
    if lines:
        rows = [replace(each, origin=Origin(data_lines=lines[each.seed])) for each in rows]
    return verdicts(rows, outline)


WIGGLE = [0.01, -0.02, 0.0, 0.02, -0.01, 0.015, -0.005, 0.01]
LIFT = [0.30, 0.25, 0.4, 0.35, 0.2, 0.28, 0.33, 0.31]


def pair(gap: float, wiggle: list[float] = WIGGLE) -> Scores:
    """Two cells whose difference is `gap` and wiggles; seeds lift both alike."""
    lifts = (LIFT * 10)[: len(wiggle)]
    return {"a": [lift + gap + each for lift, each in zip(lifts, wiggle, strict=True)], "b": lifts}


def only(found: tuple[Verdict, ...]) -> Verdict:
    (verdict,) = found
    return verdict
