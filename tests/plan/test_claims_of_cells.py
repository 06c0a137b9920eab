"""Claims become weighted sums of cells: pairs that differ in one factor only, fours for interactions, cells by name."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.plan.asked import Asked, Asking
from lab.plan.designs import expand
from lab.plan.extension import Extension, extension, seeds_of
from lab.plan.plan import Plan
from lab.spec.files import read_study

NORMS = {"model.mlp_norm": ["batch", "none"], "model.ff_norm": ["layer", "batch", "none"], "model.layers": [4, 8]}


def told(plan: Plan, claim: Asked) -> dict[str, float]:
    """The weights of a claim by the labels of its cells."""
    labels = {cell.id: cell.label for cell in plan.cells}
    return {labels[cell]: weight for cell, weight in claim.weights.items()}


def asked(study_of, say: str, /, claim: dict | None = None, **study) -> tuple[Plan, Asked]:
    said = {"factors": NORMS, "claims": {"x": {"say": say} | (claim or {})}} | study
    plan = expand(study_of(**said))
    return plan, plan.claims[0]


def test_levels_are_compared_over_all_pairs_that_differ_in_nothing_else(study_of):
    plan, claim = asked(study_of, "model.mlp_norm: none > batch")
    assert (claim.groups, claim.noun, claim.sign) == (6, "pair", ">")
    assert set(claim.weights.values()) == {1 / 6, -1 / 6}
    assert all((weight > 0) == ("mlp_norm=none" in label) for label, weight in told(plan, claim).items())
    assert len(claim.weights) == 12


def test_levels_other_than_the_base_are_paired_with_each_other(study_of):
    plan, claim = asked(study_of, "model.ff_norm: none < batch", design="one_out")
    labels = told(plan, claim)
    assert claim.groups == 1
    assert {weight for label, weight in labels.items() if "ff_norm=none" in label} == {1.0}
    assert {weight for label, weight in labels.items() if "ff_norm=batch" in label} == {-1.0}


def test_a_condition_narrows_the_pairs(study_of):
    plan, claim = asked(study_of, "model.mlp_norm: none > batch", {"where": "model.layers == 8"})
    assert claim.groups == 3
    assert all("layers=8" in label for label in told(plan, claim))


def test_an_interaction_takes_fours(study_of):
    plan, claim = asked(study_of, "interaction(model.mlp_norm, model.ff_norm=none) < -0.01")
    labels = told(plan, claim)
    assert (claim.groups, claim.noun, claim.bounds) == (2, "four", (-0.01,))
    assert all(
        (weight > 0) == (("mlp_norm=none" in label) == ("ff_norm=none" in label)) for label, weight in labels.items()
    )
    assert sum(labels.values()) == pytest.approx(0)


def test_a_cell_is_named_by_what_it_changes(study_of):
    plan, claim = asked(study_of, "cell(model.layers=8, model.ff_norm=layer) > reference", design="one_out")
    assert told(plan, claim) == {
        "mlp_norm=batch, ff_norm=layer, layers=8": 1.0,
        "mlp_norm=batch, ff_norm=layer, layers=4": -1.0,
    }


def test_a_level_may_be_held_against_a_number_or_the_base(study_of):
    _, claim = asked(study_of, "model.mlp_norm: none > 0.84", {"by": 0.02})
    assert (claim.against, claim.bounds, claim.groups, claim.noun) == (0.84, (0.86,), 6, "cell")
    assert sum(claim.weights.values()) == pytest.approx(1)
    _, claim = asked(study_of, "model.mlp_norm: none == reference", {"by": 0.02})
    assert claim.bounds == (-0.02, 0.02)
    assert claim.weights[claim_reference(study_of)] == -1.0


def test_what_is_held_against_may_be_a_multiple(study_of):
    _, claim = asked(study_of, "model.mlp_norm: none < 0.5 * reference")
    assert sum(weight for weight in claim.weights.values() if weight > 0) == pytest.approx(1)
    assert claim.weights[claim_reference(study_of)] == -0.5
    _, claim = asked(study_of, "model.mlp_norm: none < 1.2 * batch")
    assert sum(claim.weights.values()) == pytest.approx(-0.2)
    assert claim.groups == 6


def test_cells_may_be_held_against_what_the_data_know(study_of):
    _, claim = asked(study_of, "model.mlp_norm: none < 1.1 * known(last value)")
    assert (claim.known, claim.times, claim.noun, claim.groups) == ("last value", 1.1, "cell", 6)
    assert sum(claim.weights.values()) == pytest.approx(1)
    assert all(weight > 0 for weight in claim.weights.values())


def claim_reference(study_of) -> str:
    return expand(study_of(factors=NORMS)).reference.id


def test_labels_and_lists_name_levels_alike(study_of):
    powers = {"model.powers": {"values": [[0, 1], [0, 1, 2]], "labels": ["k1", "k2"]}}
    _, by_label = asked(study_of, "model.powers: k2 > k1", factors=powers)
    _, by_value = asked(study_of, "model.powers: [0, 1, 2] > [0, 1]", factors=powers)
    assert by_label.weights == by_value.weights


def test_linked_changes_are_a_factor_like_any_other(study_of):
    size = {"set": [{"model.layers": 8, "model.width": 30}, {"model.layers": 4}], "labels": ["deep", "flat"]}
    _, claim = asked(study_of, "size: deep > flat", factors={"size": size, "model.mlp_norm": ["batch", "none"]})
    assert claim.groups == 2


def test_a_factor_that_exists_only_elsewhere_stands_at_the_base_level(study_of):
    heads = {"values": [1, 4], "when": 'model.mixing == "gate"'}
    factors = {"model.mixing": ["softmax", "gate"], "model.heads": heads}
    plan, claim = asked(study_of, "model.mixing: gate > softmax", factors=factors)
    assert told(plan, claim) == {"mixing=gate, heads=1": 1.0, "mixing=softmax": -1.0}


def test_arms_are_cells_of_their_own_and_pair_with_nothing(study_of):
    arms = {"wide": {"model.width": 80}, "wide and bare": {"model.width": 80, "model.mlp_norm": "none"}}
    both = ["grid", "arms"]
    plan, claim = asked(study_of, "arm(wide) > reference", arms=arms, design=both)
    assert told(plan, claim)["wide"] == 1.0
    _, claim = asked(study_of, "model.mlp_norm: none > batch", arms=arms, design=both)
    assert claim.groups == 6
    with pytest.raises(LabError, match="needs the arm wide"):
        asked(study_of, "arm(wide) > reference", arms=arms)


def test_an_arm_is_found_under_whatever_name_its_cell_has(study_of):
    arms = {"bare": {"model.mlp_norm": "none"}, "plain": {"model.mlp_norm": "none"}, "base": {}}
    plan, claim = asked(study_of, "arm(plain) > arm(base)", arms=arms, design=["grid", "arms"])
    assert told(plan, claim)["bare"] == 1.0
    assert claim.weights[plan.reference.id] == -1.0


FIVE = {
    "model.mlp_norm": ["batch", "none"],
    "model.ff_norm": ["layer", "batch"],
    "model.layers": [4, 8],
    "model.heads": [1, 2],
}


def test_a_fraction_answers_by_contrasts_of_all_its_cells(study_of):
    design = {"kind": "fractional", "resolution": 4}
    plan, claim = asked(study_of, "model.layers: 8 > 4", factors=FIVE, design=design)
    assert len(plan.cells) == 8
    assert (claim.groups, claim.noun) == (4, "cell")
    assert sorted(claim.weights.values()) == [-0.25] * 4 + [0.25] * 4
    assert claim.is_testable


def test_what_a_fraction_cannot_tell_apart_is_not_testable_and_noted(study_of):
    design = {"kind": "fractional", "resolution": 4}
    plan, claim = asked(study_of, "interaction(model.layers, model.heads) > 0", factors=FIVE, design=design)
    assert claim.confounded == "this fraction cannot tell it from model.ff_norm x model.mlp_norm"
    assert any("claim x is not testable here" in note for note in plan.notes)


def test_claims_travel_in_the_outline(study_of):
    plan, claim = asked(study_of, "model.mlp_norm: none > batch", {"expects": "more"})
    read = Asking.of(plan.outline()["claims"])
    assert read == plan.asking
    assert read.claims == (claim,)
    assert (read.planned, read.looks, read.is_sequential) == (8, (8,), False)
    assert expand(study_of(factors=NORMS)).outline()["claims"] == {}


def test_the_hash_of_claims_is_that_of_what_they_say_and_how_they_are_tested(study_of):
    def hashed(**said):
        return expand(study_of(factors=NORMS, **said)).asking.hash

    one = hashed(claims={"x": "reference > 0.5"})
    assert one == hashed(claims={"x": {"say": "reference > 0.5"}}, seeds=9)
    assert len({one, hashed(claims={"x": "reference > 0.6"}), hashed(claims={"y": "reference > 0.5"})}) == 3
    assert one != hashed(claims={"x": "reference > 0.5"}, test={"alpha": 0.01})
    assert one == hashed(claims={"x": {"say": "reference > 0.5", "why": "one seed, read by eye"}})


def test_alpha_is_shared_by_the_claims_that_can_be_tested(study_of):
    claims = {name: f"reference > {name}" for name in ("0.1", "0.2")}
    claims["other"] = {"say": "reference > 0.3", "confounded": "so"}
    asking = expand(study_of(factors=NORMS, claims=claims)).asking
    assert (asking.family, asking.strictest) == (2, 0.025)


def test_seeds_are_extended_by_the_next_free_ones(study_of):
    tuned = {"training.lr": {"values": [0.1, 0.2], "seeds": [9]}}
    seeds = {"values": [3, 7], "extend": {"max": 5}}
    study = study_of(factors=NORMS, nuisance=tuned, seeds=seeds, claims={"x": "reference > 0.5"})
    plan = expand(study)
    assert plan.extension == Extension((2, 4, 5))
    assert plan.asking.seeds == (3, 7, 8, 10, 11)
    assert seeds_of(plan.study, 1) == (3,)
    assert [plan.extension.after(number) for number in (0, 2, 3, 5)] == [2, 4, 4, None]
    assert extension(8, 12, step=2).looks == (8, 10, 12)
    assert extension(8, 11, step=8).looks == (8, 11)


def test_few_seeds_may_be_enough_for_another_test(study_of):
    claims = {"claims": {"x": "reference > 0.5"}, "factors": NORMS}
    with pytest.raises(LabError, match=r"cannot go below p = 0\.0625"):
        expand(study_of(**claims, seeds=5))
    expand(study_of(**claims, seeds=6))
    expand(study_of(**claims, seeds=5, test={"method": "paired_t"}))
    expand(study_of(**claims, seeds={"values": 5, "extend": {"max": 9}}))
    expand(study_of(factors=NORMS, seeds=5, claims={"x": {"say": "reference == 0.5", "by": 0.1}}))
    with pytest.raises(LabError, match="bootstrap needs 4"):
        expand(study_of(**claims, seeds=3, test={"method": "bootstrap"}))
    with pytest.raises(LabError, match="1 seed decides nothing"):
        expand(study_of(**claims, seeds=1, test={"method": "paired_t"}))


def test_a_base_that_is_no_cell_is_told(study_of):
    factors = {"model.mlp_norm": ["batch", "none"], "model.layers": [8, 16]}
    with pytest.raises(LabError, match="needs the base, which no cell has") as caught:
        asked(study_of, "reference > 0.5", factors=factors, design="grid")
    assert caught.value.hint == "add `- one_out` to design.also"
    _, claim = asked(study_of, "model.layers: 16 > 8", factors=factors, design="grid")
    assert claim.groups == 2


def test_a_profile_may_leave_claims_out(tmp_path, written):
    written(
        "factors: {model.mlp_norm: all}\nclaims:\n  one: reference > 0.5\n  two: reference > 0.6\n"
        "profiles:\n  bare: {claims: null, seeds: 2}\n  other: {claims: {one: null, three: reference > 0.7}}\n"
    )

    def named(profile: str | None) -> list[str]:
        plan = expand(read_study(tmp_path / "asked.yaml", profile=profile, root=tmp_path))
        return [claim.name for claim in plan.claims]

    assert named(None) == ["one", "two"]
    assert named("bare") == []
    assert named("other") == ["two", "three"]
