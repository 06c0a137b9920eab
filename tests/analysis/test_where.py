"""Where something happens is told by the fewest levels that all of its cells share, with honest counts."""

from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.analysis.where import where

GRID = {
    f"{mixing}-{layers}-{norm}": {"model.mixing": mixing, "model.layers": layers, "model.norm": norm}
    for mixing, layers, norm in product(("gate", "softmax"), (2, 4, 8), ("batch", "none"))
}


def those(**wanted: object) -> set[str]:
    return {cell for cell, own in GRID.items() if all(own[f"model.{key}"] == level for key, level in wanted.items())}


def test_one_that_depends_on_two_factors_names_both_and_no_third() -> None:
    told = where(GRID, those(mixing="gate", layers=4))
    assert str(told) == "only where model.mixing = gate and model.layers = 4 (all 2 such cells)"
    assert told.is_exact


def test_one_that_does_not_show_everywhere_it_could_is_counted() -> None:
    told = where(GRID, those(mixing="gate", layers=4) | {"softmax-8-none"})
    assert not told.is_exact
    assert str(told) == "only where model.layers = 4 or 8 (3 of 8 such cells)"


def test_one_in_every_cell_or_without_a_pattern_names_no_level() -> None:
    assert str(where(GRID, set(GRID))) == "in all 12 cells"
    odd = {"gate-2-batch", "softmax-4-none", "gate-8-none", "softmax-2-none"}
    assert str(where(GRID, odd)) == "in 4 of 12 cells"


def test_a_cell_without_a_factor_is_told_apart_from_those_with_it() -> None:
    cells = {"arm": {}, "a": {"model.norm": "none"}, "b": {"model.norm": "batch"}}
    assert where(cells, {"b"}).levels == {"model.norm": ("batch",)}


LEVELS = st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.booleans(), "c": st.sampled_from(["x", "y"])})


@settings(max_examples=150, deadline=None)
@given(st.lists(LEVELS, min_size=1, max_size=12), st.data())
def test_the_levels_cover_every_cell_that_shows_it_as_tightly_as_all_could_and_by_no_more_than_are_needed(levels, data):
    cells = {str(place): own for place, own in enumerate(levels)}
    showing = set(data.draw(st.lists(st.sampled_from(sorted(cells)), min_size=1)))
    told = where(cells, showing)

    def inside(factors):
        shared = {factor: {cells[cell][factor] for cell in showing} for factor in factors}
        return {cell for cell, own in cells.items() if all(own[factor] in shared[factor] for factor in factors)}

    covered = inside(told.levels)
    assert showing <= covered == inside(("a", "b", "c"))
    assert (told.showing, told.matching, told.seen) == (len(showing), len(covered), len(cells))
    assert told.is_exact == (covered == showing)
    fewer = (chosen for size in range(len(told.levels)) for chosen in combinations("abc", size))
    assert all(inside(chosen) != covered for chosen in fewer)
