from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.plan.designs import expand
from lab.spec.change import change
from lab.spec.experiment import Experiment


def params(experiment: Experiment) -> int:
    """About what a transformer of this width and depth has."""
    width, hidden = experiment.get("model.width"), experiment.get("model.feed_forward")
    return 10 + experiment.get("model.layers") * (4 * width * width + 2 * width * hidden)


MATCH = {"match": "params", "within": "5%", "by": "model.width"}


def test_every_cell_gets_the_size_of_the_reference(study_of, base):
    factors = {"model.layers": [1, 2, 3, 8, 16], "model.mlp_norm": "all"}
    plan = expand(study_of(factors=factors, constraints=[MATCH], design="one_out"), count_params=params)
    for cell in plan.cells:
        assert params(cell.experiment) / params(base) == pytest.approx(1, abs=0.05)
        assert cell.levels["model.layers"] == cell.experiment.get("model.layers")
    widths = {cell.experiment.get("model.width") for cell in plan.cells if cell.experiment.get("model.layers") == 4}
    assert widths == {60}


def test_the_option_keeps_to_what_is_valid(study_of, base):
    base = change(base, {"model.attention": "content", "model.heads": 4})
    file = study_of(factors={"model.layers": [2, 3, 6]}, constraints=[MATCH | {"within": "10%"}])
    file = type(file)(file.study, base, file.name)
    plan = expand(file, count_params=params)
    for cell in plan.cells:
        assert cell.experiment.get("model.width") % 4 == 0
        assert params(cell.experiment) / params(base) == pytest.approx(1, abs=0.1)


def test_the_nearest_size_is_told_where_none_is_near_enough(written):
    text = "factors: {model.feed_forward: [240, 16384]}\nconstraints: [{match: params, within: 1%, by: model.layers}]\n"
    with pytest.raises(LabError) as error:
        expand(written(text), count_params=params)
    assert (error.value.where.line, error.value.where.key) == (5, "constraints[0]")
    assert "model.layers=1 has 1980490 of 172810 parameters" in error.value.hint


def test_a_cell_that_is_close_enough_is_left_alone(study_of, base):
    file = study_of(factors={"model.feed_forward": [240, 245]}, constraints=[MATCH])
    cell = expand(file, count_params=params).cells[1]
    assert params(cell.experiment) != params(base)
    assert cell.experiment.get("model.width") == 60


def test_bounds_of_the_option_are_respected(written):
    def count(experiment: Experiment) -> int:
        return 10**6 if experiment.get("model.feed_forward") > 1 else 10 * experiment.get("model.layers")

    text = "factors: {model.feed_forward: [240, 1]}\nconstraints: [{match: params, within: 1%, by: model.layers}]\n"
    with pytest.raises(LabError) as error:
        expand(written(text), count_params=count)
    assert "model.layers=64 has 640 of 1000000 parameters" in error.value.hint


def test_without_a_counter_cells_are_left_as_they_are(study_of):
    plan = expand(study_of(factors={"model.layers": [2, 4]}, constraints=[MATCH]))
    assert {cell.experiment.get("model.width") for cell in plan.cells} == {60}
    assert "sizes are matched by model.width when the models are built; until then cells are as written" in plan.notes


def test_each_model_is_counted_once(study_of):
    counted = []

    def count(experiment: Experiment) -> int:
        counted.append((experiment.get("model.layers"), experiment.get("model.width")))
        return params(experiment)

    factors = {"model.layers": [2, 4], "training.lr": [0.1, 0.01, 0.001], "training.optimizer": "all"}
    expand(study_of(factors=factors, constraints=[MATCH]), count_params=count)
    assert len(counted) == len(set(counted)) < 20
