"""Holes are counted and said: what is missing, lost or uneven never goes unmentioned."""

from dataclasses import replace

import numpy as np
from grids import full, noisy, outline_of, rows_of

from lab.analysis.effects import effects_in
from lab.analysis.holes import Holes, holes
from lab.analysis.rows import MISSING, Row
from lab.analysis.table import table_of

CELLS = full(a=["off", "on"], b=[0, 1])


def told(changes: dict[tuple[int, int], dict[str, object]], seeds: int = 4) -> Holes:
    """A study of 2 x 2 cells, some of whose trials ended otherwise."""
    scores = noisy(CELLS, seeds, lambda cell: 0.0)
    rows = rows_of(CELLS, scores)
    rows = [_changed(row, changes.get((int(row.cell[1:]), row.seed))) for row in rows]
    outline = outline_of(CELLS)
    table = table_of(rows, outline)
    return holes(rows, outline, table, effects_in(table))


def _changed(row: Row, change: dict[str, object] | None) -> Row:
    return row if change is None else replace(row, score=float("nan"), **change)  # type: ignore[arg-type]


def lost(cell: int, seeds: range, status: str) -> dict[tuple[int, int], dict[str, object]]:
    return {(cell, seed): {"status": status} for seed in seeds}


def test_a_whole_study_has_nothing_to_say() -> None:
    found = told({})
    assert found.is_complete
    assert (found.sentences, found.banner, found.unequal) == ((), "", False)
    assert (found.planned, found.done) == (16, 16)


def test_an_unfinished_study_says_so_first() -> None:
    found = told(lost(3, range(2, 4), MISSING))
    assert not found.is_complete
    assert found.sentences[0] == found.banner
    assert found.banner.startswith("Unfinished: 2 of 16 trials are not in.")
    assert (found.missing, found.done) == (2, 14)


def test_failed_and_pruned_trials_are_told_by_how_they_ended() -> None:
    found = told(lost(1, range(2), "diverged") | lost(2, range(1), "out_of_memory") | lost(0, range(1), "pruned"))
    assert (found.failed, found.pruned) == (3, 1)
    assert "3 trials failed (2 diverged, 1 out of memory)" in found.sentences[0]
    assert "1 trial given up early (pruned)" in found.sentences[1]
    assert found.banner == ""


def test_a_score_that_is_not_a_number_is_told() -> None:
    found = told(lost(1, range(1), "done"))
    assert found.scoreless == 1
    assert any("not a number" in each for each in found.sentences)


def test_unequal_seeds_and_effects_that_rest_on_less_are_told() -> None:
    found = told(lost(1, range(1), "diverged"))
    assert found.unequal
    assert any("Cells have 3 to 4 seeds" in each for each in found.sentences)
    assert any("a: off → on rests on 3 of 4 seeds" in each for each in found.sentences)


def test_the_same_number_of_other_seeds_is_told_too() -> None:
    found = told({(cell, cell): {"status": "bug"} for cell in range(4)}, seeds=5)
    assert any("Cells have different seeds" in each for each in found.sentences)


def test_a_cell_without_a_score_is_named() -> None:
    found = told(lost(2, range(4), "diverged"))
    assert any("1 cell of 4 without a score: a=on" in each for each in found.sentences)
    assert any("rests on 1 of 2 pairs of cells" in each for each in found.sentences)


def test_a_single_seed_has_no_interval_and_that_is_said() -> None:
    found = told(lost(2, range(1, 4), MISSING))
    assert any("1 cell with a single seed" in each for each in found.sentences)


def test_a_level_that_loses_far_more_is_said_to_be_flattered() -> None:
    found = told(lost(2, range(3), "diverged"))
    sentence, _ = [each for each in found.sentences if "survivors" in each]  # b lost as many: it is the same cell
    assert sentence.startswith("a lost 3 of 8 trials at on and 0 of 8 trials at off")
    assert "flatters on" in sentence


def test_trials_that_have_not_run_flatter_nobody() -> None:
    assert not any("survivors" in each for each in told(lost(2, range(4), MISSING)).sentences)


def test_effects_that_no_cells_can_show_are_named() -> None:
    cells = [{"a": 0, "b": 0}, {"a": 1, "b": 1}]
    scores = noisy(cells, 3, lambda cell: 0.0)
    rows, outline = rows_of(cells, scores), outline_of(cells)
    table = table_of(rows, outline)
    found = holes(rows, outline, table, effects_in(table))
    assert sum("no planned cells differ in it alone" in each for each in found.sentences) == 2


def test_many_thin_effects_are_told_in_one_sentence() -> None:
    cells = full(a=list(range(8)))
    scores = noisy(cells, 3, lambda cell: 0.0)
    scores[0, 0] = np.nan
    rows, outline = rows_of(cells, scores), outline_of(cells)
    table = table_of(rows, outline)
    found = holes(rows, outline, table, effects_in(table))
    assert any("7 effects rest on fewer cells or seeds" in each for each in found.sentences)
