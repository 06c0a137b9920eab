"""Designs together, with constraints, nuisance options and the remarks of a plan."""

from __future__ import annotations

from planned import ids, notes

from lab.plan.designs import expand

NORMS = ["model.mlp_norm", "model.attention_norm", "model.ff_norm"]


def test_equal_cells_of_several_blocks_are_one(study_of):
    factors = dict.fromkeys(NORMS, "off")
    once = expand(study_of(factors=factors, design="grid"))
    union = expand(study_of(factors=factors, design=["one_out", "one_in", "grid", "grid"]))
    assert ids(union) == ids(once)
    assert "8 cells = 4 one_out + 4 one_in + 0 grid + 0 grid" in union.notes


def test_a_cell_reached_under_another_name_is_the_same_cell(study_of):
    arms = {"bare": {"model.mlp_norm": "none"}, "naked": {"model.mlp_norm": "none"}}
    plan = expand(study_of(factors={"model.mlp_norm": "all"}, arms=arms, design=["one_out", "arms"]))
    assert [cell.label for cell in plan.cells] == ["mlp_norm=batch", "bare"]
    assert "naked is the same cell as bare" in plan.notes


def test_forbidden_combinations_may_be_invalid_ones(study_of):
    factors = {"model.width": [60, 62], "model.heads": [1, 4]}
    forbid = {"forbid": "model.width == 62 and model.heads == 4", "because": "heads must divide the width"}
    plan = expand(study_of(factors=factors, constraints=[forbid]))
    assert len(plan.cells) == 3
    assert "1 combination left out by forbid `model.width == 62 and model.heads == 4`: heads must divide the width" in (
        plan.notes
    )


def test_conditions_may_use_labels_and_names_of_linked_changes(study_of):
    factors = {
        "model.powers": {"values": [[0, 1], [0, 1, 2]], "labels": ["k1", "k2"]},
        "bare": {"set": [{}, {"model.mlp_norm": "none", "model.ff_norm": "none"}], "labels": ["no", "yes"]},
    }
    plan = expand(study_of(factors=factors, constraints=[{"forbid": 'model.powers == "k2" and bare == "yes"'}]))
    assert [tuple(cell.levels.values()) for cell in plan.cells] == [("k1", "no"), ("k1", "yes"), ("k2", "no")]


def test_a_combination_is_left_out_once_however_many_blocks_draw_it(study_of):
    factors = {"model.layers": [2, 4], "model.mlp_norm": "all"}
    forbid = {"forbid": 'model.layers == 2 and model.mlp_norm == "none"'}
    plan = expand(study_of(factors=factors, constraints=[forbid], design=["grid", "grid"]))
    assert "1 combination left out by forbid" in notes(plan)


def test_a_constraint_without_effect_is_told(study_of):
    plan = expand(study_of(factors={"model.layers": [2, 4]}, constraints=[{"forbid": "model.layers > 9"}]))
    assert "no combination is left out by forbid `model.layers > 9`" in plan.notes


def test_nuisance_options_are_tuned_in_the_cells_that_have_them(study_of):
    plan = expand(
        study_of(
            factors={"model.kind": ["graph_transformer", "degree_logreg"]},
            nuisance={"model.dropout": {"range": [0, 0.5]}, "training.lr": {"log": [1e-4, 1e-2]}},
        )
    )
    assert [set(cell.tuned) for cell in plan.cells] == [{"model.dropout", "training.lr"}, {"training.lr"}]


def test_tuning_is_part_of_what_a_cell_is(study_of):
    plain = expand(study_of(factors={"model.layers": [2, 4]}))
    tuned = expand(study_of(factors={"model.layers": [2, 4]}, nuisance={"training.lr": {"log": [1e-4, 1e-2]}}))
    assert not ids(plain) & ids(tuned)


def test_few_seeds_are_remarked_upon(study_of):
    assert "5 seeds decide little: an exact paired test cannot go below p = 0.0625; 6 can reach 0.05" in (
        expand(study_of(factors={"model.layers": [2, 4]}, seeds=5)).notes
    )
    assert expand(study_of(factors={"model.layers": [2, 4]}, seeds=6)).notes == ()


def test_what_takes_part_in_no_block_is_remarked_upon(study_of):
    plan = expand(
        study_of(
            factors={"model.layers": [2, 4], "model.mlp_norm": "all"},
            arms={"deep": {"model.layers": 9}},
            design={"grid": ["model.layers"]},
        )
    )
    assert "model.mlp_norm takes part in no block and stays at the base's level" in plan.notes
    assert "the arms take part in no block: add `arms` to the design to run them" in plan.notes


def test_choosing_by_the_test_graphs_is_remarked_upon(study_of):
    chosen = expand(study_of(factors={"model.layers": [2, 4]}, score={"name": "test.acc"})).notes
    assert any("test.acc is chosen by on the test graphs" in note for note in chosen)
    last = expand(study_of(factors={"model.layers": [2, 4]}, score={"name": "test.acc", "at": "last_epoch"})).notes
    assert last == ()
