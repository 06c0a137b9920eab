"""Two runs side by side: the first thing that is not the same in both, and the option that makes it so."""

from __future__ import annotations

from typing import Any

import pytest
from small_trial import GIN, TRANSFORMER, data_of, experiment

from lab.records.replayed import Parting
from lab.report.of_replay import parting_text
from lab.spec.experiment import Experiment
from lab.train.member import Member
from lab.train.replay.parting import part

pytestmark = pytest.mark.torch

QUIET = {"rules": "off", "probes": "off"}


def parted(one: Experiment, other: Experiment, *, steps: int = 3, seed: int = 0) -> Parting:
    members = Member(one, seed, "one", trial="a-0"), Member(other, seed, "other", trial="b-0")
    sides = [(member, data_of(member.experiment)) for member in members]
    return part(sides[0], sides[1], steps=steps, hear=lambda step, goal: None)


def test_equal_experiments_are_a_no_op_to_the_last_bit() -> None:
    said = experiment(TRANSFORMER | {"dropout": 0.2}, **QUIET)
    told = parted(said, said)
    assert told.difference is None
    assert told.steps == 3
    assert "bit-identical for 3 steps" in parting_text(told)
    assert "no option that a step depends on differs" in parting_text(told)


def test_an_option_that_does_nothing_is_called_a_no_op() -> None:
    told = parted(experiment(TRANSFORMER, **QUIET), experiment(TRANSFORMER, training={"plateau_patience": 9}, **QUIET))
    assert told.difference is None
    assert tuple(told.options) == ("training.plateau_patience",)
    assert "training.plateau_patience is a no-op" in parting_text(told)


def test_what_is_only_watched_is_no_difference() -> None:
    told = parted(experiment(GIN, probes="off"), experiment(GIN, probes="normal", recorder="off"))
    assert (told.difference, told.options) == (None, {})


@pytest.mark.parametrize(
    ("sections", "step", "where", "cause"),
    [
        ({"training": {"lr": 2e-2}}, 0, "update", "training.lr"),
        ({"training": {"optimizer": "sgd"}}, 0, "update", "training.optimizer"),
        ({"training": {"warmup": 2}}, 0, "update", "training.warmup"),
        ({"training": {"clip": 1e-3}}, 0, "update", "training.clip"),
        ({"training": {"batch": 6}}, 0, "batch", "training.batch"),
        ({"training": {"order": "random"}}, 0, "batch", "training.order"),
        ({"training": {"accumulate": 2}}, 0, "batch", "training.accumulate"),
        ({"training": {"class_weights": "none"}}, 0, "loss", "training.class_weights"),
        ({"training": {"precision": "bf16"}}, 0, "forward", "training.precision"),
        ({"training": {"unpaired": ["init"]}}, 0, "initial weights", "training.unpaired"),
        ({"dataset": {"patterns": 5}}, 0, "batch", "dataset.patterns"),
    ],
)
def test_runs_part_where_the_option_acts(sections: Any, step: int, where: str, cause: str) -> None:
    told = parted(experiment(GIN, **QUIET), experiment(GIN, **sections, **QUIET))
    assert told.difference is not None
    assert (told.difference.step, told.difference.where) == (step, where)
    assert told.causes == (cause,)
    assert f"because of {cause}: " in parting_text(told)


def test_the_first_module_that_answers_otherwise_is_named_with_what_goes_in() -> None:
    biased = GIN | {"bias_before_norm": True}
    told = parted(experiment(biased, **QUIET), experiment(biased | {"mlp_norm": "none"}, **QUIET))
    assert told.missing[0][0].startswith("stage.layers.0.mlp_norm.")
    assert told.difference is not None
    assert told.difference.where == "forward"
    assert told.difference.module == "stage.layers.0.mlp_norm"
    assert told.difference.says.endswith("the same goes in")
    assert told.causes == ("model.mlp_norm",)


def test_a_parameter_of_another_shape_is_told_before_anything_runs() -> None:
    told = parted(experiment(GIN, **QUIET), experiment(GIN | {"width": 12}, **QUIET))
    assert told.difference is not None
    assert (told.difference.where, told.difference.module) == ("initial weights", "embedding")
    assert "shapes [" in told.difference.says
    assert told.steps == 0


def test_an_option_that_acts_late_is_found_at_its_step() -> None:
    slow = {"warmup": 3}
    told = parted(
        experiment(GIN, training=slow | {"schedule": "cosine", "epochs": 2}, **QUIET),
        experiment(GIN, training=slow | {"schedule": "constant", "epochs": 2}, **QUIET),
        steps=12,
    )
    assert told.difference is not None
    assert (told.difference.step, told.difference.where) == (4, "update")
    assert told.causes == ("training.schedule",)


def test_dropout_parts_runs_at_the_first_place_that_drops() -> None:
    told = parted(experiment(GIN, **QUIET), experiment(GIN | {"dropout": 0.5}, **QUIET))
    assert told.difference is not None
    assert told.difference.module.startswith("stage.layers.0")
    assert told.causes == ("model.dropout",)
