"""What the data of a plan know of scores, held against what its claims take them to know."""

from __future__ import annotations

from collections.abc import Iterator

from lab.errors import LabError, choose
from lab.plan.asked import Asked
from lab.plan.plan import Plan
from lab.spec.document import parse
from lab.spec.tasks import line_beside


def unknown_scores(plan: Plan) -> list[LabError]:
    """Known scores that claims name and some of their data lack. Builds a sample of the data; loads torch."""
    return [problem for claim in plan.claims if claim.known for problem in _lacking(plan, claim)]


def _lacking(plan: Plan, claim: Asked) -> Iterator[LabError]:
    from lab.train.build import known_scores

    for told in {known_scores(cell.experiment) for cell in plan.cells if cell.id in claim.weights}:
        names = {beside for line in told if (beside := line_beside(line, claim.metric))}
        if claim.known not in names:
            what = f"the data know no `{claim.known}` of {claim.metric}"
            where = parse(plan.source, plan.file).places.at("claims", claim.name, "say")
            yield LabError(what, where=where, hint=choose(claim.known, names) if names else "name another metric")
