"""Planted differences are found; where nothing was planted nothing is marked."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from planted import Planted

from lab.analysis.cells import Ranking, rank
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row, gather
from lab.records.store import Store


def outline(cells: int, goal: str = "max") -> Outline:
    ids = [f"c{number}" for number in range(cells)]
    planned = {cell: PlannedCell(cell, cell, {"f": number}) for number, cell in enumerate(ids)}
    return Outline("s", "?", "", "valid.acc", goal, "best_epoch", None, ("f",), ids[0], {"f": 0}, planned, ())


def done(scores: list[list[float]], first_seed: int = 0) -> list[Row]:
    """Rows of finished trials: one list a cell, one score a seed."""
    return [
        Row(f"c{cell}-{first_seed + seed}", f"c{cell}", "", first_seed + seed, status="done", score=value)
        for cell, values in enumerate(scores)
        for seed, value in enumerate(values)
    ]


def noisy(means: list[float], seeds: int, generator: np.random.Generator, sd: float = 0.01) -> list[list[float]]:
    """Scores with a part that all cells of a seed share, three times as large as what is each cell's own."""
    shared = generator.normal(0, 3 * sd, seeds)
    return [(mean + shared + generator.normal(0, sd, seeds)).tolist() for mean in means]


def test_planted_means_are_recovered_and_the_best_is_marked() -> None:
    means = [0.80, 0.90, 0.70]
    told = rank(done(noisy(means, 400, np.random.default_rng(1))), outline(3))
    assert [cell.cell for cell in told.cells] == ["c1", "c0", "c2"]
    assert [cell.score.mean for cell in told.cells] == pytest.approx([0.9, 0.8, 0.7], abs=0.006)
    assert told.best is not None
    assert told.best.cell == "c1"
    assert told.lead.low < 0.1 < told.lead.high
    assert told.cells[2].against.mean == pytest.approx(-0.1, abs=0.003)
    assert told.cells[1].against.n == 0


def test_where_less_is_better_the_smallest_mean_leads() -> None:
    told = rank(done(noisy([0.8, 0.9], 30, np.random.default_rng(0))), outline(2, "min"))
    assert told.best is not None
    assert told.best.cell == "c0"
    assert told.lead.mean > 0


def test_a_clear_loser_is_told_apart_and_twins_are_not() -> None:
    told = rank(done(noisy([0.8, 0.8, 0.6], 8, np.random.default_rng(3))), outline(3))
    assert told.best is None
    assert {cell.cell for cell in told.contenders} == {"c0", "c1"}


@pytest.mark.parametrize(("cells", "seeds"), [(2, 3), (2, 8), (4, 3), (8, 5), (12, 8)])
def test_where_nothing_differs_one_clear_best_is_rarer_than_5_percent(cells: int, seeds: int) -> None:
    generator = np.random.default_rng(cells * 100 + seeds)
    studies = 1000
    clear = sum(
        rank(done(noisy([0.8] * cells, seeds, generator)), outline(cells)).best is not None for _ in range(studies)
    )
    noise = 2 * (0.05 * 0.95 / studies) ** 0.5 if cells == 2 else 0.0  # with two cells the chance is 5 % itself
    assert clear / studies <= 0.05 + noise


@pytest.mark.parametrize("gap", [0.0, 0.002, 0.01, 0.05])
def test_the_truly_best_cell_is_hardly_ever_left_out(gap: float) -> None:
    generator = np.random.default_rng(int(gap * 1000))
    means = [0.8 + gap, 0.8, 0.8, 0.8 - gap, 0.8 - 2 * gap]
    lost = sum(
        "c0" not in {cell.cell for cell in rank(done(noisy(means, 5, generator)), outline(5)).contenders}
        for _ in range(600)
    )
    assert lost / 600 <= 0.05


def test_one_seed_tells_nothing() -> None:
    told = rank(done([[0.1], [0.9]]), outline(2))
    assert told.best is None
    assert len(told.contenders) == 2
    assert not told.cells[0].score.has_interval
    assert not told.lead.has_interval


def test_a_cell_with_one_seed_cannot_be_ruled_out() -> None:
    told = rank(done([[0.80, 0.81, 0.82], [0.50, 0.51, 0.52], [0.1]]), outline(3))
    assert told.best is None
    assert {cell.cell for cell in told.contenders} == {"c0", "c2"}


def test_a_cell_alone_is_not_called_the_best() -> None:
    assert rank(done([[0.1, 0.2, 0.3]]), outline(1)).best is None


def test_seeds_that_do_not_overlap_are_compared_unpaired() -> None:
    rows = done([[0.80, 0.81, 0.82]]) + [replace(row, cell="c1") for row in done([[0.5, 0.51, 0.52]], first_seed=9)]
    told = rank(rows, outline(2))
    assert not told.cells[1].against.paired
    assert told.best is not None


def test_what_did_not_finish_is_counted_and_never_enters_a_mean() -> None:
    rows = done([[0.8, 0.9]])
    rows += [
        Row("c0-2", "c0", "", 2, status="diverged"),
        Row("c0-3", "c0", "", 3, status="pruned"),
        Row("c0-4", "c0", "", 4),
        Row("c0-5", "c0", "", 5, status="done"),
        Row("c0-0r1", "c0", "", 0, repeat=1, role="floor", status="done", score=99.0),
        Row("c0-100", "c0", "", 100, role="tune", status="done", score=99.0),
    ]
    (cell,) = rank(rows, outline(1)).cells
    assert cell.score.n == 2
    assert cell.score.mean == pytest.approx(0.85)
    assert cell.statuses == {"done": 2, "diverged": 1, "pruned": 1, "missing": 1, "no score": 1}
    assert cell.planned == 6


def test_a_cell_without_a_score_stands_last_and_is_no_contender() -> None:
    told = rank([*done([[0.1, 0.2]]), Row("c1-0", "c1", "", 0, status="bug")], outline(2))
    assert [cell.cell for cell in told.cells] == ["c0", "c1"]
    assert not told.cells[1].could_be_best
    assert told.best is None


def test_the_order_of_the_rows_changes_nothing() -> None:
    rows = done(noisy([0.8, 0.81, 0.7, 0.8], 5, np.random.default_rng(2)))
    expected = rank(rows, outline(4))
    for seed in range(5):
        assert rank(random.Random(seed).sample(rows, len(rows)), outline(4)) == expected


def test_a_study_read_from_its_records_ranks_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path)
    study = Planted(store, {"model.norm": ["none", "batch"], "model.depth": [2, 4]}, seeds=3)
    for number, cell in enumerate(study.ids):
        for seed in range(3):
            study.score(cell, seed, 0.5 + 0.1 * number + 0.001 * seed * number)
    told: Ranking = rank(gather(store, "planted").rows, gather(store, "planted").outline)
    assert [cell.says for cell in told.cells] == ["norm=batch, depth=4", "norm=batch", "depth=4", "the base"]
    assert told.best is not None
    assert told.cells[0].final.mean == pytest.approx(told.cells[0].score.mean - 0.5)
