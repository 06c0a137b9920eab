"""What tests of designs ask of a plan."""

from __future__ import annotations

from lab.plan.plan import Plan


def changed(plan: Plan) -> list[dict[str, object]]:
    """What each cell has that the reference has not."""
    reference = plan.reference.levels
    return [{key: level for key, level in cell.levels.items() if reference.get(key) != level} for cell in plan.cells]


def ids(plan: Plan) -> set[str]:
    """All trials."""
    return {trial.id for trial in plan.all_trials}


def notes(plan: Plan) -> str:
    """All remarks, a line each."""
    return "\n".join(plan.notes)
