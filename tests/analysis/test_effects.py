"""Main effects: planted ones are found with all else equal, none from noise, and holes are not papered over."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from lab.analysis.effects import Effect, effects
from lab.analysis.outline import Outline, PlannedCell
from lab.analysis.rows import Row


def outline(cells: list[dict[str, object]], factors: tuple[str, ...]) -> Outline:
    planned = {f"c{number}": PlannedCell(f"c{number}", "", levels) for number, levels in enumerate(cells)}
    return Outline("s", "?", "", "valid.acc", "max", "best_epoch", None, factors, "c0", cells[0], planned, ())


def grid(**levels: list[object]) -> list[dict[str, object]]:
    return [dict(zip(levels, row, strict=True)) for row in product(*levels.values())]


def row(cell: int, seed: int, value: float) -> Row:
    return Row(f"c{cell}-{seed}", f"c{cell}", "", seed, status="done", score=value)


def by_name(found: tuple[Effect, ...]) -> dict[tuple[str, object], Effect]:
    return {(effect.factor, effect.level): effect for effect in found}


def test_planted_effects_are_recovered_with_all_else_equal() -> None:
    cells = grid(a=["off", "on"], b=[1, 2, 3])
    generator = np.random.default_rng(0)
    truth = {"off": 0.0, "on": 0.1, 1: 0.0, 2: 0.02, 3: 0.0}
    rows = []
    for seed in range(60):
        shared = generator.normal(0, 0.5)
        for number, cell in enumerate(cells):
            value = shared + sum(truth[level] for level in cell.values()) + generator.normal(0, 0.01)  # type: ignore[index]
            rows.append(row(number, seed, value))
    found = by_name(effects(rows, outline(cells, ("a", "b"))))
    assert found["a", "on"].difference.mean == pytest.approx(0.1, abs=0.005)
    assert (found["a", "on"].pairs, found["a", "on"].difference.n) == (3, 60)
    assert found["b", 2].difference.mean == pytest.approx(0.02, abs=0.005)
    assert found["a", "on"].told_apart
    assert found["b", 2].told_apart
    assert not found["b", 3].told_apart
    assert (found["b", 2].against, found["b", 2].pairs) == (1, 2)


def test_effects_are_made_of_noise_in_5_percent_of_studies_at_most() -> None:
    cells = grid(a=["off", "on"], b=[1, 2], c=[1, 2])
    generator = np.random.default_rng(4)
    told = 0
    for _ in range(400):
        rows = [row(number, seed, generator.normal()) for number in range(8) for seed in range(5)]
        told += any(effect.told_apart for effect in effects(rows, outline(cells, ("a", "b", "c"))))
    assert told / 400 <= 0.05 + 2 * (0.05 * 0.95 / 400) ** 0.5


def test_pairs_of_one_seed_count_once() -> None:
    cells = grid(a=[0, 1], b=[0, 1])
    rows = [row(number, seed, float(number) + 0.1 * seed) for number in range(4) for seed in range(3)]
    found = by_name(effects(rows, outline(cells, ("a", "b"))))
    assert found["a", 1].difference.n == 3
    assert found["a", 1].pairs == 2


def test_a_pair_without_scores_is_left_out_and_told() -> None:
    cells = grid(a=[0, 1], b=[0, 1])
    rows = [row(number, seed, float(number) + 0.1 * seed) for number in (0, 1, 2) for seed in range(3)]
    found = by_name(effects(rows, outline(cells, ("a", "b"))))
    assert (found["a", 1].pairs, found["a", 1].planned) == (1, 2)
    assert found["a", 1].difference.mean == pytest.approx(2.0)


def test_each_seed_weighs_the_same_cells() -> None:
    cells = grid(a=[0, 1], b=[0, 1])
    values = {(0, s): 0.0 for s in range(4)} | {(2, s): 1.0 + 0.01 * s for s in range(4)}
    values |= {(1, s): 0.0 for s in range(3)} | {(3, s): 3.0 for s in range(3)}
    rows = [row(cell, seed, value) for (cell, seed), value in values.items()]
    effect = by_name(effects(rows, outline(cells, ("a", "b"))))["a", 1]
    assert effect.difference.n == 3
    assert effect.difference.mean == pytest.approx(2.005)


def test_a_pair_with_a_lone_seed_does_not_hold_up_the_others() -> None:
    cells = grid(a=[0, 1], b=[0, 1])
    rows = [row(number, seed, float(number) + 0.1 * seed * number) for number in (0, 2) for seed in range(4)]
    rows += [row(1, 0, 5.0), row(3, 0, 5.0)]
    effect = by_name(effects(rows, outline(cells, ("a", "b"))))["a", 1]
    assert (effect.pairs, effect.planned, effect.difference.n) == (1, 2, 4)


def test_a_pair_with_less_than_half_of_the_seeds_is_left_out_and_one_with_half_is_not() -> None:
    cells = grid(a=[0, 1], b=[0, 1])
    for seeds, pairs, n in ((3, 1, 8), (4, 2, 4)):
        rows = [row(number, seed, float(number) + 0.1 * seed * number) for number in (0, 2) for seed in range(8)]
        rows += [row(number, seed, float(number)) for number in (1, 3) for seed in range(seeds)]
        effect = by_name(effects(rows, outline(cells, ("a", "b"))))["a", 1]
        assert (effect.pairs, effect.difference.n) == (pairs, n)


def test_one_change_at_a_time_is_held_against_the_base_alone() -> None:
    cells: list[dict[str, object]] = [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
    rows = [row(number, seed, float(number)) for number in range(3) for seed in range(2)]
    found = by_name(effects(rows, outline(cells, ("a", "b"))))
    assert found["a", 1].pairs == found["b", 1].pairs == 1
    assert found["b", 1].difference.mean == 2.0


def test_a_level_that_is_a_list_is_a_level() -> None:
    cells: list[dict[str, object]] = [{"a": [0, 1]}, {"a": [0, 1, 2]}]
    rows = [row(number, seed, float(number)) for number in range(2) for seed in range(2)]
    (effect,) = effects(rows, outline(cells, ("a",)))
    assert (effect.level, effect.against, effect.difference.mean) == ([0, 1, 2], [0, 1], 1.0)


def test_where_the_base_is_no_cell_its_levels_still_count() -> None:
    planned = outline(grid(a=[0, 1], b=[1, 2]), ("a", "b"))
    elsewhere = replace(planned, reference="elsewhere", base={"a": 1, "b": 0})
    found = effects([row(number, seed, float(number)) for number in range(4) for seed in range(2)], elsewhere)
    assert [(each.factor, each.level, each.against) for each in found] == [("a", 0, 1), ("b", 1, 0), ("b", 2, 0)]
    assert found[0].difference.mean == -2.0
    assert found[1].difference.n == 0


def test_a_factor_that_exists_only_elsewhere_stands_at_the_base_level() -> None:
    cells: list[dict[str, object]] = [{"mixer": "gate"}, {"mixer": "dot", "heads": 1}, {"mixer": "dot", "heads": 4}]
    planned = replace(outline(cells, ("mixer", "heads")), base={"mixer": "gate", "heads": 1})
    found = by_name(effects([row(number, seed, number**2.0) for number in range(3) for seed in range(2)], planned))
    assert (found["mixer", "dot"].pairs, found["mixer", "dot"].difference.mean) == (1, 1.0)
    assert (found["heads", 4].pairs, found["heads", 4].difference.mean) == (1, 3.0)


def half_fraction() -> list[dict[str, object]]:
    return [{"a": a, "b": b, "c": (a + b) % 2} for a, b in product([0, 1], [0, 1])]


def test_a_fraction_is_read_by_contrasts_of_all_its_cells() -> None:
    cells = half_fraction()
    generator = np.random.default_rng(0)
    rows = [
        row(number, seed, 0.1 * int(str(cell["a"])) + 0.3 * int(str(cell["c"])) + generator.normal(0, 0.01))
        for number, cell in enumerate(cells)
        for seed in range(20)
    ]
    found = by_name(effects(rows, outline(cells, ("a", "b", "c"))))
    assert all(effect.is_contrast for effect in found.values())
    assert found["a", 1].difference.mean == pytest.approx(0.1, abs=0.01)
    assert found["b", 1].difference.mean == pytest.approx(0.0, abs=0.01)
    assert found["c", 1].difference.mean == pytest.approx(0.3, abs=0.01)
    assert [found[name, 1].told_apart for name in "abc"] == [True, False, True]


def test_a_fraction_with_a_hole_counts_only_seeds_without_one() -> None:
    rows = [row(number, seed, float(seed)) for number in range(4) for seed in range(4) if (number, seed) != (2, 3)]
    found = effects(rows, outline(half_fraction(), ("a", "b", "c")))
    assert {effect.difference.n for effect in found} == {3}


def test_cells_out_of_balance_give_no_effect() -> None:
    cells: list[dict[str, object]] = [{"a": 0, "b": 0}, {"a": 1, "b": 1}]
    found = effects(
        [row(number, seed, float(number)) for number in range(2) for seed in range(3)], outline(cells, ("a", "b"))
    )
    assert [effect.difference.n for effect in found] == [0, 0]


def test_nothing_in_yet_gives_effects_without_numbers() -> None:
    (effect,) = effects([], outline(grid(a=[0, 1]), ("a",)))
    assert (effect.difference.n, effect.pairs, effect.planned, effect.told_apart) == (0, 0, 1, False)
