"""What an experiment is known by: an option that is new changes no id, so that old records stay results of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.spec.experiment import Experiment
from lab.spec.files import read_experiment

ROOT = Path(__file__).resolve().parents[2]
IDS = {
    "cluster_transformer": "57c7604afc70",
    "line_mirrors": "c56e14e882d6",
    "pattern_degree": "7fb08dd2513f",
    "pattern_gate": "b833d6b51275",
    "pattern_gin": "3f7c78bbec57",
    "pattern_grit": "ba8a194bf5f5",
    "pyramid_node_colour": "6bec88c3798a",
}
"""As they were when the first records were made."""


@pytest.mark.parametrize("name", IDS)
def test_a_shipped_experiment_has_the_id_it_always_had(name: str) -> None:
    assert read_experiment(ROOT / "experiments" / f"{name}.yaml", root=ROOT).id == IDS[name]


@pytest.mark.parametrize(
    "said",
    [
        {"loss": "default"},
        {"focal": {"gamma": 2.0}},
        {"onecycle": {}, "restarts": {"first": 5}},
        {"link_terms": {"match": "none"}, "score_entries": "default"},
    ],
)
def test_saying_a_default_says_nothing(said: dict[str, object]) -> None:
    base = {"dataset": {"kind": "pattern"}, "model": {"kind": "gin"}}
    assert Experiment.model_validate(base | {"training": said}).id == Experiment.model_validate(base).id


@pytest.mark.parametrize(
    ("dataset", "model", "loss", "told"),
    [
        ("pattern", "gin", "focal", "has one loss only"),
        ("psbm_links", "link_baseline", "mae", "is no loss to predict_links"),
    ],
)
def test_a_loss_that_does_not_suit_the_task_is_refused(dataset: str, model: str, loss: str, told: str) -> None:
    said = {"dataset": {"kind": dataset}, "model": {"kind": model}, "training": {"loss": loss}}
    with pytest.raises(ValueError, match=told):
        Experiment.model_validate(said)
