"""A change moves the options it names and no other, or says why it cannot."""

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from spec_strategies import BASE, experiments, option

from lab.errors import LabError
from lab.spec.change import change, option_at
from lab.spec.experiment import Experiment
from lab.spec.schema import option_paths
from lab.spec.spec import plain

GIN = Experiment.model_validate({"dataset": {"kind": "pattern"}, "model": {"kind": "gin", "width": 40}})
CALM = settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))


def mistakes(changes: dict[str, object]) -> list[str]:
    with pytest.raises(LabError) as caught:
        change(GIN, changes)
    return [str(problem) for problem in caught.value.problems]


@CALM
@given(experiments())
def test_no_changes_change_nothing(said):
    try:
        experiment = Experiment.model_validate(said)
    except ValueError:
        assume(False)
    assert change(experiment, {}) == experiment
    assert change(experiment, {}).id == experiment.id


@CALM
@given(st.data())
def test_a_change_is_read_back_and_leaves_all_else(data):
    base = Experiment.model_validate(BASE)
    path = data.draw(st.sampled_from(sorted(path for path in option_paths() if not path.endswith(".kind"))))
    field = option_paths()[path][-1]
    value = data.draw(option(field.annotation, tuple(field.metadata)))
    try:
        changed = change(base, {path: value})
    except LabError:
        assume(False)
    assert plain(changed.get(path)) == value
    before, after = base.options(), changed.options()
    assert {key for key in before if before[key] != after[key]} <= {path}
    assert change(changed, {path: plain(base.get(path))}) == base


def test_a_new_kind_keeps_every_option_that_both_have():
    changed = change(GIN, {"model.kind": "graph_transformer"})
    shared = set(GIN.model.options()) & set(changed.model.options()) - {"kind"}
    assert {"width", "layers", "mlp_norm"} <= shared
    assert all(GIN.get(f"model.{name}") == changed.get(f"model.{name}") for name in shared)
    assert changed.get("model.positional.map") == "linear"


def test_wider_changes_come_first_whatever_their_order():
    changes = {"model.layers": 3, "model.kind": "graph_transformer", "model": {"kind": "gin", "width": 8}}
    forth, back = change(GIN, changes), change(GIN, dict(reversed(changes.items())))
    assert forth == back
    assert forth.content()["model"] == {"kind": "graph_transformer", "width": 8, "layers": 3, "mlp_norm": "batch"}


def test_a_whole_section_is_replaced():
    changed = change(GIN, {"model": {"kind": "gin", "layers": 2}, "training": {"lr": 1}})
    assert changed.content()["model"] == {"kind": "gin", "layers": 2}
    assert changed.content()["training"] == {"lr": 1.0}


def test_a_spec_may_stand_for_its_section():
    assert change(GIN, {"model": GIN.model, "probes": GIN.probes}) == GIN


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model.mlp_norm": "bach"}, "'bach' is not a choice\n    did you mean 'batch'? (choose from batch, none)"),
        ({"model.nrom": 1}, "model.nrom: 'gin' has no option 'nrom'\n    choose from layers, width, mlp_factor"),
        ({"model.layer": 1}, "model.layer: 'gin' has no option 'layer'\n    did you mean 'layers'?"),
        ({"model.kind": "gni"}, "model.kind: there is no model 'gni'\n    did you mean 'gin'?"),
        ({"lr": 1}, "lr: 'lr' is no section of an experiment\n    did you mean training.lr?"),
        ({"modle.lr": 1}, "modle.lr: 'modle' is no section of an experiment\n    did you mean 'model'?"),
        ({"model.layers.x": 1}, "model.layers.x: 'layers' has no options of its own\n    change layers as a whole"),
        ({"probes.every": 1}, "probes.every: 'probes' has no options of its own"),
        ({"plugins": []}, "plugins: 'plugins' is no section of an experiment"),
        ({"training.lr": True}, "training.lr: true is not a number"),
        ({"training.epochs": 2.5}, "training.epochs: 2.5 is not a whole number"),
        ({"training.lr": float("nan")}, "training.lr: nan is not a finite number"),
        ({"training.clip": -1}, "training.clip: -1 is out of range\n    it must be above 0"),
        ({"": 1}, "'' is no section of an experiment"),
        ({"model": {"layers": 1}}, "model: needs `kind`"),
        ({"model": {"kind": "graph_transformer", "heads": 7}}, "model.heads: width 60 is not a multiple of heads 7"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_made_is_told_with_what_can(changes, told):
    problems = mistakes(changes)
    assert len(problems) == 1
    assert told in problems[0].replace("model.width: width", "model.heads: width")


def test_all_mistakes_of_a_change_are_told():
    assert len(mistakes({"model.nrom": 1, "training.lr": "x", "model.residual": "yes"})) == 3


def test_the_base_is_left_as_it_was():
    before = GIN.options()
    change(GIN, {"model.width": 3, "training.lr": 0.5})
    assert GIN.options() == before


def test_an_option_is_found_by_its_path():
    assert option_at(GIN, "training.lr").annotation is float
    with pytest.raises(LabError, match="'gin' has no option 'heads'"):
        option_at(GIN, "model.heads")
