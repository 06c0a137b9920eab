from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from lab.plan.designs import expand
from lab.plan.plan import Plan

NORMS = ["model.mlp_norm", "model.attention_norm", "model.ff_norm"]


def changed(plan: Plan) -> list[dict[str, object]]:
    """What each cell has that the reference has not."""
    reference = plan.reference.levels
    return [{key: level for key, level in cell.levels.items() if reference.get(key) != level} for cell in plan.cells]


def ids(plan: Plan) -> set[str]:
    return {trial.id for trial in plan.all_trials}


def notes(plan: Plan) -> str:
    return "\n".join(plan.notes)


# grid ---------------------------------------------------------------------------------------------------------------


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


# one_out, one_in, path, arms ------------------------------------------------------------------------------------------


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


# fractional, search ---------------------------------------------------------------------------------------------------

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


# unions, constraints, nuisance ----------------------------------------------------------------------------------------


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


# for any study --------------------------------------------------------------------------------------------------------

OPTIONS = {
    "model.mlp_norm": ["batch", "none"],
    "model.attention_norm": ["batch", "layer", "none"],
    "model.norm_first": [True, False],
    "model.attention": ["position", "content"],
    "model.layers": [2, 4, 8],
    "training.lr": [0.01, 0.1],
}
AT_BASE = {
    "model.mlp_norm": "batch",
    "model.attention_norm": "batch",
    "model.norm_first": True,
    "model.attention": "position",
    "model.layers": 4,
    "training.lr": 0.001,
}


@st.composite
def factors_with_conditions(draw):
    """Some factors in some order; each may hang on a level of one that comes before it in OPTIONS."""
    names = draw(st.lists(st.sampled_from(list(OPTIONS)), min_size=1, max_size=5, unique=True))
    factors, whens = {}, {}
    for name in names:
        levels = draw(st.permutations(OPTIONS[name]))[: draw(st.integers(2, len(OPTIONS[name])))]
        factors[name] = {"values": list(levels)}
        before = [other for other in names if list(OPTIONS).index(other) < list(OPTIONS).index(name)]
        if before and draw(st.booleans()):
            other = draw(st.sampled_from(before))
            whens[name] = (other, draw(st.sampled_from([*OPTIONS[other], AT_BASE[other]])))
    for name, (other, value) in whens.items():
        said = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
        factors[name]["when"] = f"{other} == {said!r}" if isinstance(value, str) else f"{other} == {said}"
    return factors, whens


def every_cell(factors, whens):
    """All combinations, by brute force: what is not there is at the base."""
    found = set()
    for combination in product(*(factors[name]["values"] for name in factors)):
        chosen = dict(zip(factors, combination, strict=True))
        cell = dict(AT_BASE)
        for name in OPTIONS:
            if name in factors and (name not in whens or cell[whens[name][0]] == whens[name][1]):
                cell[name] = chosen[name]
        found.add(tuple(cell.items()))
    return found


def exists_somewhere(cells, whens) -> bool:
    return all(any(dict(cell)[other] == value for cell in cells) for other, value in whens.values())


@given(factors_with_conditions())
@settings(max_examples=60, deadline=None)
def test_a_grid_is_what_brute_force_finds(study_of, drawn):
    factors, whens = drawn
    cells = every_cell(factors, whens)
    if not exists_somewhere(cells, whens):
        return
    plan = expand(study_of(factors=factors, design="grid"))
    assert {tuple((name, cell.experiment.get(name)) for name in OPTIONS) for cell in plan.cells} == cells
    assert len(plan.cells) == len(cells)


@given(factors_with_conditions(), st.randoms(), st.sampled_from(["grid", "one_out", "fractional"]))
@settings(max_examples=60, deadline=None)
def test_ids_do_not_depend_on_the_order_of_anything(study_of, drawn, random, kind):
    factors, whens = drawn
    if not exists_somewhere(every_cell(factors, whens), whens):
        return
    if kind == "fractional":
        factors = {name: {"values": OPTIONS[name][:2]} for name in factors}
    if kind == "one_out" and whens:
        return
    names = list(factors)
    random.shuffle(names)
    shuffled = {name: factors[name] | {"values": random.sample(factors[name]["values"], len(factors[name]["values"]))}
                for name in names}  # fmt: skip
    one, other = (expand(study_of(factors=said, design=kind)) for said in (factors, shuffled))
    assert ids(one) == ids(other)
    assert len(one.all_trials) == len(ids(one))


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_done_and_pending_are_all(study_of, data):
    plan = expand(
        study_of(factors={"model.layers": [2, 4], "model.mlp_norm": "all"}, seeds={"values": 3, "noise_floor": 2})
    )
    every = [trial.id for trial in plan.all_trials]
    done = set(data.draw(st.lists(st.sampled_from(every))))
    pending = [trial.id for trial in plan.without(done).trials]
    assert set(pending) | done == set(every)
    assert pending == [trial for trial in every if trial not in done]


@given(factors_with_conditions())
@settings(max_examples=25, deadline=None)
def test_one_out_is_part_of_the_grid_with_the_base(study_of, drawn):
    factors, _ = drawn
    factors = {
        name: {"values": list(dict.fromkeys([AT_BASE[name], *said["values"]]))} for name, said in factors.items()
    }
    grid, one_out = (expand(study_of(factors=factors, design=kind)) for kind in ("grid", "one_out"))
    assert ids(one_out) <= ids(grid)
    assert len(one_out.cells) == 1 + sum(len(said["values"]) - 1 for said in factors.values())


def test_choosing_by_the_test_graphs_is_remarked_upon(study_of):
    chosen = expand(study_of(factors={"model.layers": [2, 4]}, score={"name": "test.acc"})).notes
    assert any("test.acc is chosen by on the test graphs" in note for note in chosen)
    last = expand(study_of(factors={"model.layers": [2, 4]}, score={"name": "test.acc", "at": "last_epoch"})).notes
    assert last == ()
