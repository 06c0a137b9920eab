"""Study file -> Plan: blocks are drawn, held against the constraints, validated, joined and matched in size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod

from lab.errors import LabError, Place, raise_all
from lab.plan.blocks import Drawing, cross
from lab.plan.board import Board
from lab.plan.cells import Cells, cell_of
from lab.plan.claims import ask, note_of
from lab.plan.constraints import Match, Rules, check_nuisance, check_prune, read_rules
from lab.plan.extension import extension_of
from lab.plan.factors import menu_with, read_factors
from lab.plan.ground import Ground
from lab.plan.matching import Count, Matcher, Sizes
from lab.plan.options import menu_of
from lab.plan.plan import Cell, Plan
from lab.plan.power import lowest_p
from lab.plan.spoken import Spoken, read_claims
from lab.spec.design import Block
from lab.spec.experiment import Experiment
from lab.spec.files import StudyFile
from lab.spec.study import Study

MOST_COUNTED = 5_000
"""Combinations of the whole grid that are gone through to tell what a smaller design spares."""
ENOUGH_SEEDS = 6
"""With fewer, no exact paired test reaches 0.05."""


def expand(study_file: StudyFile, *, count_params: Count | None = None) -> Plan:
    """Everything a study is made of; its mistakes are told together.

    Without `count_params`, cells that must match in size keep the option that would be solved for.
    """
    ground, rules, spoken = _read(study_file)
    drawings = _drawings(study_file, ground)
    cells = Cells(study_file, ground, rules)
    for drawing in drawings:
        cells.draw(drawing)
    raise_all(cells.mistakes(drawings))
    found = list(cells.found.values())
    if rules.match is not None and count_params is not None:
        found = _matched(found, rules.match, count_params, ground.base)
    reference = cell_of(study_file, ground, ground.base)
    aliases = tuple(group for drawing in drawings if drawing.mixed for group in drawing.mixed.aliases)
    claims, problems = ask(Board(study_file, ground, rules, found, reference), spoken, aliases)
    raise_all(problems)
    return Plan(
        name=study_file.name,
        study=study_file.study,
        cells=tuple(found),
        reference=reference,
        search=next((drawing.block for drawing in drawings if drawing.block.kind == "search"), None),
        notes=(*_notes(cells, drawings, is_matched=count_params is not None), *filter(None, map(note_of, claims))),
        aliases=aliases,
        source=study_file.text,
        file=study_file.file,
        profile=study_file.profile,
        claims=claims,
        extension=extension_of(study_file.study),
    )


def _read(file: StudyFile) -> tuple[Ground, Rules, list[Spoken]]:
    """Everything but the design, with all mistakes at once."""
    factors, problems = read_factors(file)
    menu = menu_with(menu_of(file.base), file, factors)
    rules, wrong = read_rules(file, menu, factors)
    spoken, unclear = read_claims(file, factors, menu)
    problems += [*wrong, *unclear, *check_nuisance(file, factors), *check_prune(file)]
    raise_all(problems)
    return Ground(file.base, factors), rules, spoken


def _drawings(file: StudyFile, ground: Ground) -> list[Drawing]:
    """The blocks, ready to be drawn, with all mistakes at once."""
    problems: list[LabError] = []
    drawings: list[Drawing] = []
    for index, block in enumerate(file.study.design.blocks):
        try:
            drawings.append(Drawing(file, ground, block, _place(file, index)))
        except LabError as problem:
            problems += problem.problems
    searches = [drawing for drawing in drawings if drawing.block.kind == "search"]
    problems += [LabError("a study searches once", where=each.where, hint="keep one") for each in searches[1:]]
    raise_all(problems)
    return drawings


def _place(file: StudyFile, index: int) -> Place:
    """Where a block is written: in a list, under `also`, or as `design` itself."""
    for path in (("design", index), ("design", "blocks", index), ("design", "also", index - 1)):
        if path in file.places.known:
            return file.places.at(*path)
    return file.places.at("design", "also") if index else file.places.at("design")


def _matched(cells: Sequence[Cell], match: Match, count: Count, base: Experiment) -> list[Cell]:
    """The cells at the reference's size, equal ones once."""
    sizes = Sizes(count)
    matcher = Matcher(sizes, sizes.of(base), match.by, match.tolerance, match.where)
    solved = [replace(cell, experiment=matcher.match(cell.experiment)) for cell in cells]
    return list({cell.id: cell for cell in reversed(solved)}.values())[::-1]


def _notes(cells: Cells, drawings: Sequence[Drawing], *, is_matched: bool) -> Iterator[str]:
    """What a reader should know before anything runs."""
    study, rules, ground = cells.file.study, cells.rules, cells.ground
    if len(drawings) > 1:
        parts = " + ".join(f"{count} {title}" for title, count in cells.added)
        yield f"{len(cells.found)} cells = {parts}"
    yield from _grid_note(cells, drawings)
    yield from (each.note for each in rules.forbidden)
    yield from cells.notes
    if cell_of(cells.file, ground, ground.base).id not in cells.found:
        yield "the base is no cell of this design: effects are read between its cells, not against the base"
    taking_part = {factor.name for drawing in drawings for factor in drawing.factors}
    for name in study.factors:
        if name not in taking_part:
            yield f"{name} takes part in no block and stays at the base's level"
    if study.arms and all(drawing.block.kind != "arms" for drawing in drawings):
        yield "the arms take part in no block: add `arms` to the design to run them"
    if rules.match is not None and not is_matched:
        yield f"sizes are matched by {rules.match.by} when the models are built; until then cells are as written"
    if len(cells.found) > 1 and len(study.seeds.values) < ENOUGH_SEEDS:
        yield _few_seeds(len(study.seeds.values))
    yield from _test_note(study, [drawing.block for drawing in drawings])


def _test_note(study: Study, blocks: Sequence[Block]) -> Iterator[str]:
    """A score that picks epochs or settings on the test graphs is no longer one of unseen graphs."""
    searched = [score for block in blocks for score in block.objectives or ()]
    for score in dict.fromkeys([study.score, *searched]):
        if score.name.startswith("test.") and (score.at == "best_epoch" or score in searched):
            yield (
                f"{score.name} is chosen by on the test graphs, so it flatters: choose by the valid score, "
                f"and name this one as `final`"
            )


def _few_seeds(count: int) -> str:
    seeds = "1 seed decides" if count == 1 else f"{count} seeds decide"
    return (
        f"{seeds} little: an exact paired test cannot go below p = {lowest_p(count):.4g}; {ENOUGH_SEEDS} can reach 0.05"
    )


def _grid_note(cells: Cells, drawings: Sequence[Drawing]) -> Iterator[str]:
    """How many cells the whole grid would have, where the design is smaller."""
    factors = cells.ground.factors
    bound = prod(len(factor.levels) for factor in factors)
    is_whole = any(len(drawing.factors) == len(factors) and drawing.block.kind == "grid" for drawing in drawings)
    if is_whole or not 1 < bound <= MOST_COUNTED:
        return
    every = list(cross(cells.ground, factors, {}))
    kept = sum(not any(cells.ground.holds(rule.condition, each) for rule in cells.rules.forbidden) for each in every)
    left_out = f" ({len(every) - kept} more are forbidden)" if kept < len(every) else ""
    yield f"the whole grid would have {kept} cells{left_out}"
