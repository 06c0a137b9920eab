"""A report is shown in MLflow and in the Optuna dashboard, once, and no failure of theirs is one of ours."""

from __future__ import annotations

import optuna
import pytest
from mlflow.tracking import MlflowClient
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from optuna_dashboard._note import get_note_from_system_attrs
from planted_page import full_study

from lab.cli.reporting import show_elsewhere
from lab.report.gallery import Gallery
from lab.report.report import study_report
from lab.run.optuna_notes import show_note
from lab.run.optuna_storage import open_storage
from lab.run.publish import publish, publish_report


def client(root) -> MlflowClient:
    return MlflowClient(f"sqlite:///{root / 'mlflow.db'}")


def own_run(root):
    told = client(root)
    experiment = told.get_experiment_by_name("planted")
    (run,) = told.search_runs([experiment.experiment_id], "tags.`lab.role` = 'study'")
    return experiment, run


@pytest.mark.slow
def test_mlflow_keeps_the_page_and_tells_the_answer(tmp_path):
    study = full_study(tmp_path, seeds=2)
    publish(study.outline, study.store, "planted")
    show_elsewhere(study.store, study_report(study.store, "planted"))
    experiment, run = own_run(tmp_path)
    assert "What was planted?" in run.data.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.note.content"] == run.data.tags["mlflow.note.content"]
    kept = {each.path for each in client(tmp_path).list_artifacts(run.info.run_id)}
    assert kept >= {"report.html", "report.md", "plan.json"}


@pytest.mark.slow
def test_a_report_is_kept_again_only_when_it_is_news(tmp_path):
    study = full_study(tmp_path, seeds=1)
    files = {"report.html": b"<p>one</p>"}
    assert publish_report(study.outline, study.store, files, "one") is True
    assert publish_report(study.outline, study.store, files, "one") is False
    assert publish_report(study.outline, study.store, files, "two") is True
    experiment, run = own_run(tmp_path)
    assert (experiment.tags["mlflow.note.content"], run.data.tags["mlflow.note.content"]) == ("two", "two")


def test_the_dashboard_has_a_note_and_figures_once(tmp_path):
    study = full_study(tmp_path, seeds=2)
    storage = open_storage(tmp_path)
    optuna.create_study(study_name="planted", storage=storage, direction="maximize")
    figures = Gallery(study.store, study_report(study.store, "planted")).main()
    assert show_note(study.store, "planted", "What was planted?", figures) is True
    assert show_note(study.store, "planted", "What was planted?", figures) is False
    told = storage.get_study_system_attrs(storage.get_study_id_from_name("planted"))
    assert get_note_from_system_attrs(told, None)["body"] == "What was planted?"
    assert set(get_plotly_graph_objects(told)) == {f"lab-{name}" for name in figures}


def test_a_study_that_optuna_does_not_know_is_left_alone(tmp_path):
    study = full_study(tmp_path, seeds=1)
    assert show_note(study.store, "planted", "note", {}) is False


def test_neither_failing_is_a_failure(tmp_path, capsys, monkeypatch):
    study = full_study(tmp_path, seeds=1)
    (tmp_path / "mlflow.db").write_text("not a database")
    (tmp_path / "optuna.journal").mkdir()
    monkeypatch.delenv("LAB_OPTUNA", raising=False)
    show_elsewhere(study.store, study_report(study.store, "planted"))
    told = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in told] == [
        "MLflow does not show the report",
        "the Optuna dashboard does not show the report",
    ]
