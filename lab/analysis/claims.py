"""Verdicts: each claim of a study held against its records, at one error rate over all of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np

from lab.analysis.estimate import holm
from lab.analysis.further import further_seeds
from lab.analysis.judging import JUDGES, Judge
from lab.analysis.outline import Outline
from lab.analysis.rows import MISSING, Row
from lab.analysis.sequential import nominal, overall
from lab.analysis.table import Floats
from lab.plan.asked import Asked, Asking
from lab.spec.tasks import line_beside

Decision = Literal["supported", "refuted", "undecided", "not testable here"]
NOTHING = 1e-12
"""Differences this small beside the scores are rounding in their averages: the cells are the same bit for bit."""

NO_CHANGE = "what is compared changes nothing: the scores are equal with every seed"


@dataclass(frozen=True)
class ClaimEffect:
    """What the seeds say of a claim's difference, or of the mean that is held against a number."""

    n: int = 0
    """Seeds that every cell of the claim has."""
    mean: float = math.nan
    sd: float = math.nan
    low: float = math.nan
    high: float = math.nan
    """Ends of the interval that the verdict rests on; infinite where the seeds rule out nothing."""
    confidence: float = math.nan
    """Of that interval, after everything that alpha is shared among."""
    method: str = ""

    @property
    def has_interval(self) -> bool:
        """Whether there is an interval, and a finite one."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Verdict:
    """What a study says of one of its claims."""

    name: str
    say: str
    verdict: Decision
    effect: ClaimEffect
    against: float
    margin: float
    p: float
    """After Holm's adjustment over the claims; NaN where nothing was tested."""
    reason: str
    more_seeds: int | None
    """Further seeds that would decide it at 80 % power, if the truth is what was seen; None where none would."""
    expects: str
    why: str
    metric: str
    seeds: int = 0
    """Seeds that are in for all of its cells."""
    is_level: bool = False
    """Whether a mean is held against a number, so that what is seen is no difference."""


def verdicts(rows: Sequence[Row], outline: Outline) -> tuple[Verdict, ...]:
    """A verdict for every claim, in the order of the study file."""
    asking = outline.asking
    board = _Scores(rows, outline)
    cases = [_Case(claim, asking, board) for claim in asking.claims]
    tested = [case for case in cases if case.claim.is_testable]
    chances = holm([case.p for case in tested]) if asking.test.adjust == "holm" else [case.p for case in tested]
    decided = sum(chance <= asking.test.alpha for chance in chances)
    levels = _levels([case.p for case in tested], decided, asking)
    told = {case.claim.name: each for case, *each in zip(tested, chances, levels, strict=True)}
    return tuple(case.verdict(*told.get(case.claim.name, (math.nan, asking.strictest))) for case in cases)


def _levels(chances: Sequence[float], decided: int, asking: Asking) -> list[float]:
    """The alpha that each claim was held to: Holm's step for those decided, the next step for the others."""
    alpha, family = asking.test.alpha, len(chances)
    if asking.test.adjust == "none":
        return [alpha] * family
    rank = {at: place for place, at in enumerate(sorted(range(family), key=chances.__getitem__))}
    return [alpha / (family - min(rank[at], decided, family - 1)) for at in range(family)]


@dataclass(frozen=True)
class _Scores:
    """The scores of compared trials by cell and seed, whichever metric a claim is about."""

    rows: Sequence[Row]
    outline: Outline

    @cached_property
    def compared(self) -> dict[tuple[str, int], Row]:
        return {(row.cell, row.seed): row for row in self.rows if row.role == "compare" and not row.repeat}

    def value(self, cell: str, seed: int, metric: str) -> float:
        """NaN unless the trial is done and has this score."""
        row = self.compared.get((cell, seed))
        if row is None:
            return math.nan
        return row.score if metric == self.outline.score else row.metrics.get(metric, math.nan)

    def known(self, cell: str, seed: int, metric: str, name: str) -> float:
        """What the data of a trial know of the metric under a name; NaN where they do not."""
        return self.all_known(cell, seed, metric).get(name, math.nan)

    def all_known(self, cell: str, seed: int, metric: str) -> dict[str, float]:
        """All that the data of a trial know of the metric."""
        row = self.compared.get((cell, seed))
        lines = row.origin.data_lines if row is not None and row.origin is not None else {}
        return {beside: value for name, value in lines.items() if (beside := line_beside(name, metric))}

    def status(self, cell: str, seed: int) -> str:
        """How a trial ended that has no such score."""
        row = self.compared.get((cell, seed))
        return row.status if row is not None else MISSING


@dataclass(frozen=True)
class _Look:
    """A test of one claim with so many seeds."""

    values: Floats
    support: float
    """The chance of what was seen if the claim were wrong, over all looks."""
    refute: float
    """The same if the claim were right."""

    @property
    def p(self) -> float:
        return min(self.support, self.refute)


@dataclass(frozen=True)
class _Case:
    """One claim with all that bears on it."""

    claim: Asked
    asking: Asking
    scores: _Scores

    @property
    def judge(self) -> Judge:
        """While seeds may be added only the t-test will do: its looks have a known joint distribution."""
        return JUDGES["paired_t" if self.asking.is_sequential else self.asking.test.method]

    @cached_property
    def seen(self) -> dict[int, float]:
        """Seed -> the claim's sum, of seeds that all of its cells have."""
        sums = {seed: self._sum(seed) for seed in self.asking.seeds}
        return {seed: value for seed, value in sums.items() if math.isfinite(value)}

    def _sum(self, seed: int) -> float:
        weighed = self.claim.weights.items()
        return math.fsum(weight * self._value(cell, seed) for cell, weight in weighed)

    def _value(self, cell: str, seed: int) -> float:
        """A trial's score, less what the data know where the claim is held against that."""
        claim, value = self.claim, self.scores.value(cell, seed, self.claim.metric)
        return value - claim.times * self.scores.known(cell, seed, claim.metric, claim.known) if claim.known else value

    @cached_property
    def complete(self) -> int:
        """Seeds from the first on that are in without a hole."""
        order = self.asking.seeds
        return next((at for at, seed in enumerate(order) if seed not in self.seen), len(order))

    @cached_property
    def looks(self) -> list[_Look]:
        """The looks that could be taken, in their order."""
        if not self.claim.is_testable:
            return []
        return [self._look(seeds) for seeds in self.asking.looks if seeds <= self.complete]

    def _values(self, seeds: int) -> Floats:
        return np.array([self.seen[seed] for seed in self.asking.seeds[:seeds]])

    def _look(self, seeds: int) -> _Look:
        values, bounds = self._values(seeds), self.claim.bounds
        if seeds < self.judge.least or (self._is_nothing(values) and not self.claim.is_equivalence):
            return _Look(values, 1.0, 1.0)
        if not self.claim.is_equivalence:
            p = self._over_looks(self.judge.apart(values, bounds[0]), sides=2)
            claimed = (values.mean() > bounds[0]) == (self.claim.sign == ">")
            return _Look(values, p, 1.0) if claimed else _Look(values, 1.0, p)
        near = bounds[1] if values.mean() > self.claim.against else bounds[0]
        outside = abs(values.mean() - self.claim.against) > self.claim.by
        refute = self._over_looks(self.judge.apart(values, near), sides=2) if outside else 1.0
        return _Look(values, self._over_looks(self.judge.within(values, *bounds), sides=1), refute)

    def _over_looks(self, p: float, *, sides: int) -> float:
        return overall(p, self.asking.looks, sides=sides)

    def _is_nothing(self, values: Floats) -> bool:
        """Whether two cells gave the very same scores with every seed."""
        is_compared = self.is_difference and not self.claim.against
        return is_compared and len(values) > 1 and bool((np.abs(values) <= NOTHING).all())

    @property
    def is_difference(self) -> bool:
        """Whether cells are compared with cells or with what the data know, and not with a number."""
        return bool(self.claim.known) or any(weight < 0 for weight in self.claim.weights.values())

    @property
    def best(self) -> _Look | None:
        """The look that says most."""
        return min(self.looks, key=lambda look: look.p, default=None)

    @property
    def p(self) -> float:
        """The claim's chance before it is adjusted for the other claims."""
        return self.best.p if self.best is not None else 1.0

    def verdict(self, p: float, level: float) -> Verdict:
        """The claim's verdict, given its adjusted chance and the alpha it was held to."""
        decision, reason, values, more = self._decided(p, level)
        return Verdict(
            name=self.claim.name,
            say=self.claim.say,
            verdict=decision,
            effect=self._effect(values, level, is_refuted=decision == "refuted"),
            against=self.claim.against,
            margin=self.claim.by,
            p=p if self.looks and decision != "not testable here" else math.nan,
            reason=reason,
            more_seeds=more,
            expects=self.claim.expects,
            why=self.claim.why,
            metric=self.claim.metric,
            seeds=len(self.seen),
            is_level=not self.is_difference,
        )

    def _decided(self, p: float, level: float) -> tuple[Decision, str, Floats, int | None]:
        everything = np.array(list(self.seen.values()))
        if self.claim.confounded:
            return "not testable here", self.claim.confounded, everything, None
        if self.best is None:
            return "undecided", self._hole(), everything, None
        same = NO_CHANGE if self._is_nothing(self.looks[-1].values) else ""
        if same and not self.claim.is_equivalence:
            return "not testable here", same, everything, None
        if p <= self.asking.test.alpha:
            look = next((look for look in self.looks if look.p <= level), self.best)
            early = f"decided with {len(look.values)} seeds" if len(look.values) < self.complete else ""
            return ("supported" if look.support <= look.refute else "refuted"), same or early, look.values, None
        latest = self.looks[-1].values
        more = self._further(latest, level)
        return "undecided", self._open(latest, more), latest, more

    def _hole(self) -> str:
        """Which of the planned trials keep the claim from being tested."""
        if unknown := self._unknown():
            return unknown
        planned = [(cell, seed) for seed in self.asking.seeds[: self.asking.planned] for cell in self.claim.weights]
        ended = Counter(
            self.scores.status(cell, seed)
            for cell, seed in planned
            if not math.isfinite(self.scores.value(cell, seed, self.claim.metric))
        )
        missing, total = ended.pop(MISSING, 0), len(planned)
        if missing:
            return f"{missing} of {total} trials {'is' if missing == 1 else 'are'} missing"
        told = ", ".join(f"{number} {'no score' if status == 'done' else status}" for status, number in ended.items())
        return f"{sum(ended.values())} of {total} trials gave no score ({told})"

    def _unknown(self) -> str:
        """That the data know no such score, where a trial is in that should be held against it."""
        name, metric = self.claim.known, self.claim.metric
        for cell, seed in product(self.claim.weights, self.asking.seeds[: self.asking.planned] if name else ()):
            told = self.scores.all_known(cell, seed, metric)
            if name not in told and math.isfinite(self.scores.value(cell, seed, metric)):
                others = f"they know {', '.join(sorted(told))}" if told else "they know nothing of it"
                return f"the data know no `{name}` of {metric}: {others}"
        return ""

    def _further(self, values: Floats, level: float) -> int | None:
        looks = self.asking.looks
        return further_seeds(
            values,
            self.claim.bounds,
            alpha=nominal(level, looks),
            alpha_within=nominal(level, looks, sides=1),
            is_exact=self.judge is JUDGES["paired_permutation"],
        )

    def _open(self, values: Floats, more: int | None) -> str:
        if len(values) < self.judge.least:
            return f"{len(values)} seeds are too few for a {self.judge.name}"
        if more is None:
            return "no number of seeds within reach would decide it"
        end = self.asking.looks[-1]
        beyond = self.asking.is_sequential and len(values) + more > end
        limit = f", more than the {end} a cell may get" if beyond else ""
        return f"about {more} more seed{'' if more == 1 else 's'} would decide it{limit}"

    def _effect(self, values: Floats, level: float, *, is_refuted: bool) -> ClaimEffect:
        if not len(values):
            return ClaimEffect()
        n, mean = len(values), float(values.mean())
        if n < self.judge.least:
            return ClaimEffect(n, mean)
        one_sided = self.claim.is_equivalence and not is_refuted
        alpha = nominal(level, self.asking.looks, sides=1 if one_sided else 2) * (2 if one_sided else 1)
        low, high = self.judge.interval(values, alpha)
        return ClaimEffect(n, mean, float(values.std(ddof=1)), low, high, 1 - alpha, self._method(n))

    def _method(self, n: int) -> str:
        looks = self.asking.looks
        among = f", one of {len(looks)} looks" if len(looks) > 1 else ""
        name = self.judge.name if self.is_difference else self.judge.name.replace("paired ", "one-sample ")
        return f"{name} over {n} seeds{among}"


def spreads(rows: Sequence[Row], outline: Outline) -> dict[str, float]:
    """How much each claim's difference varies from seed to seed, where two seeds have shown it."""
    scores = _Scores(rows, outline)
    seen = {claim.name: list(_Case(claim, outline.asking, scores).seen.values()) for claim in outline.asking.claims}
    return {name: float(np.std(values, ddof=1)) for name, values in seen.items() if len(values) > 1}
