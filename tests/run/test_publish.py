"""Records arrive in MLflow completely, once, and in order."""

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from servers import free_port, mlflow_server
from small_study import EPOCHS, SCORES, as_failed, filled_store, small_plan, small_record

from lab.errors import LabError
from lab.records.store import Store
from lab.run.account import KEYS, POINTS, RESERVED
from lab.run.publish import Published, publish
from lab.run.tracking import address


@pytest.fixture
def plan():
    return small_plan()


@pytest.fixture
def store(tmp_path, plan):
    return filled_store(tmp_path / "mlruns", plan)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A store that four records were published from; for tests that only look."""
    plan = small_plan()
    store = filled_store(tmp_path_factory.mktemp("published") / "mlruns", plan)
    assert publish(plan.outline(), store, "small") == Published(created=4)
    return store


def client(store: Store) -> MlflowClient:
    return MlflowClient(f"sqlite:///{store.root}/mlflow.db")


def experiment(store: Store, name: str = "small"):
    return client(store).get_experiment_by_name(name)


def runs(store: Store, name: str = "small", role: str = "compare") -> dict:
    found = client(store).search_runs([experiment(store, name).experiment_id], max_results=2000)
    kept = [run for run in found if run.data.tags["lab.role"] == role]
    by_trial = {run.data.tags.get("lab.trial"): run for run in kept}
    assert len(by_trial) == len(kept), "a trial has two runs"
    return by_trial


def points(store: Store, run, key: str) -> dict[int, float]:
    return {point.step: point.value for point in client(store).get_metric_history(run.info.run_id, key)}


def files(store: Store, run, folder: str | None = None) -> set[str]:
    return {file.path for file in client(store).list_artifacts(run.info.run_id, folder)}


def text(store: Store, run, name: str) -> str:
    return Path(client(store).download_artifacts(run.info.run_id, name)).read_text()


def test_every_record_becomes_one_flat_run_with_its_curves_parameters_and_tags(published, plan):
    assert set(runs(published)) == {trial.id for trial in plan.all_trials}
    trial = plan.all_trials[2]
    record, run = small_record(trial), runs(published)[trial.id]
    assert run.info.run_name == "norm=batch · seed 1"
    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == str(EPOCHS)
    assert run.data.params["dataset.sizes"] == "[5, 34]"
    assert set(run.data.params) == set(record.options)
    for score in SCORES:
        told = points(published, run, score.replace(".", "/", 1))
        assert told == pytest.approx({epoch + 1: value for epoch, value in enumerate(record.history[score])})
    said = run.data.tags
    assert (said["lab.trial"], said["lab.cell"], said["lab.seed"]) == (trial.id, trial.cell.id, "1")
    assert (said["lab.study"], said["lab.status"], said["lab.label"]) == ("small", "done", "norm=batch")
    assert said["lab.factor.model.norm"] == "batch"
    assert (said["lab.health"], said["lab.alerts"], said["lab.first_alert_step"]) == ("warn", "vanishing", "7")
    assert said["mlflow.source.git.commit"] == "0123abcd"
    assert "lab run studies/small.yaml" in said["mlflow.note.content"]
    assert "mlflow.parentRunId" not in said


def test_the_score_that_cells_are_compared_by_stands_in_the_table_with_the_costs(published, plan):
    trial = plan.all_trials[0]
    record, run = small_record(trial), runs(published)[trial.id]
    best = max(range(EPOCHS), key=lambda epoch: record.history["valid.acc"][epoch])
    assert points(published, run, "score/valid.acc") == {best + 1: record.history["valid.acc"][best]}
    assert points(published, run, "score/test.acc") == {best + 1: record.history["test.acc"][best]}
    assert run.data.metrics["cost/params"] == 84
    started, ended = run.info.start_time, run.info.end_time
    assert ended - started == 2500
    at = [point.timestamp for point in client(published).get_metric_history(run.info.run_id, "valid/acc")]
    assert at == sorted(at)
    assert at[-1] == ended


def test_curves_of_the_gradients_are_told_from_the_readings(published, plan):
    run = runs(published)[plan.all_trials[0].id]
    assert points(published, run, "health/grad_norm") == dict.fromkeys(range(20), 0.25)
    assert points(published, run, "health/grad_weight_p50") == dict.fromkeys(range(20), 0.5)
    assert set(points(published, run, "update/layers.0")) == set(range(20))


def test_a_run_keeps_the_record_the_readings_the_environment_and_the_change(published, plan):
    run = runs(published)[plan.all_trials[0].id]
    assert files(published, run) == {"record.json", "probes", "environment.txt", "changes.diff"}
    assert files(published, run, "probes") == {"probes/params.parquet"}
    assert json.loads(text(published, run, "record.json"))["trial"] == plan.all_trials[0].id
    assert "torch==2.13" in text(published, run, "environment.txt")
    assert run.inputs.dataset_inputs[0].dataset.name == "pattern"
    assert run.inputs.dataset_inputs[0].dataset.digest == "f" * 36


def test_the_experiment_tells_the_question_and_a_run_of_its_own_holds_file_and_plan(published, plan):
    told = experiment(published).tags
    assert told["lab.question"] == "Does the norm matter?"
    assert told["lab.score"] == "valid.acc"
    assert "Does the norm matter?" in told["mlflow.note.content"]
    assert "lab run studies/small.yaml" in told["mlflow.note.content"]
    (own,) = runs(published, role="study").values()
    assert own.info.run_name == "study"
    assert files(published, own) == {"plan.json", "plan.txt", "study.yaml"}
    assert json.loads(text(published, own, "plan.json")) == plan.outline()
    assert plan.cells[1].id in text(published, own, "plan.txt")
    assert own.data.metrics == {}


def test_publishing_again_changes_nothing(store, plan):
    publish(plan.outline(), store, "small")
    before = {trial: run.to_dictionary() for trial, run in runs(store).items()}
    assert publish(plan.outline(), store, "small") == Published(skipped=4)
    assert {trial: run.to_dictionary() for trial, run in runs(store).items()} == before
    assert len(runs(store, role="study")) == 1


def test_only_what_is_new_is_added(tmp_path, plan):
    store = filled_store(tmp_path / "mlruns", plan, trials=1)
    assert publish(plan.outline(), store, "small") == Published(created=1)
    filled_store(tmp_path / "mlruns", plan)
    assert publish(plan.outline(), store, "small") == Published(created=3, skipped=1)


def test_a_half_written_run_is_completed_in_place(store, plan):
    publish(plan.outline(), store, "small")
    whole = runs(store)[plan.all_trials[0].id]
    mlflow = client(store)
    half = mlflow.create_run(whole.info.experiment_id, tags={"lab.trial": plan.all_trials[0].id, "lab.role": "compare"})
    mlflow.log_metric(half.info.run_id, "valid/acc", 0.5, step=1)
    mlflow.log_param(half.info.run_id, "training.epochs", "5")
    mlflow.delete_run(whole.info.run_id)
    assert publish(plan.outline(), store, "small") == Published(updated=1, skipped=3)
    mended = runs(store)[plan.all_trials[0].id]
    assert mended.info.run_id == half.info.run_id
    assert mended.info.status == "FINISHED"
    assert set(mended.data.params) == set(whole.data.params)
    assert len(mlflow.get_metric_history(mended.info.run_id, "valid/acc")) == EPOCHS
    assert "record.json" in files(store, mended)


def test_a_run_deleted_in_mlflow_comes_back_and_so_does_the_experiment(store, plan):
    publish(plan.outline(), store, "small")
    client(store).delete_run(runs(store)[plan.all_trials[1].id].info.run_id)
    assert publish(plan.outline(), store, "small") == Published(created=1, skipped=3)
    client(store).delete_experiment(experiment(store).experiment_id)
    publish(plan.outline(), store, "small")
    assert experiment(store).lifecycle_stage == "active"
    assert set(runs(store)) == {trial.id for trial in plan.all_trials}


def test_two_runs_of_one_trial_become_one(store, plan):
    publish(plan.outline(), store, "small")
    trial = plan.all_trials[0].id
    client(store).create_run(experiment(store).experiment_id, tags={"lab.trial": trial, "lab.role": "compare"})
    assert publish(plan.outline(), store, "small") == Published(skipped=4)
    assert runs(store)[trial].info.status == "FINISHED"


def test_a_trial_that_was_retried_shows_its_new_record_alone(store, plan):
    trial = plan.all_trials[0]
    store.write(as_failed(small_record(trial, epochs=2)))
    publish(plan.outline(), store, "small")
    failed = runs(store)[trial.id]
    assert (failed.info.status, failed.data.tags["lab.health"]) == ("FAILED", "broken")
    assert failed.data.tags["lab.error"] == "loss is nan"
    store.write(small_record(trial))
    assert publish(plan.outline(), store, "small") == Published(updated=1, skipped=3)
    assert runs(store)[trial.id].info.status == "FINISHED"
    assert "lab.error" not in runs(store)[trial.id].data.tags


def test_a_record_of_another_study_is_shown_under_this_ones_labels(store, plan):
    other = replace(small_plan("other"), cells=tuple(replace(cell, name=f"arm {cell.id[:2]}") for cell in plan.cells))
    store.write_plan(other.outline())
    assert publish(other.outline(), store, "other") == Published(created=4)
    shown = runs(store, "other")[plan.all_trials[0].id]
    assert shown.data.tags["lab.label"] == f"arm {plan.cells[0].id[:2]}"
    assert shown.data.tags["lab.from_study"] == "small"


def test_keys_and_points_stay_within_the_budget_and_means_come_before_classes(tmp_path):
    plan = small_plan(seeds=1, epochs=2500)
    store = filled_store(tmp_path / "mlruns", plan, trials=0)
    trial = plan.all_trials[0]
    record = small_record(trial, epochs=2500)
    classes = {f"{split}.acc_{number}": (0.5,) for split in ("train", "valid", "test") for number in range(40)}
    store.write(replace(record, history=classes | dict(record.history)))
    publish(plan.outline(), store, "small")
    run = runs(store)[trial.id]
    assert KEYS - RESERVED < len(run.data.metrics) <= KEYS
    assert {"valid/acc", "train/loss", "lr", "cost/params", "score/valid.acc"} <= set(run.data.metrics)
    told = points(store, run, "valid/acc")
    assert 0.75 * POINTS <= len(told) <= POINTS
    assert {1, 2500} <= set(told)


def test_numbers_that_are_not_finite_are_gaps_and_long_values_are_cut(tmp_path, plan):
    store = filled_store(tmp_path / "mlruns", plan, trials=0)
    record = small_record(plan.all_trials[0])
    loss = (1.0, math.inf, math.nan, -math.inf, 2.0)
    options = dict(record.options) | {"dataset.comment": "x" * 10_000, "odd [name]": [1, "two"]}
    store.write(replace(record, history=dict(record.history) | {"train.loss": loss}, options=options))
    publish(plan.outline(), store, "small")
    run = runs(store)[record.trial]
    told = points(store, run, "train/loss")
    assert [step for step, value in told.items() if math.isfinite(value)] == [1, 5]
    assert all(math.isnan(told[step]) for step in (2, 3, 4))
    assert len(run.data.params["dataset.comment"]) == 6000
    assert run.data.params["odd _name_"] == '[1, "two"]'


@pytest.mark.parametrize("content", [b"not a database at all, just text" * 50, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_store_is_one_clear_mistake_and_is_left_alone(tmp_path, plan, content):
    store = filled_store(tmp_path / "mlruns", plan, trials=1)
    place = tmp_path / "mlruns" / "mlflow.db"
    place.write_bytes(content)
    with pytest.raises(LabError, match=r"mlflow\.db is not a database that MLflow can read"):
        publish(plan.outline(), store, "small")
    assert place.read_bytes() == content


def test_a_database_of_something_else_is_not_written_into(tmp_path, plan):
    import sqlite3

    store = filled_store(tmp_path / "mlruns", plan, trials=1)
    place = tmp_path / "mlruns" / "mlflow.db"
    with sqlite3.connect(place) as database:
        database.execute("create table recipes (name text)")
    with pytest.raises(LabError, match=r"something else than MLflow \(it holds recipes\)"):
        publish(plan.outline(), store, "small")
    with sqlite3.connect(place) as database:
        assert database.execute("select count(*) from sqlite_master").fetchone() == (1,)


def test_a_server_that_is_not_there_is_a_clear_mistake(store, plan):
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LabError, match=f"MLflow at {uri} does not answer"):
        publish(plan.outline(), store, "small", uri=uri)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("postgresql+psycopg://lab:secret@db:5432/mlflow", "postgresql+psycopg://lab:***@db:5432/mlflow"),
        ("https://me:secret@mlflow.example/", "https://me:***@mlflow.example/"),
        ("sqlite:////a/b@c:d/mlflow.db", "sqlite:////a/b@c:d/mlflow.db"),
    ],
)
def test_a_password_is_never_shown(uri, shown):
    assert str(address("mlruns", uri)) == shown


def test_the_store_is_quiet_when_it_is_made(store, plan, capfd):
    publish(plan.outline(), store, "small")
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_mlflow_tracking_uri_names_another_store(store, plan, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    publish(plan.outline(), store, "small")
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()
    assert MlflowClient(f"sqlite:///{tmp_path}/elsewhere.db").get_experiment_by_name("small") is not None


@pytest.mark.slow
def test_a_server_takes_everything_files_included(store, plan, tmp_path):
    with mlflow_server(tmp_path, free_port()) as uri:
        assert publish(plan.outline(), store, "small", uri=uri) == Published(created=4)
        assert publish(plan.outline(), store, "small", uri=uri) == Published(skipped=4)
        server = MlflowClient(uri)
        found = server.search_runs([server.get_experiment_by_name("small").experiment_id])
        trial = next(run for run in found if run.data.tags.get("lab.trial") == plan.all_trials[0].id)
        names = {file.path for file in server.list_artifacts(trial.info.run_id)}
        assert names == {"record.json", "probes", "environment.txt", "changes.diff"}
    assert not (tmp_path / "mlruns" / "mlflow.db").exists()


@pytest.mark.slow
def test_a_record_that_is_there_costs_much_less_than_a_new_one(tmp_path):
    plan = small_plan(seeds=60)
    store = filled_store(tmp_path / "mlruns", plan)
    publish(small_plan("empty").outline() | {"trials": []}, store, "empty")
    started = time.process_time()
    assert publish(plan.outline(), store, "small").created == 120
    between = time.process_time()
    assert publish(plan.outline(), store, "small") == Published(skipped=120)
    created, skipped = (between - started) / 120, (time.process_time() - between) / 120
    assert skipped < created / 2
