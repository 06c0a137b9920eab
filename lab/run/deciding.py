"""Deciding: a plan is carried out, its claims are judged, and those still open get further seeds until they are not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from lab.analysis.claims import Verdict, verdicts
from lab.analysis.outline import split_trial
from lab.analysis.rows import gather
from lab.errors import LabError
from lab.plan.asked import Asking
from lab.plan.extension import Extension, extension, seeds_of
from lab.plan.plan import Plan, Trial
from lab.records.store import Store

if TYPE_CHECKING:
    from lab.run.execute import Result

Run = Callable[[Plan, str], "Result"]
"""Carries a plan out; the text says why there is more to do."""
TIMES = 2
"""As many times the planned seeds may be run for a claim, where nothing else is said."""


def decide(plan: Plan, store: Store, run: Run) -> Result:
    """Run a plan and whatever further seeds its claims need; what was stopped or left out ends it."""
    says = ""
    while True:
        result = run(plan, says)
        if result.pending or result.interrupted or result.stopped:
            return result
        open_ones = undecided(plan, store)
        more = further(plan, open_ones)
        if not more:
            return result
        named = ", ".join(each.name for each in open_ones)
        cells = len({trial.cell.id for trial in more})
        says = f"undecided: {named}; {len(more)} further trials of {cells} cells before the next look"
        plan = replace(plan, extra=(*plan.extra, *more))


def undecided(plan: Plan, store: Store) -> list[Verdict]:
    """The claims that more seeds could decide: neither decided, nor short of planned trials, nor out of reach."""
    found = _verdicts(plan, store)
    return [v for v in found if v.verdict == "undecided" and not math.isnan(v.p) and v.more_seeds is not None]


def _verdicts(plan: Plan, store: Store) -> tuple[Verdict, ...]:
    results = gather(store, plan.name)
    return verdicts(results.rows, results.outline)


def further(plan: Plan, open_ones: list[Verdict]) -> tuple[Trial, ...]:
    """The trials that these claims need for their next look, seed by seed; none once a cell has the most it may get."""
    if plan.extension is None:
        return ()
    claims, cells = {claim.name: claim for claim in plan.claims}, {cell.id: cell for cell in plan.cells}
    known = {trial.id for trial in plan.all_trials}
    wanted: dict[str, Trial] = {}
    for verdict in open_ones:
        look = plan.extension.after(verdict.effect.n)
        for seed in seeds_of(plan.study, look or 0):
            for cell in claims[verdict.name].weights:
                trial = Trial(cells[cell], seed)
                if trial.id not in known:
                    wanted[trial.id] = trial
    order = {seed: place for place, seed in enumerate(plan.asking.seeds)}
    return tuple(sorted(wanted.values(), key=lambda trial: order[trial.seed]))


def until_decided(plan: Plan, store: Store, most: int | None) -> Plan:
    """The plan with a rule for going on: the file's, the one of an earlier run, or looks up to so many seeds."""
    if not plan.claims:
        raise LabError("there is no claim to decide", hint="say what is expected under `claims` of the study file")
    planned, extend = len(plan.study.seeds.values), plan.study.seeds.extend
    if most is not None and most <= planned:
        raise LabError(f"--max-seeds {most}: {planned} seeds are planned already", hint="name a larger number")
    before = _asked_before(plan, store)
    if most is None and (plan.extension is not None or before.is_sequential):
        return plan
    if before.hash == plan.asking.hash and all(v.verdict != "undecided" for v in _verdicts(plan, store)):
        return plan  # a new rule could only take away what is decided
    step = extend.step if extend is not None else 2
    return replace(plan, extension=extension(planned, most or TIMES * planned, step=step))


def resumed(plan: Plan, store: Store) -> Plan:
    """The plan with the seeds that earlier runs added, and with the number of times that looking began anew."""
    before = _asked_before(plan, store)
    if not plan.claims or not before.claims:
        return plan
    looks = plan.extension.looks if plan.extension is not None else plan.asking.looks
    if plan.extension is None and before.is_sequential and before.planned == len(plan.study.seeds.values):
        looks = before.looks
    is_new = looks != before.looks and _was_looked_at(before, store)
    rule = Extension(looks, before.rounds + is_new)
    return replace(plan, extension=rule, extra=tuple(_extra(plan, before)))


def _asked_before(plan: Plan, store: Store) -> Asking:
    """The claims as the last run had them."""
    try:
        return Asking.of(store.read_plan(plan.name).get("claims") or {})
    except LabError:
        return Asking()


def _was_looked_at(before: Asking, store: Store) -> bool:
    """Whether some claim had all of its planned trials in, so that a verdict was there to be seen."""
    needed = [
        {f"{cell}-{seed}" for seed in before.seeds[: before.planned] for cell in claim.weights}
        for claim in before.claims
    ]
    found = store.find(set().union(*needed)).keys()
    return any(trials <= found for trials in needed)


def _extra(plan: Plan, before: Asking) -> Iterator[Trial]:
    cells, planned = {cell.id: cell for cell in plan.cells}, set(plan.study.seeds.values)
    for trial in before.extra:
        cell, seed, _ = split_trial(trial)
        if cell in cells and seed not in planned:
            yield Trial(cells[cell], seed)
