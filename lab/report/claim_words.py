"""Claims in words: what they say, how they were tested, and what was done to them once trials were in."""

from __future__ import annotations

from collections.abc import Iterator

from lab.analysis.claims import Verdict
from lab.analysis.sequential import nominal
from lab.plan.asked import Asking
from lab.report.numbers import count, plain

TESTS = {
    "paired_permutation": "paired permutation tests",
    "paired_t": "paired t-tests",
    "bootstrap": "studentised paired bootstrap",
}


def rule(asking: Asking) -> str:
    """How the claims were tested, and what all verdicts together risk."""
    alpha, family = asking.test.alpha, asking.family
    shared = f", shared among {family} claims (Holm)" if asking.test.adjust == "holm" and family > 1 else ""
    shared = shared or (", each claim for itself" if family > 1 else "")
    told = f"{TESTS[asking.test.method]}; a wrong verdict in {_percent(alpha)} of studies at most{shared}"
    if asking.is_sequential:
        looks = ", ".join(map(str, asking.looks[:6])) + (", ..." if len(asking.looks) > 6 else "")
        each = f"t-tests at {looks} seeds, each look at {_percent(nominal(alpha, asking.looks))} (Pocock)"
        told = f"paired {each}; a wrong verdict in {_percent(alpha)} of studies at most, over all looks{shared}"
    if asking.rounds > 1:
        times = "once" if asking.rounds == 2 else f"{asking.rounds - 1} times"
        told += f"; the seeds to look at were changed {times} after verdicts were in: {_percent(asking.rate)} in all"
    return f"{told}; intervals are at the level each claim was held to"


def amendments(asking: Asking) -> Iterator[str]:
    """What was done to the claims once trials were in."""
    for place, each in enumerate(asking.history):
        if each["trials_done"]:
            what = "withdrawn" if not each["hash"] else "edited" if place else "written"
            yield f"claims {what} after {each['trials_done']:,} of {count(each['trials'], 'trial')}"


def spoken(verdict: Verdict, score: str) -> str:
    """What a claim says, with its margin, and with its score where that is not the study's."""
    margin = f", {'within' if '==' in verdict.say else 'by'} {verdict.margin:g}" if verdict.margin else ""
    return f"{verdict.say}{margin}" + (f" ({verdict.metric})" if verdict.metric != score else "")


def _percent(share: float) -> str:
    return f"{plain(round(100 * share, 2))} %"
