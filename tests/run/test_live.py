"""Curves move in MLflow while trials train, and nothing that MLflow does or fails to do reaches the study."""

import subprocess
import sys
import threading
import time
from itertools import chain

import pytest
from mlflow.tracking import MlflowClient
from servers import blackhole, free_port, mlflow_server
from small_study import EPOCHS, SCORES, life, small_plan, small_readings, small_record

from lab.records.store import Store
from lab.run import live as module
from lab.run.account import KEYS, POINTS
from lab.run.events import EpochDone, Measured, Said, TrialEnded, TrialStarted
from lab.run.live import Live
from lab.run.publish import Published, publish


@pytest.fixture
def plan():
    return small_plan(seeds=1)


@pytest.fixture
def store(tmp_path, plan):
    store = Store(tmp_path / "mlruns")
    store.write_plan(plan.outline())
    return store


def client(store: Store) -> MlflowClient:
    return MlflowClient(f"sqlite:///{store.root}/mlflow.db")


def runs(store: Store, name: str = "small", uri: str | None = None) -> dict:
    mlflow = MlflowClient(uri) if uri else client(store)
    found = mlflow.search_runs([mlflow.get_experiment_by_name(name).experiment_id])
    trials = [run for run in found if "lab.trial" in run.data.tags]
    by_trial = {run.data.tags["lab.trial"]: run for run in trials}
    assert len(by_trial) == len(trials), "a trial has two runs"
    return by_trial


def hear(live: Live, store: Store, events) -> None:
    """What the coordinator does: the record is written before anybody hears of it."""
    for event in events:
        if isinstance(event, TrialEnded):
            store.write(event.record, small_readings())
        live(event)


def steps(store: Store, run, key: str) -> list[int]:
    return sorted(point.step for point in client(store).get_metric_history(run.info.run_id, key))


def eventually(look, seconds: float = 90.0):
    end = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def test_a_study_that_was_heard_live_is_complete_and_publish_has_nothing_to_add(store, plan):
    said = []
    live = Live(plan, store, say=said.append, command="lab run studies/small.yaml")
    hear(live, store, chain.from_iterable(life(trial) for trial in plan.all_trials))
    assert live.stop(60)
    assert said == []
    assert set(runs(store)) == {trial.id for trial in plan.all_trials}
    for trial in plan.all_trials:
        run = runs(store)[trial.id]
        assert run.info.status == "FINISHED"
        assert run.data.tags["lab.status"] == "done"
        assert run.data.params["training.epochs"] == str(EPOCHS)
        for score in SCORES:
            assert steps(store, run, score.replace(".", "/", 1)) == list(range(1, EPOCHS + 1))
        assert steps(store, run, "health/grad_norm") == [1, 10, 20, 30, 40, 50]
        assert {"cost/params", "score/valid.acc"} <= set(run.data.metrics)
        names = {file.path for file in client(store).list_artifacts(run.info.run_id)}
        assert names == {"record.json", "probes", "environment.txt", "changes.diff"}
    assert publish(plan.outline(), store, "small") == Published(skipped=2)


def test_curves_move_while_a_trial_trains(store, plan):
    live = Live(plan, store)
    trial = plan.all_trials[0]
    told = list(life(trial))
    hear(live, store, told[:3])

    def epochs() -> list[int]:
        known = client(store).get_experiment_by_name("small")
        run = runs(store).get(trial.id) if known else None
        return steps(store, run, "valid/acc") if run else []

    assert eventually(lambda: epochs() == [1]), epochs()
    assert runs(store)[trial.id].info.status == "RUNNING"
    assert runs(store)[trial.id].data.tags["lab.status"] == "running"
    hear(live, store, told[3:7])
    assert eventually(lambda: epochs() == [1, 2, 3]), epochs()
    live.stop(20)


def test_nothing_is_loaded_or_made_before_a_trial_starts(store, plan):
    live = Live(plan, store)
    live(Said("info", "everything is done already"))
    assert live.stop(5)
    assert not list((store.place.path).glob("mlflow.db"))


def test_an_interrupted_trial_is_taken_up_in_the_same_run(store, plan):
    trial = plan.all_trials[0]
    first = Live(plan, store)
    hear(first, store, life(trial, until=2))
    first.stop(30)
    left = runs(store)[trial.id]
    assert (left.info.status, left.data.tags["lab.status"]) == ("KILLED", "interrupted")
    again = Live(plan, store)
    hear(again, store, life(trial, start=1))
    again.stop(30)
    run = runs(store)[trial.id]
    assert run.info.run_id == left.info.run_id
    assert (run.info.status, run.data.tags["lab.status"]) == ("FINISHED", "done")
    assert steps(store, run, "valid/acc") == list(range(1, EPOCHS + 1))


def test_a_trial_that_is_tried_again_within_one_run_of_the_study_stays_one_run(store, plan):
    trial = plan.all_trials[0]
    live = Live(plan, store)
    hear(live, store, life(trial, until=2))
    hear(live, store, life(trial))
    live.stop(30)
    assert steps(store, runs(store)[trial.id], "valid/acc") == list(range(1, EPOCHS + 1))


def test_a_failed_trial_that_is_retried_starts_a_fresh_run(store, plan):
    trial = plan.all_trials[0]
    live = Live(plan, store)
    started = next(life(trial))
    failed = small_record(trial, epochs=2, status="bug")
    hear(live, store, [started, TrialEnded(trial, failed)])
    live.stop(30)
    assert runs(store)[trial.id].info.status == "FAILED"
    store.set_aside(trial.id)
    again = Live(plan, store)
    hear(again, store, life(trial))
    again.stop(30)
    run = runs(store)[trial.id]
    assert run.info.status == "FINISHED"
    assert "lab.error" not in run.data.tags


KILLED = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[2])
from small_study import filled_store, life, small_plan
from lab.records.store import Store
from lab.run.live import Live
import sqlalchemy
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient
plan, store = small_plan(seeds=1), Store(sys.argv[1])
live = Live(plan, store)
for event in list(life(plan.all_trials[0]))[:7]:
    live(event)
mlflow = MlflowClient(f"sqlite:///{sys.argv[1]}/mlflow.db")
while True:
    time.sleep(0.05)
    known = mlflow.get_experiment_by_name("small")
    found = mlflow.search_runs([known.experiment_id], "tags.`lab.role` = 'compare'") if known else ()
    if any("valid/acc" in run.data.metrics for run in found):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("mended_by", ["publish", "the next run"])
def test_a_run_that_a_kill_cut_short_is_completed_by_what_comes_next(store, plan, mended_by, request):
    here = str(request.path.parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, store.root, here], capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    trial = plan.all_trials[0]
    left = runs(store)[trial.id]
    assert left.info.status == "RUNNING"
    if mended_by == "publish":
        store.write(small_record(trial), small_readings())
        assert publish(plan.outline(), store, "small") == Published(updated=1)
    else:
        live = Live(plan, store)
        hear(live, store, life(trial, start=1))
        live.stop(30)
    run = runs(store)[trial.id]
    assert (run.info.run_id, run.info.status) == (left.info.run_id, "FINISHED")
    assert steps(store, run, "valid/acc") == list(range(1, EPOCHS + 1))
    assert publish(plan.outline(), store, "small") == Published(skipped=1)


SHARED = """
import sys
sys.path.insert(0, sys.argv[2])
from small_study import life, small_plan, small_readings
from lab.records.store import Store
from lab.run.events import TrialEnded
from lab.run.live import Live
plan, store = small_plan(seeds=4), Store(sys.argv[1])
live = Live(plan, store, say=lambda text: print(text, flush=True))
for trial in plan.all_trials[int(sys.argv[3]) :: 2]:
    for event in life(trial):
        if isinstance(event, TrialEnded):
            store.write(event.record, small_readings())
        live(event)
sys.exit(0 if live.stop(120) else 1)
"""


@pytest.mark.slow
def test_two_runs_of_one_study_at_once_share_one_experiment(store, request):
    plan, here = small_plan(seeds=4), str(request.path.parent)
    store.write_plan(plan.outline())
    both = [
        subprocess.Popen([sys.executable, "-c", SHARED, store.root, here, half], stdout=subprocess.PIPE, text=True)
        for half in "01"
    ]
    assert [process.communicate()[0] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert set(runs(store)) == {trial.id for trial in plan.all_trials}
    assert publish(plan.outline(), store, "small") == Published(skipped=8)
    experiment = client(store).get_experiment_by_name("small").experiment_id
    assert len(client(store).search_runs([experiment], "tags.`lab.role` = 'study'")) == 1


def test_a_dead_server_is_one_warning_and_publish_brings_everything(store, plan):
    said = []
    live = Live(plan, store, f"http://127.0.0.1:{free_port()}", say=said.append)
    hear(live, store, chain.from_iterable(life(trial) for trial in plan.all_trials))
    assert not live.stop(30)
    assert len(said) == 1
    assert "does not answer" in said[0]
    assert "lab publish small" in said[0]
    assert publish(plan.outline(), store, "small") == Published(created=2)


def test_a_server_that_hangs_is_one_warning_and_holds_nobody_up(store, plan, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    said = []
    with blackhole() as uri:
        live = Live(plan, store, uri, say=said.append)
        started = time.perf_counter()
        hear(live, store, chain.from_iterable(life(trial) for trial in plan.all_trials))
        assert time.perf_counter() - started < 5
        asked = time.perf_counter()
        assert not live.stop(0.5)
        assert time.perf_counter() - asked < 5
        (writer,) = (thread for thread in threading.enumerate() if thread.name == "mlflow")
        writer.join(120)
        assert not writer.is_alive()
    assert len(said) == 1
    assert "lab publish small" in said[0]


@pytest.mark.slow
def test_a_server_that_comes_back_is_used_again(store, plan, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "RETRY", 0.5)
    said, port = [], free_port()
    live = Live(plan, store, f"http://127.0.0.1:{port}", say=said.append)
    first, second = plan.all_trials
    hear(live, store, life(first))
    assert eventually(lambda: len(said) == 1)
    with mlflow_server(tmp_path, port) as uri:
        time.sleep(0.6)
        events = list(life(second))
        hear(live, store, events)
        live.stop(120)
        assert runs(store, uri=uri)[second.id].info.status == "FINISHED"
        assert publish(plan.outline(), store, "small", uri=uri) == Published(created=1, skipped=1)
    assert len(said) == 1


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_corrupt_store_is_one_warning(store, plan, content):
    (store.place.path / "mlflow.db").write_bytes(content)
    said = []
    live = Live(plan, store, say=said.append)
    hear(live, store, chain.from_iterable(life(trial) for trial in plan.all_trials))
    live.stop(30)
    assert len(said) == 1
    assert "is not a database that MLflow can read" in said[0]


def test_keys_and_points_stay_within_the_budget_however_much_is_told(store, plan, monkeypatch):
    monkeypatch.setattr(module, "ROOM", 10**6)
    trial = plan.all_trials[0]
    live = Live(plan, store)
    live(TrialStarted(trial, "compare", 0, trial.cell.experiment.options()))
    for epoch in range(1, 3001):
        scores = {"valid.acc": 0.5, "train.loss": 1.0, "lr": 0.1}
        live(EpochDone(trial, epoch, 3000, epoch, scores))
        layers = range(80 if epoch == 1 else 1)
        live(Measured(trial, tuple((f"grad/layers.{layer}", epoch, 1.0) for layer in layers)))
    live.stop(120)
    run = runs(store)[trial.id]
    assert len(run.data.metrics) <= KEYS
    assert {"valid/acc", "train/loss", "lr", "grad/layers.0"} <= set(run.data.metrics)
    told = steps(store, run, "valid/acc")
    assert 0.7 * POINTS <= len(told) <= POINTS
    assert {1, 3000} <= set(told)
    assert len(steps(store, run, "grad/layers.0")) <= POINTS


def test_a_flood_thins_the_curves_and_the_end_of_the_trial_fills_them_in(store, plan, monkeypatch):
    monkeypatch.setattr(module, "ROOM", 4)
    trial = plan.all_trials[0]
    live = Live(plan, store)
    hear(live, store, life(trial))
    assert live.stop(30)
    assert steps(store, runs(store)[trial.id], "valid/acc") == list(range(1, EPOCHS + 1))


def test_hearing_an_event_takes_microseconds(store, plan):
    live = Live(plan, store)
    trial = plan.all_trials[0]
    event = EpochDone(trial, 1, EPOCHS, 10, {"valid.acc": 0.5})
    hear(live, store, life(trial, until=1))
    started = time.thread_time()
    for _ in range(1000):
        live(event)
    assert time.thread_time() - started < 0.05
    live.stop(30)
