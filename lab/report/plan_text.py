"""`lab plan`: what a run would do, what it would cost and what it could show, as text or as data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lab.analysis.outline import Outline, shown
from lab.plan.plan import Plan, short
from lab.report.numbers import count, duration, plain
from lab.report.preview import Preview
from lab.report.tables import table_of
from lab.spec.spec import plain as as_data

MOST_CELLS = 40
"""Cells that are listed."""
HOUR = 3600.0


def plan_text(preview: Preview) -> RenderableType:
    """The plan in a few lines, then its cells."""
    plan = preview.plan
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for head, words in _facts(preview):
        if words:
            table.add_row(head, Text(words))
    warnings = [Text(f"warning: {each}", style="yellow") for each in preview.warnings]
    return Group(Text(plan.study.question, style="bold"), Text(), table, *warnings, Text(), *_cells(plan))


def plan_data(preview: Preview) -> dict[str, object]:
    """The same for `--json`."""
    plan, cost = preview.plan, preview.cost
    effect = preview.smallest_effect
    return {
        "study": plan.name,
        "question": plan.study.question,
        "file": plan.file,
        "score": plan.study.score.options(),
        "cells": [
            {
                "id": cell.id,
                "label": cell.label,
                "levels": as_data(cell.levels),
                "is_reference": cell.id == plan.reference.id,
            }
            for cell in plan.cells
        ],
        "seeds": list(plan.study.seeds.values),
        "trials": len(plan.all_trials),
        "tuning_trials": preview.tuning,
        "search_trials": preview.searching,
        "in_store": len(preview.known),
        "reused": dict(Counter(row.study for row in preview.reused)),
        "failed": len(preview.failed),
        "to_run": cost.trials,
        "seconds": cost.seconds,
        "timed_trials": cost.known,
        "sd_of_pairs": preview.spread.sd if preview.spread else None,
        "smallest_effect": effect if math.isfinite(effect) else None,
        "smallest_effect_in": "score" if preview.spread else "sd of pairs",
        "lowest_p": preview.lowest_p,
        "claims": [claim.data for claim in preview.claims],
        "notes": list(plan.notes),
        "warnings": list(preview.warnings),
    }


def _facts(preview: Preview) -> Iterator[tuple[str, str]]:
    yield "cells", _size(preview)
    yield "runs", _runs(preview)
    yield "store", _store(preview)
    yield "cost", _cost(preview)
    yield "shows", _power(preview)
    for place, claim in enumerate(preview.claims):
        yield "" if place else "claims", claim.sentence
    for place, note in enumerate(preview.plan.notes):
        yield "" if place else "notes", note


def _size(preview: Preview) -> str:
    plan = preview.plan
    search = f" and {count(plan.search.trials, 'setting')} of a {plan.search.sampler} search" if plan.search else ""
    factors = f", {count(len(plan.study.factors), 'factor')}" if plan.study.factors else ""
    return f"{len(plan.cells):,}{search}{factors}; compared by {plan.study.score.name} ({plan.study.score.goal})"


def _runs(preview: Preview) -> str:
    plan = preview.plan
    parts = [f"{count(len(plan.cells), 'cell')} x {count(preview.seeds, 'seed')}"]
    if plan.study.seeds.noise_floor:
        parts.append(f"{plan.study.seeds.noise_floor} of the base again (noise floor)")
    if preview.tuning:
        parts.append(f"{preview.tuning:,} tuning")
    if preview.searching:
        parts.append(f"{preview.searching:,} search")
    return f"{len(plan.all_trials) + preview.tuning + preview.searching:,} = {' + '.join(parts)}"


def _store(preview: Preview) -> str:
    known = len(preview.known)
    if not known:
        return f"none of them is in yet; {count(preview.cost.trials, 'trial')} to run"
    others = Counter(row.study for row in preview.reused)
    told = [f"{number:,} from {study}" for study, number in sorted(others.items())]
    from_others = f" ({', '.join(told)})" if told else ""
    failed = f", {len(preview.failed):,} of them failed: --retry-failed takes those up" if preview.failed else ""
    return f"{known:,} in already{from_others}{failed}; {count(preview.cost.trials, 'trial')} to run"


def _cost(preview: Preview) -> str:
    cost, budget = preview.cost, preview.plan.study.budget
    if not cost.trials:
        return "nothing"
    if cost.seconds is None:
        return "not known: no cell was run or timed here yet"
    known = "every trial's cell" if cost.known == cost.trials else f"the cells of {count(cost.known, 'trial')}"
    limit = budget.hours or budget.gpu_hours
    spends = f", of a budget of {limit:g} h" if limit else ""
    over = " - more than it allows" if limit and cost.seconds > limit * HOUR else ""
    return f"about {duration(cost.seconds)} one trial at a time{spends}{over} ({known} timed)"


def _power(preview: Preview) -> str:
    if len(preview.plan.cells) < 2:
        return ""
    if preview.seeds < 2:
        return "nothing with one seed: no difference has an interval"
    score = preview.plan.study.score.name
    at = f"n = {preview.seeds} paired seeds (alpha 0.05, power 0.8)"
    if preview.spread is None:
        return f"differences above {preview.smallest_effect:.2g} sd of a paired difference, {at}"
    sd = f"sd of pairs {plain(preview.spread.sd)} in {count(preview.spread.cells, 'cell')}"
    return f"differences of {score} above {preview.smallest_effect:.2g}, {at}; {sd}"


def _cells(plan: Plan) -> Iterator[RenderableType]:
    """The first cells with their levels; those of the base are dim, so that changes stand out."""
    factors = [name for name in plan.study.factors if any(name in cell.levels for cell in plan.cells)]
    named = any(cell.name for cell in plan.cells)
    outline = Outline.of(plan.outline())
    table = table_of("", *(["cell"] if named else []), *(short(name) for name in factors))
    for column in table.columns:
        column.justify = "left"
    for cell in plan.cells[:MOST_CELLS]:
        levels = as_data(cell.levels)
        words = [
            Text(shown(levels.get(name, "")), style="dim" if outline.base.get(name) == levels.get(name) else "")
            for name in factors
        ]
        is_base = cell.id == plan.reference.id
        table.add_row(Text(f"{cell.id}{' (base)' if is_base else ''}"), *([Text(cell.name)] if named else []), *words)
    yield table
    left = len(plan.cells) - MOST_CELLS
    if left > 0:
        yield Text(f"... and {left:,} more; --json has them all", style="dim")
