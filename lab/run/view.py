"""How Optuna sees planned trials: which parameters they have and what each may be."""

from __future__ import annotations

import json

from lab.plan.options import as_word
from lab.plan.plan import Cell, Plan, Trial
from lab.run.optuna_ledger import Row
from lab.run.optuna_storage import Choices, Dimension, Interval
from lab.run.standing import Standing
from lab.spec.spec import Level

SEED, CELL = "seed", "cell"
"""Parameters of a planned trial beside its levels; the cell's name where levels alone do not tell cells apart."""


class View:
    """The rows of a plan."""

    def __init__(self, plan: Plan) -> None:
        shown = [json.dumps(_levels(cell), sort_keys=True) for cell in plan.cells]
        self.needs_name = len(set(shown)) < len(shown)
        self.dimensions: dict[str, Dimension] = {}
        cells = (*plan.cells, plan.reference)
        for name in dict.fromkeys(name for cell in cells for name in self._params(cell)):
            values = [self._params(cell)[name] for cell in cells if name in self._params(cell)]
            self.dimensions[name] = Choices(tuple(dict.fromkeys(values)))
        seeds = {*plan.study.seeds.values, *(trial.seed for trial in plan.extra)}
        self.dimensions[SEED] = Interval(min(seeds), max(seeds), is_whole=True)

    def row(self, trial: Trial, standing: Standing | None = None) -> Row:
        """A trial as it stands."""
        params = self._params(trial.cell) | {SEED: trial.seed}
        known = standing.known.get(trial.id) if standing is not None else None
        if known is None:
            return Row(trial.id, trial.cell.id, params)
        return Row(trial.id, trial.cell.id, params, known.status, known.value)

    def _params(self, cell: Cell) -> dict[str, Level]:
        return _levels(cell) | ({CELL: cell.label} if self.needs_name else {})


def _levels(cell: Cell) -> dict[str, Level]:
    return {name: as_word(level) for name, level in cell.levels.items()}
