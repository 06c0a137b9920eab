"""Fractions of a grid and searches: what they hold, and what they cannot tell apart."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from planned import ids, notes

from lab.plan.designs import expand

FIVE = {
    "model.mlp_norm": ["batch", "none"],
    "model.norm_first": [True, False],
    "model.masked_norm": [False, True],
    "model.mixing": ["softmax", "gate"],
    "model.attention": ["position", "content"],
}


def test_a_fraction_tells_what_it_cannot_tell_apart(study_of):
    plan = expand(study_of(factors=FIVE, design={"kind": "fractional", "resolution": 3}))
    assert len(plan.cells) == 8
    assert "fractional: 8 of 32 combinations, resolution III" in notes(plan)
    assert len(plan.aliases) == 7
    mains = {effect for group in plan.aliases for effect in group if " x " not in effect}
    assert mains == set(FIVE)
    assert plan.outline()["aliases"] == [list(group) for group in plan.aliases]


def test_a_fraction_holds_the_reference(study_of):
    for resolution in (3, 4, 5):
        plan = expand(study_of(factors=FIVE, design={"kind": "fractional", "resolution": resolution}))
        assert plan.reference.id in {cell.id for cell in plan.cells}


def test_a_fraction_is_balanced_over_its_cells(study_of):
    plan = expand(study_of(factors=FIVE, design={"kind": "fractional", "resolution": 5}))
    assert len(plan.cells) == 16
    for one, other in (("model.mixing", "model.mlp_norm"), ("model.attention", "model.norm_first")):
        met = [(cell.levels[one], cell.levels[other]) for cell in plan.cells]
        assert {met.count(pair) for pair in met} == {4}


@given(st.permutations(list(FIVE)))
@settings(max_examples=20, deadline=None)
def test_a_fraction_does_not_depend_on_the_order_of_its_factors(study_of, names):
    design = {"kind": "fractional", "resolution": 3}
    assert ids(expand(study_of(factors={name: FIVE[name] for name in names}, design=design))) == ids(
        expand(study_of(factors=FIVE, design=design))
    )


def test_a_forbidden_run_is_said_to_unbalance_a_fraction(study_of):
    forbid = {"forbid": 'model.mlp_norm == "none" and not model.norm_first'}
    plan = expand(study_of(factors=FIVE, design={"kind": "fractional", "resolution": 5}, constraints=[forbid]))
    assert len(plan.cells) == 12
    assert "4 of its runs are forbidden, so it is out of balance" in notes(plan)


def test_a_search_is_left_to_its_sampler(study_of):
    factors = {"training.lr": {"log": [1e-5, 1e-2]}, "model.mlp_norm": "all"}
    plan = expand(study_of(factors=factors, design={"kind": "search", "trials": 20}))
    assert plan.search is not None
    assert plan.search.trials == 20
    assert [cell.id for cell in plan.cells] == [plan.reference.id]
    assert plan.cells[0].levels == {"training.lr": 0.001, "model.mlp_norm": "batch"}


def test_a_search_goes_with_other_blocks(study_of):
    factors = {"training.lr": {"log": [1e-5, 1e-2]}, "model.mlp_norm": "all"}
    plan = expand(study_of(factors=factors, design=["search", {"grid": ["model.mlp_norm"]}]))
    assert plan.search is not None
    assert len(plan.cells) == 2
