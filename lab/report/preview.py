"""Preview: what a run would do, worked out from the plan, the store and what trials were seen to cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.analysis.outline import Outline
from lab.analysis.rows import MISSING, Row, held_against
from lab.analysis.spread import Spread, spread
from lab.plan.plan import Plan
from lab.plan.power import lowest_p, smallest_effect
from lab.records.store import Store
from lab.records.timings import Cost, Timings, estimate
from lab.report.claims_ahead import ClaimAhead, claims_ahead, out_of_reach


@dataclass(frozen=True)
class Preview:
    """A plan beside what is known already."""

    plan: Plan
    rows: tuple[Row, ...]
    cost: Cost
    spread: Spread | None
    warnings: tuple[str, ...] = ()
    """Such as factors that change nothing."""
    claims: tuple[ClaimAhead, ...] = ()

    @property
    def seeds(self) -> int:
        """Compared seeds of a cell."""
        return len(self.plan.study.seeds.values)

    @property
    def tuning(self) -> int:
        """Trials that tune nuisance options, over all cells."""
        return tuning_trials(self.plan)

    @property
    def searching(self) -> int:
        """Trials of the search."""
        return search_trials(self.plan)

    @cached_property
    def known(self) -> tuple[Row, ...]:
        """The planned trials that have a record."""
        return tuple(row for row in self.rows if row.status != MISSING and row.role in ("compare", "floor"))

    @property
    def reused(self) -> tuple[Row, ...]:
        """Those that another study ran."""
        return tuple(row for row in self.known if row.study != self.plan.name)

    @property
    def failed(self) -> tuple[Row, ...]:
        """Those that failed, which only --retry-failed takes up again."""
        return tuple(row for row in self.known if row.is_failed)

    @property
    def smallest_effect(self) -> float:
        """The smallest difference that the seeds can show, in units of the spread where that is not known."""
        return smallest_effect(self.seeds, self.spread.sd if self.spread else 1.0)

    @property
    def lowest_p(self) -> float:
        """How low an exact paired test can go with so many seeds."""
        return lowest_p(self.seeds)


def preview(plan: Plan, store: Store, timings: Timings, *, device: str = "", warnings: Sequence[str] = ()) -> Preview:
    """Hold a plan against the store; `timings` is what `lab.records.timings.load` gave, with newer ones added."""
    outline = Outline.of(plan.outline())
    rows = held_against(store, outline).rows
    known = frozenset(row.trial for row in rows if row.status != MISSING)
    sampled = sum(row.role in ("tune", "search") for row in rows)
    left = max(0, tuning_trials(plan) + search_trials(plan) - sampled)
    cost = estimate(plan.without(known), timings, device=device, sampled=left)
    claims = claims_ahead(rows, outline)
    return Preview(plan, rows, cost, spread(rows, outline), (*warnings, *out_of_reach(claims)), claims)


def tuning_trials(plan: Plan) -> int:
    """Every cell's own tuning: as many settings, on as many seeds, as the largest of its nuisance options asks for."""
    tuned = [cell.tuned.values() for cell in plan.cells if cell.tuned]
    return sum(max(each.trials for each in options) * max(len(each.seeds) for each in options) for options in tuned)


def search_trials(plan: Plan) -> int:
    """Every setting of the search with every seed."""
    return plan.search.trials * len(plan.study.seeds.values) if plan.search else 0
