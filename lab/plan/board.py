"""Board: the cells of a plan, found by their levels and told apart by nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.plan.constraints import Rules
from lab.plan.factors import Varied
from lab.plan.ground import Ground
from lab.plan.options import affects, as_word
from lab.plan.plan import Cell
from lab.plan.spoken import levels_of
from lab.spec.claims import Setting
from lab.spec.files import StudyFile
from lab.spec.spec import Level

Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Board:
    """The cells of a plan on the ground they stand on."""

    file: StudyFile
    ground: Ground
    rules: Rules
    cells: Sequence[Cell]
    reference: Cell

    @cached_property
    def factors(self) -> dict[str, Varied]:
        """The factors by name."""
        return {factor.name: factor for factor in self.ground.factors}

    @cached_property
    def base(self) -> dict[str, Level]:
        """The base's level of every factor, also of those that exist only elsewhere."""
        return {name: self.reference.levels.get(name, levels_of(each)[0].shown) for name, each in self.factors.items()}

    @cached_property
    def by_levels(self) -> dict[str, Cell]:
        """The cells that their levels say all about; an arm that changes more than factors is none of them."""
        return {self.key(cell.levels): cell for cell in self.cells if not cell.name or self._is_described(cell)}

    def key(self, levels: Levels) -> str:
        """The same for cells at equal levels, a factor that does not exist counting as the base's level."""
        return json.dumps({name: as_word(levels.get(name, base)) for name, base in self.base.items()}, sort_keys=True)

    def _is_described(self, cell: Cell) -> bool:
        moved = [path for factor in self.factors.values() for path in factor.paths]
        moved += [self.rules.match.by] if self.rules.match is not None else []
        mine, base = cell.experiment.options(), self.reference.experiment.options()
        changed = [path for path in mine.keys() | base.keys() if mine.get(path) != base.get(path)]
        return all(any(affects(own, path) for own in moved) for path in changed)

    def at(self, *settings: Setting) -> list[Cell]:
        """The cells that have all of these factors, at these levels."""
        return [
            cell
            for cell in self.by_levels.values()
            if all(
                each.factor in cell.levels and as_word(cell.levels[each.factor]) == as_word(each.level)
                for each in settings
            )
        ]

    def twin(self, cell: Cell, *settings: Setting) -> Cell | None:
        """The cell that is equal but for these levels."""
        return self.by_levels.get(self.key({**cell.levels, **{each.factor: each.level for each in settings}}))
