"""Leave-one-out: what each part is worth, the costliest first, whichever way better is."""

import numpy as np
import pytest
from grids import full, noisy, table

from lab.analysis.leave_one_out import leave_one_out

CELLS = [
    {"gate": True, "norm": "batch", "depth": 4},
    {"gate": False, "norm": "batch", "depth": 4},
    {"gate": True, "norm": "none", "depth": 4},
    {"gate": True, "norm": "batch", "depth": 2},
    {"gate": False, "norm": "none", "depth": 4},
]
WORTH = {(True, "batch", 4): 0.0, (False, "batch", 4): -0.1, (True, "none", 4): -0.4, (True, "batch", 2): 0.0}


def mean(cell: dict[str, object]) -> float:
    return 0.8 + WORTH.get((cell["gate"], cell["norm"], cell["depth"]), -0.5)  # type: ignore[arg-type]


def test_parts_are_told_by_what_the_base_loses_without_them() -> None:
    found = leave_one_out(table(CELLS, noisy(CELLS, 12, mean, sd=0.01)))
    assert [(each.factor, each.level, each.against) for each in found][:2] == [
        ("norm", "none", "batch"),
        ("gate", False, True),
    ]
    assert [each.cost.mean for each in found] == pytest.approx([0.4, 0.1, 0.0], abs=0.01)
    assert [each.told_apart for each in found] == [True, True, False]
    assert found[0].share == pytest.approx(0.5, abs=0.05)
    assert found[0].cell == "c2"


def test_two_changes_at_once_are_no_row() -> None:
    found = leave_one_out(table(CELLS, noisy(CELLS, 3, mean)))
    assert "c4" not in {each.cell for each in found}


def test_where_less_is_better_a_worse_score_still_costs() -> None:
    found = leave_one_out(table(CELLS, noisy(CELLS, 12, lambda cell: -mean(cell), sd=0.01), goal="min"))
    assert found[0].factor == "norm"
    assert found[0].cost.mean == pytest.approx(0.4, abs=0.01)


def test_a_grid_has_its_single_changes_too() -> None:
    cells = full(a=[0, 1, 2], b=[0, 1])
    found = leave_one_out(table(cells, noisy(cells, 4, lambda cell: 0.0)))
    assert {(each.factor, each.level) for each in found} == {("a", 1), ("a", 2), ("b", 1)}


def test_a_part_whose_trials_all_failed_stands_last_without_a_number() -> None:
    scores = noisy(CELLS, 4, mean)
    scores[2] = np.nan
    found = leave_one_out(table(CELLS, scores))
    assert (found[-1].factor, found[-1].cost.n, found[-1].told_apart) == ("norm", 0, False)


def test_no_common_seeds_are_compared_by_welch() -> None:
    cells = [{"a": 0}, {"a": 1}]
    nan = float("nan")
    (found,) = leave_one_out(table(cells, [[1.0, 1.1, 0.9, nan, nan, nan], [nan, nan, nan, 0.5, 0.6, 0.4]]))
    assert not found.cost.paired
    assert found.evidence.values == ()
    assert found.cost.mean == pytest.approx(0.5)


def test_without_the_base_there_is_no_table() -> None:
    cells = full(a=[0, 1])
    scores = noisy(cells, 4, lambda cell: 0.0)
    scores[0] = np.nan
    assert all(each.cost.n == 0 for each in leave_one_out(table(cells, scores)))
