"""Grids, one factor at a time, paths and named settings: which cells they have, and at which levels."""

from __future__ import annotations

from itertools import product

from planned import changed, notes

from lab.plan.designs import expand

NORMS = ["model.mlp_norm", "model.attention_norm", "model.ff_norm"]


def test_a_study_without_factors_is_the_base_alone(study_of, base):
    plan = expand(study_of(seeds=1))
    assert [cell.experiment for cell in plan.cells] == [base]
    assert plan.notes == ()


def test_a_grid_crosses_exactly_the_listed_levels(study_of):
    plan = expand(study_of(factors={"model.layers": [2, 8], "training.lr": [1e-2, 1e-4]}, design="grid"))
    assert [tuple(cell.levels.values()) for cell in plan.cells] == list(product([2, 8], [1e-2, 1e-4]))
    assert plan.reference.levels == {"model.layers": 4, "training.lr": 1e-3}
    assert "the base is no cell of this design" in notes(plan)


def test_levels_are_read_back_from_the_experiment(study_of):
    plan = expand(study_of(factors={"training.lr": [1, 0.001]}))
    assert [cell.levels["training.lr"] for cell in plan.cells] == [1.0, 0.001]
    assert all(isinstance(cell.levels["training.lr"], float) for cell in plan.cells)


def test_all_takes_every_level_of_the_type_and_off_the_two_ends(study_of):
    factors = {"model.attention_norm": "all", "model.mlp_norm": "off", "model.masked_norm": "all"}
    plan = expand(study_of(factors=factors))
    assert {cell.levels["model.attention_norm"] for cell in plan.cells} == {"layer", "batch", "none"}
    assert {cell.levels["model.mlp_norm"] for cell in plan.cells} == {"batch", "none"}
    assert len(plan.cells) == 3 * 2 * 2


def test_lists_are_shown_by_their_label_or_as_json(study_of):
    values = [[0, 1], [0, 1, 2]]
    labelled = expand(study_of(factors={"model.powers": {"values": values, "labels": ["short", "long"]}}))
    assert [cell.levels["model.powers"] for cell in labelled.cells] == ["short", "long"]
    bare = expand(study_of(factors={"model.powers": values}))
    assert [cell.levels["model.powers"] for cell in bare.cells] == ["[0,1]", "[0,1,2]"]


def test_linked_changes_move_together(study_of):
    linked = [
        {"model.mlp_norm": "batch", "model.ff_norm": "layer"},
        {"model.mlp_norm": "none", "model.ff_norm": "batch"},
    ]
    plan = expand(study_of(factors={"norms": {"set": linked}}))
    assert [cell.levels["norms"] for cell in plan.cells] == [
        "mlp_norm=batch, ff_norm=layer",
        "mlp_norm=none, ff_norm=batch",
    ]
    assert plan.cells[0].id == plan.reference.id
    assert plan.cells[1].experiment.get("model.ff_norm") == "batch"


def test_a_linked_level_leaves_what_it_does_not_name_at_the_base(study_of):
    linked = {"set": [{}, {"model.layers": 8}, {"model.layers": 8, "training.lr": 0.01}], "labels": ["a", "b", "c"]}
    plan = expand(study_of(factors={"deep": linked}))
    assert [cell.levels["deep"] for cell in plan.cells] == ["a", "b", "c"]
    assert [cell.experiment.get("training.lr") for cell in plan.cells] == [0.001, 0.001, 0.01]


def test_linked_levels_may_switch_the_kind_of_model(study_of):
    linked = {
        "set": [{"model.kind": "gin", "model.layers": 3}, {"model.heads": 2}, {}],
        "labels": ["gin", "two", "one"],
    }
    plan = expand(study_of(factors={"net": linked}))
    assert [cell.levels["net"] for cell in plan.cells] == ["gin", "two", "one"]
    assert [cell.experiment.get("model.layers") for cell in plan.cells] == [3, 4, 4]


def test_off_of_another_kind_of_model_goes_with_its_default(study_of):
    factors = {
        "model.kind": ["graph_transformer", "gin"],
        "model.residual": {"values": "off", "when": 'model.kind == "gin"'},
    }
    plan = expand(study_of(factors=factors, design="one_out"))
    assert changed(plan) == [
        {},
        {"model.kind": "gin", "model.residual": True},
        {"model.kind": "gin", "model.residual": False},
    ]


def test_options_of_another_kind_of_model_are_there_where_it_is(study_of):
    factors = {
        "model.kind": ["graph_transformer", "gin"],
        "model.jumping": {"values": ["last", "sum"], "when": 'model.kind == "gin"'},
        "model.heads": {"values": [1, 2], "when": 'model.kind == "graph_transformer"'},
    }
    plan = expand(study_of(factors=factors))
    assert [dict(cell.levels) for cell in plan.cells] == [
        {"model.kind": "graph_transformer", "model.heads": 1},
        {"model.kind": "graph_transformer", "model.heads": 2},
        {"model.kind": "gin", "model.jumping": "last"},
        {"model.kind": "gin", "model.jumping": "sum"},
    ]


def test_the_order_of_factors_does_not_matter_to_what_they_depend_on(study_of):
    factors = {
        "model.jumping": {"values": ["last", "sum"], "when": "model.mlp_factor == 1"},
        "model.kind": ["graph_transformer", "gin"],
    }
    assert len(expand(study_of(factors=factors)).cells) == 3


def test_a_condition_may_ask_for_an_option_that_another_kind_of_model_has_by_default(study_of):
    factors = {
        "model.kind": ["graph_transformer", "gin"],
        "model.dropout": {"values": [0.0, 0.1], "when": 'model.jumping == "last"'},
    }
    plan = expand(study_of(factors=factors))
    assert [dict(cell.levels) for cell in plan.cells] == [
        {"model.kind": "graph_transformer"},
        {"model.kind": "gin", "model.dropout": 0.0},
        {"model.kind": "gin", "model.dropout": 0.1},
    ]


def test_one_in_starts_from_everything_off_and_puts_one_part_back_at_a_time(study_of):
    factors = dict.fromkeys([*NORMS, "model.masked_norm"], "off")
    plan = expand(study_of(factors=factors, design="one_in"))
    off = {
        "model.mlp_norm": "none",
        "model.attention_norm": "none",
        "model.ff_norm": "none",
        "model.masked_norm": False,
    }
    assert changed(plan) == [{}, off, *({k: v for k, v in off.items() if k != name} for name in factors)]


def test_one_in_brings_up_what_depends_on_the_part_put_back(study_of):
    factors = {
        "model.masked_norm": "off",
        "model.mlp_norm": {"values": "off", "when": "model.masked_norm"},
    }
    plan = expand(study_of(factors=factors, design="one_in"))
    assert [(cell.levels["model.masked_norm"], cell.levels.get("model.mlp_norm")) for cell in plan.cells] == [
        (True, "batch"),
        (False, None),
        (True, "none"),
    ]


def test_one_in_puts_back_what_depends_on_a_part_together_with_it(study_of):
    factors = {
        "model.masked_norm": "off",
        "model.mlp_norm": {"values": "off", "when": "model.masked_norm"},
        "model.ff_norm": "off",
    }
    plan = expand(study_of(factors=factors, design="one_in"))
    assert [tuple(cell.levels.values()) for cell in plan.cells] == [
        (True, "layer", "batch"),
        (False, "none"),
        (True, "none", "none"),
        (True, "none", "batch"),
        (False, "layer"),
    ]


def test_one_out_goes_on_into_what_a_change_brings_up(study_of):
    factors = {
        "model.attention": ["position", "content"],
        "model.distance_bias": {"values": [False, True], "when": 'model.attention == "content"'},
        "model.merge": {"values": ["plus", "log_gate"], "when": "model.distance_bias"},
    }
    plan = expand(study_of(factors=factors, design="one_out"))
    assert changed(plan) == [
        {},
        {"model.attention": "content", "model.distance_bias": False},
        {"model.attention": "content", "model.distance_bias": True, "model.merge": "plus"},
        {"model.attention": "content", "model.distance_bias": True, "model.merge": "log_gate"},
    ]


def test_a_path_makes_one_change_after_another(study_of):
    to = {"model.mlp_norm": "none", "model.norm_first": False}
    plan = expand(study_of(design={"kind": "path", "to": to}))
    assert [cell.label for cell in plan.cells] == [
        "base",
        "step 1: model.mlp_norm=none",
        "step 2: model.norm_first=False",
    ]
    assert [cell.experiment.get("model.mlp_norm") for cell in plan.cells] == ["batch", "none", "none"]


def test_a_path_may_end_at_another_kind_of_model(study_of):
    plan = expand(study_of(design={"path": {"to": {"model.mlp_norm": "none", "model.kind": "gin"}}}))
    assert plan.cells[-1].experiment.get("model.kind") == "gin"
    assert plan.cells[-1].experiment.get("model.mlp_norm") == "none"


def test_a_step_may_set_an_option_of_a_new_model_to_what_the_base_had(study_of):
    to = {"model": {"kind": "gin", "mlp_norm": "none"}, "model.mlp_norm": "batch"}
    plan = expand(study_of(design={"kind": "path", "to": to}))
    assert [cell.experiment.get("model.mlp_norm") for cell in plan.cells] == ["batch", "none", "batch"]


def test_a_step_that_changes_nothing_is_told(study_of):
    plan = expand(study_of(design={"kind": "path", "to": {"model.mlp_norm": "batch", "model.layers": 2}}))
    assert len(plan.cells) == 2
    assert "step 1: model.mlp_norm=batch is the same cell as the reference" in plan.notes


def test_arms_are_named_settings_beside_the_reference(study_of):
    arms = {"deep": {"model.layers": 16}, "wide": {"model.width": 120, "training.lr": 1e-4}}
    plan = expand(study_of(arms=arms, design="arms"))
    assert [cell.label for cell in plan.cells] == ["base", "deep", "wide"]
    assert plan.cells[2].experiment.get("training.lr") == 1e-4
    assert [cell.label for cell in expand(study_of(arms=arms, design={"arms": ["wide"]})).cells] == ["base", "wide"]


def test_an_arm_is_shown_at_the_levels_it_has(study_of):
    plan = expand(
        study_of(factors={"model.layers": [2, 8]}, arms={"huge": {"model.layers": 32}}, design=["one_out", "arms"])
    )
    assert [cell.levels["model.layers"] for cell in plan.cells] == [4, 2, 8, 32]
