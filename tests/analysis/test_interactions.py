"""Interactions: planted ones are found with their size, none from noise, and a fraction says what it mixes up."""

from itertools import product

import numpy as np
import pytest
from grids import full, noisy, outline_of, rows_of, table

from lab.analysis.interactions import Interaction, interactions, interactions_in

CELLS = full(a=[0, 1], b=["x", "y", "z"], c=[0, 1])


def both(cell: dict[str, object]) -> float:
    return 0.3 * int(str(cell["a"])) + (0.5 if cell["a"] and cell["b"] == "y" else 0.0)


def by_levels(found: tuple[Interaction, ...]) -> dict[tuple[object, ...], Interaction]:
    return {(*each.factors, *each.levels): each for each in found}


def test_a_planted_interaction_is_recovered_and_told_apart() -> None:
    found = by_levels(interactions_in(table(CELLS, noisy(CELLS, 30, both, sd=0.05))))
    planted = found["a", "b", 1, "y"]
    assert planted.difference.mean == pytest.approx(0.5, abs=0.05)
    assert planted.difference.low < 0.5 < planted.difference.high
    assert planted.told_apart
    assert (planted.quads, planted.planned, planted.difference.n) == (2, 2, 30)
    assert planted.against == (0, "x")
    assert not found["a", "b", 1, "z"].told_apart
    assert len(found) == 2 + 1 + 2


def test_it_is_the_difference_of_differences_seed_by_seed() -> None:
    scores = np.random.default_rng(0).normal(size=(4, 5))
    (found,) = interactions_in(table(full(a=[0, 1], b=[0, 1]), scores))
    by_hand = (scores[3] - scores[1]) - (scores[2] - scores[0])
    assert found.evidence.values == pytest.approx(by_hand)
    assert found.difference.mean == pytest.approx(by_hand.mean())


def test_in_5_percent_of_studies_at_most_noise_passes_for_an_interaction() -> None:
    found = [
        any(each.told_apart for each in interactions_in(table(CELLS, noisy(CELLS, 5, lambda cell: 0.0, seed=seed))))
        for seed in range(300)
    ]
    assert np.mean(found) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


def test_one_change_at_a_time_can_show_no_interaction() -> None:
    cells = [{"a": 0, "b": 0}, {"a": 1, "b": 0}, {"a": 0, "b": 1}]
    assert interactions_in(table(cells, noisy(cells, 5, lambda cell: 0.0))) == ()


def test_a_quad_with_an_empty_corner_is_left_out_and_counted() -> None:
    scores = noisy(CELLS, 4, both)
    scores[0] = np.nan
    found = by_levels(interactions_in(table(CELLS, scores)))
    assert (found["a", "b", 1, "y"].quads, found["a", "b", 1, "y"].planned) == (1, 2)
    assert (found["a", "c", 1, 1].quads, found["a", "c", 1, 1].planned) == (2, 3)


def test_a_seed_with_a_hole_in_one_corner_does_not_count() -> None:
    scores = noisy(full(a=[0, 1], b=[0, 1]), 5, lambda cell: 0.0)
    scores[2, 3] = np.nan
    (found,) = interactions_in(table(full(a=[0, 1], b=[0, 1]), scores))
    assert found.evidence.seeds == (0, 1, 2, 4)


def test_a_fraction_shows_interactions_with_their_aliases() -> None:
    cells = [
        {"a": a, "b": b, "c": c, "d": (a + b + c) % 2} for a, b, c in product([0, 1], repeat=3)
    ]  # resolution IV: a x b moves with c x d
    aliases = (("a x b", "c x d"), ("a x c", "b x d"), ("a x d", "b x c"))
    scores = noisy(cells, 20, lambda cell: 0.4 * (cell["a"] and cell["b"]), sd=0.05)  # type: ignore[operator]
    outline = outline_of(cells, aliases=aliases)
    found = {each.factors: each for each in interactions(rows_of(cells, scores), outline)}
    assert found["a", "b"].is_contrast
    assert found["a", "b"].aliases == ("c x d",)
    assert found["a", "b"].difference.mean == pytest.approx(0.4, abs=0.05)
    assert found["c", "d"].difference.mean == pytest.approx(0.4, abs=0.05)
    assert not found["a", "c"].told_apart


def test_a_fraction_that_mixes_an_interaction_with_a_main_effect_shows_none() -> None:
    cells = [{"a": a, "b": b, "c": (a + b) % 2} for a, b in product([0, 1], repeat=2)]
    assert interactions_in(table(cells, noisy(cells, 4, lambda cell: 0.0))) == ()
