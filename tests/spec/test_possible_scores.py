"""A score that no cell can have is refused where it is named; one that some cell might have is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError, LabErrors
from lab.spec.datasets import DatasetSpec
from lab.spec.experiment import Experiment
from lab.spec.files import check_study, read_experiment
from lab.spec.models import ModelSpec
from lab.spec.possible import lacking
from lab.spec.tasks import TASKS

BASE = """\
dataset: {kind: latent_graph_series, horizon: 6}
model: {kind: latent_seq2seq, head: %s}
"""
STUDY = """\
question: Which is better?
base: experiments/base.yaml
score: %s
seeds: 3
"""
ONE_RATE = "factors: {training.lr: [1e-3, 1e-2]}\ndesign: grid\n"


def pair(kind: str, horizon: int = 6, **options: object) -> tuple[DatasetSpec, ModelSpec]:
    data = {"kind": "latent_graph_series", "horizon": horizon}
    made = Experiment.model_validate({"dataset": data, "model": {"kind": kind, **options}})
    return made.dataset, made.model


def told(folder: Path, score: str, more: str = ONE_RATE) -> str:
    """What checking a study of forecasts without probabilities says."""
    (folder / "experiments").mkdir()
    (folder / "experiments" / "base.yaml").write_text(BASE % "value")
    (folder / "study.yaml").write_text(STUDY % score + more)
    problems = check_study(folder / "study.yaml")
    return str(LabErrors(problems)) if problems else ""


@pytest.mark.parametrize(
    ("score", "head", "what"),
    [
        ("valid.mae_6", "value", ""),
        ("valid.mae_to_6", "value", ""),
        ("valid.mae_7", "value", "step 7"),
        ("test.rmse_to_12", "value", "step 12"),
        ("test.mape_0", "value", "step 0"),
        ("valid.crps", "value", "how sure"),
        ("valid.coverage_50", "value", "how sure"),
        ("valid.pit_20", "value", "how sure"),
        ("valid.mae_of_mean", "value", "how sure"),
        ("valid.nll_2", "gaussian", ""),
        ("valid.nll_7", "gaussian", "step 7"),
        ("valid.coverage_50", "gaussian", ""),
        ("valid.pit_20", "gaussian", ""),
        ("valid.pit_21", "gaussian", "slice 21"),
        ("cost.seconds", "value", ""),
        ("course.flips", "value", ""),
    ],
)
def test_steps_lie_in_the_horizon_and_probabilities_come_from_models_that_tell_them(
    score: str, head: str, what: str
) -> None:
    lack = lacking(score, *pair("latent_seq2seq", head=head))
    assert (what in lack.what and score in lack.what and lack.mend) if what and lack else (lack is None and not what)


def test_quantiles_have_no_density() -> None:
    model = pair("pgat", head="quantile")
    assert lacking("valid.crps", *model) is None
    assert lacking("valid.coverage_90", *model) is None
    lack = lacking("valid.scaled_nll", *model)
    assert lack is not None
    assert "quantiles" in lack.what


def test_scores_of_other_tasks_are_not_looked_into() -> None:
    made = Experiment.model_validate({"dataset": {"kind": "psbm_links"}, "model": {"kind": "link_baseline"}})
    assert all(lacking(f"valid.{score}", made.dataset, made.model) is None for score in TASKS["predict_links"].scores)


def test_a_study_is_told_where_it_names_a_score_that_its_cells_cannot_have(tmp_path: Path) -> None:
    said = told(tmp_path, "{name: valid.mae_12, goal: min, final: test.crps}")
    assert "study.yaml:3: score.name: 'valid.mae_12' speaks of step 12, but dataset.horizon is 6" in said
    assert "study.yaml:3: score.final: 'test.crps' asks how sure a forecast is" in said
    assert "name a step from 1 to 6" in said


def test_so_it_is_of_claims_and_of_what_a_search_aims_at(tmp_path: Path) -> None:
    claims = "claims: {surer: {say: 'training.lr: 1e-2 > 1e-3', metric: test.nll}}\n"
    search = "design: {search: {trials: 4, objectives: [valid.mae, valid.rmse_9]}}\n"
    said = told(tmp_path, "valid.mae", "factors: {training.lr: [1e-3, 1e-2]}\n" + claims + search)
    assert "claims.surer.metric: 'test.nll' asks how sure" in said
    assert "design.search.objectives[1]" in said
    assert "'valid.rmse_9' speaks of step 9" in said


@pytest.mark.parametrize(
    ("score", "more"),
    [
        ("valid.crps", "factors: {model.head: [value, gaussian]}\n"),
        ("valid.crps", "factors: {model.head: all}\n"),
        ("valid.crps", "arms: {sure: {model.head: gaussian}}\ndesign: arms\n"),
        ("valid.crps", "factors: {sure: {set: [{}, {model.head: gaussian, training.loss: crps}]}}\n"),
        ("valid.crps", "factors: {other: {set: [{}, {model: {kind: pgat}}]}}\n"),
        ("valid.mae_12", "factors: {dataset.horizon: [6, 12]}\n"),
        ("valid.mae_12", "nuisance: {dataset.horizon: {range: [3, 12], step: 3}}\n" + ONE_RATE),
    ],
)
def test_a_score_that_some_cell_may_have_is_not_refused(tmp_path: Path, score: str, more: str) -> None:
    assert told(tmp_path, score, more if "design" in more else more + "design: grid\n") == ""


@pytest.mark.parametrize(
    ("score", "more"),
    [
        ("valid.crps", "factors: {model.width: [16, 32], dataset.horizon: [6, 12]}\n"),
        ("valid.mae_12", "factors: {model.head: [value, gaussian]}\n"),
        ("valid.mae_12", "factors: {dataset.horizon: [3, 6, 8]}\n"),
        ("valid.mae_12", "nuisance: {dataset.horizon: {range: [3, 9], step: 3}}\n" + ONE_RATE),
    ],
)
def test_one_that_none_of_them_has_is_whatever_else_varies(tmp_path: Path, score: str, more: str) -> None:
    assert f"score: '{score}'" in told(tmp_path, score, more if "design" in more else more + "design: grid\n")


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("stop_run: {plateau: 6 epochs of valid.nll}\n", "stop_run.plateau: 'valid.nll' asks how sure"),
        ("stop_run: {reached: valid.mae_9 < 0.1}\n", "stop_run.reached: 'valid.mae_9' speaks of step 9"),
        ("training: {schedule: plateau, plateau_score: crps}\n", "training.plateau_score: 'valid.crps' asks how sure"),
    ],
)
def test_a_run_does_not_wait_for_a_score_that_it_cannot_have(tmp_path: Path, more: str, what: str) -> None:
    (tmp_path / "base.yaml").write_text(BASE % "value" + more)
    with pytest.raises(LabError) as caught:
        read_experiment(tmp_path / "base.yaml")
    assert what in str(caught.value)
    (tmp_path / "base.yaml").write_text(BASE.replace("horizon: 6", "horizon: 9") % "gaussian" + more)
    read_experiment(tmp_path / "base.yaml")
