"""Claims before they are tested: how many seeds each will have, and how small an effect these can show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.analysis.claims import spreads
from lab.analysis.further import seeds_to_show_within
from lab.analysis.outline import Outline
from lab.analysis.rows import Row
from lab.analysis.sequential import nominal
from lab.plan.asked import Asked, Asking
from lab.plan.power import lowest_p, smallest_effect
from lab.report.numbers import count, plain


@dataclass(frozen=True)
class ClaimAhead:
    """What a claim can expect of a plan."""

    claim: Asked
    seeds: tuple[int, ...]
    """Seeds at which is looked."""
    alpha: float
    """What each look is held to, while no other claim is decided."""
    sd: float | None
    """Of the claim's difference from seed to seed; None before two seeds are in."""
    lowest: float = 0.0
    """The smallest p that so many seeds can give, whatever they score; 0 unless the test is an exact one."""

    @property
    def smallest(self) -> float:
        """The smallest difference that all seeds together show; in units of the sd where that is not known."""
        return smallest_effect(self.seeds[-1], self.sd or 1.0, alpha=self.alpha)

    @property
    def needs(self) -> int | None:
        """For an equivalence: the seeds that show no difference beyond the margin where there is none at all."""
        return seeds_to_show_within(self.claim.by, self.sd, alpha=self.alpha) if self.sd else None

    @property
    def sentence(self) -> str:
        """For the plan."""
        claim = self.claim
        if claim.confounded:
            return f"{claim.name}: not testable here"
        over = f"{count(claim.groups, f'cell {claim.noun}' if claim.noun != 'cell' else 'cell')}"
        seeds = f"n = {self.seeds[0]}" + (f" to {self.seeds[-1]}" if len(self.seeds) > 1 else "") + " seeds"
        how = f"alpha {self.alpha:.3g}, power 0.8"
        if claim.is_equivalence:
            within = f"to show it within {claim.by:g} takes {self.needs} seeds" if self.needs else ""
            sd = f"sd {plain(self.sd)}, " if self.sd else "sd not known yet, "
            return f"{claim.name}: {over}, {seeds}{'; ' if within else ''}{within} ({sd}{how})"
        visible = f"{self.smallest:.2g}" + (f" (sd {plain(self.sd)}, {how})" if self.sd else f" sd ({how})")
        return f"{claim.name}: {over}, {seeds}; smallest visible effect {visible}"

    @property
    def data(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "name": self.claim.name,
            "say": self.claim.say,
            "testable": self.claim.is_testable,
            "groups": self.claim.groups,
            "of": self.claim.noun,
            "seeds": list(self.seeds),
            "alpha": self.alpha,
            "sd": self.sd,
            "smallest_effect": self.smallest if math.isfinite(self.smallest) else None,
            "seeds_needed": self.needs if self.claim.is_equivalence else None,
        }


def claims_ahead(rows: Sequence[Row], outline: Outline) -> tuple[ClaimAhead, ...]:
    """Every claim of a plan."""
    asking, sds = outline.asking, spreads(rows, outline)
    return tuple(
        ClaimAhead(claim, asking.looks, _alpha(claim, asking), sds.get(claim.name) or None, _lowest(claim, asking))
        for claim in asking.claims
    )


def out_of_reach(ahead: Sequence[ClaimAhead]) -> Iterator[str]:
    """Claims that the seeds cannot decide by themselves, and equivalences that they cannot show of equals."""
    late = [each for each in ahead if each.claim.is_testable and each.lowest > each.alpha]
    if late:
        first, seeds = late[0], late[0].seeds[-1]
        enough = next(more for more in range(seeds, 10_000) if first.lowest * 2.0 ** (seeds - more) <= first.alpha)
        yield (
            f"{count(len(late), 'claim')} cannot be decided unless others are first: with {seeds} seeds an exact test "
            f"gives p = {plain(first.lowest)} at least, and {plain(first.alpha)} is asked; take {enough} seeds, "
            "or `test: {method: paired_t}`"
        )
    for each in ahead:
        if each.claim.is_equivalence and each.claim.is_testable and each.sd and (each.needs or 10**9) > each.seeds[-1]:
            needs = f"about {each.needs}" if each.needs else "more than 1,000"
            yield (
                f"claim {each.claim.name} within {each.claim.by:g} needs {needs} seeds (sd {plain(each.sd)}); "
                f"{each.seeds[-1]} leave it undecided"
            )


def _lowest(claim: Asked, asking: Asking) -> float:
    is_exact = asking.test.method == "paired_permutation" and not asking.is_sequential
    return lowest_p(asking.looks[-1]) / (2 if claim.is_equivalence else 1) if is_exact else 0.0


def _alpha(claim: Asked, asking: Asking) -> float:
    return nominal(asking.strictest, asking.looks, sides=1 if claim.is_equivalence else 2)
