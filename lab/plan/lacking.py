"""What a claim lacks: the cell that no block has, and the block that would bring it in at the least cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lab.errors import LabError
from lab.plan.blocks import cross
from lab.plan.board import Board, Levels
from lab.plan.factors import Varied
from lab.plan.options import as_word
from lab.plan.spoken import Spoken
from lab.spec.claims import Cell as Named
from lab.spec.claims import Setting

Corners = Sequence[Sequence[Setting]]
"""Levels of the cells that a claim needs one of each of."""


def lacking(board: Board, spoken: Spoken, corners: Corners) -> LabError:
    """What a claim lacks, with the block that would bring it in."""
    wanted = _wanted(board, spoken, corners)
    if wanted is None:
        levels: Levels = {each.factor: each.level for corner in corners for each in corner}
        hint = "a constraint or a `when` leaves it out: narrow that, or the claim"
    else:
        levels, fresh = wanted
        many = f"+{fresh} cell{'' if fresh == 1 else 's'}, +{fresh * len(board.file.study.seeds.values)} runs"
        block = f"grid: [{', '.join(_crossed(board, spoken))}]"
        hint = f"add `- {block}` to {design_of(board)} ({many})" if levels else f"add `- one_out` to {design_of(board)}"
    named = " with ".join(f"{name}={as_word(level)}" for name, level in levels.items()) or "the base"
    what = f"claim `{spoken.name}` needs {named}, which no cell has"
    return LabError(what, where=spoken.place, hint=hint)


def _crossed(board: Board, spoken: Spoken) -> tuple[str, ...]:
    """The factors of the grid that would bring a claim's cells in."""
    terms = (spoken.statement.left, spoken.statement.right)
    at_base = {
        each.factor
        for term in terms
        if isinstance(term, Named)
        for each in term.settings
        if as_word(each.level) == as_word(board.base[each.factor])
    }
    return tuple(name for name in spoken.involved if name not in at_base)


def _wanted(board: Board, spoken: Spoken, corners: Corners) -> tuple[Levels, int] | None:
    """The first of the lacking cells, by its levels, and how many cells the whole grid around it would add."""
    names = _crossed(board, spoken)
    factors = [factor for factor in board.ground.factors if factor.name in names]
    fresh: dict[str, Levels] = {}
    wanted: list[Levels] = []
    for levels, is_meant in _new(board, factors, spoken):
        fresh[board.key(levels)] = levels
        if is_meant and any(
            all(as_word(levels.get(s.factor)) == as_word(s.level) for s in corner) for corner in corners
        ):
            wanted.append({name: levels[name] for name in names if name in levels})
    return (wanted[0], len(fresh)) if wanted else None


def _new(board: Board, factors: Sequence[Varied], spoken: Spoken) -> Iterator[tuple[Levels, bool]]:
    """The levels of each cell that the grid of some factors would add, and whether the claim looks at it."""
    for changes in cross(board.ground, factors, {}):
        if any(board.ground.holds(each.condition, changes) for each in board.rules.forbidden):
            continue
        try:
            levels = board.ground.levels(board.ground.experiment(changes))
        except LabError:
            continue
        if board.key(levels) not in board.by_levels:
            yield levels, spoken.where is None or board.ground.holds(spoken.where, changes)


def design_of(board: Board) -> str:
    """Where a further block is written in this file."""
    return "design" if ("design", 0) in board.file.places.known else "design.also"
