"""Both pages answer over a project's stores, and nothing of them outlives whoever started them."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from servers import answers, free_port
from small_study import filled_store, small_plan

from lab.errors import LabError
from lab.run import ui
from lab.run.publish import publish

SERVE = """
import sys
from lab.run.ui import serve
sys.exit(serve(sys.argv[1], mlflow_port=int(sys.argv[2]), optuna_port=int(sys.argv[3])))
"""
STUDY = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
optuna.create_study(study_name="small", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
"""


def fetch(page: str, body: dict | None = None) -> str:
    request = urllib.request.Request(page, headers={"Content-Type": "application/json"})
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(request, data, timeout=20) as answer:
        return answer.read().decode()


@pytest.fixture
def serve(tmp_path):
    """Starts `lab ui` in a process of its own, over a store that does not exist yet, and waits for what it says."""
    started = []

    def start(**settings: str) -> tuple[subprocess.Popen, tuple[int, int], list[str]]:
        ports = free_port(), free_port()
        command = [sys.executable, "-c", SERVE, str(tmp_path / "mlruns"), *map(str, ports)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | settings)
        started.append(process)
        return process, ports, [process.stdout.readline() for _ in range(3)]

    yield start
    for process in started:
        process.kill()
        process.wait()


def below(process: subprocess.Popen) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def all_gone(processes: list[psutil.Process], seconds: float = 60) -> bool:
    _, alive = psutil.wait_procs(processes, timeout=seconds)
    return not alive


@pytest.mark.slow
def test_both_pages_open_over_what_is_in_the_stores(tmp_path):
    plan = small_plan()
    store = filled_store(tmp_path / "mlruns", plan)
    publish(plan.outline(), store, "small")
    journal = str(tmp_path / "mlruns" / "optuna.journal")
    subprocess.run([sys.executable, "-c", STUDY, journal], check=True, capture_output=True)
    before = set(psutil.Process().children(recursive=True))
    with ui.opened(tmp_path / "mlruns", mlflow_port=free_port(), optuna_port=free_port()) as (pages, servers):
        assert "<title>MLflow</title>" in fetch(pages.mlflow)
        found = fetch(pages.mlflow + "api/2.0/mlflow/experiments/get-by-name?experiment_name=small")
        experiment = json.loads(found)["experiment"]["experiment_id"]
        search = {"experiment_ids": [experiment], "filter": "tags.`lab.role` = 'compare'"}
        runs = json.loads(fetch(pages.mlflow + "api/2.0/mlflow/runs/search", search))["runs"]
        assert len(runs) == len(plan.all_trials)
        run = runs[0]["info"]["run_id"]
        artifact = fetch(pages.mlflow + f"get-artifact?path=environment.txt&run_uuid={run}")
        assert "torch==2.13" in artifact
        assert "Optuna Dashboard" in fetch(pages.optuna)
        studies = json.loads(fetch(pages.optuna + "api/studies"))["study_summaries"]
        assert [study["study_name"] for study in studies] == ["small"]
        children = [each for each in psutil.Process().children(recursive=True) if each not in before]
        assert len(children) >= len(servers)
    assert all_gone(children)


@pytest.mark.slow
def test_an_empty_project_has_pages_too_and_ctrl_c_ends_both(serve):
    process, ports, said = serve()
    assert said == [f"MLflow  http://127.0.0.1:{ports[0]}/\n", f"Optuna  http://127.0.0.1:{ports[1]}/\n", said[2]]
    assert all(answers(f"http://127.0.0.1:{port}/") for port in ports)
    children = below(process)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert all_gone(children)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_servers_end_with_their_parent_however_it_ends(serve, number):
    process, ports, _ = serve(MLFLOW_TRACKING_URI="http://mlflow.example:5000")
    assert answers(f"http://127.0.0.1:{ports[1]}/")
    children = below(process)
    assert len(children) == 2
    process.send_signal(number)
    process.wait(20)
    assert all_gone(children)


def test_a_taken_port_that_was_asked_for_is_a_mistake(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(LabError, match=f"port {port} is taken"), ui.opened(tmp_path, optuna_port=port):
            pass
        with pytest.raises(LabError, match=f"port {port} is taken"), ui.opened(tmp_path, mlflow_port=port):
            pass


def test_what_is_no_port_is_a_mistake(tmp_path):
    with pytest.raises(LabError, match="70000 is not a port"), ui.opened(tmp_path, optuna_port=70000):
        pass


def test_the_usual_port_is_left_to_whoever_has_it(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        usual = taken.getsockname()[1]
        found = ui.free(None, usual, avoid=None)
    assert found != usual
    assert ui.free(None, usual, avoid=None) == usual
    assert ui.free(None, usual, avoid=usual) != usual


def test_a_foreign_database_is_told_before_anything_starts(tmp_path):
    (tmp_path / "mlflow.db").write_bytes(b"no database at all" * 100)
    before = psutil.Process().children()
    with pytest.raises(LabError, match="is not a database that MLflow can read"), ui.opened(tmp_path):
        pass
    assert psutil.Process().children() == before


def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="cannot be used"), ui.opened(tmp_path / "file" / "mlruns"):
        pass


def test_a_server_that_dies_says_its_last_words(tmp_path):
    (tmp_path / "optuna.journal").write_text("this is no journal\n" * 3)
    with pytest.raises(LabError, match=r"the Optuna dashboard on port \d+ ended") as told, ui.opened(tmp_path):
        pass
    assert "Optuna's storage cannot be opened" in str(told.value)
    assert "move it away" in str(told.value)


@pytest.mark.slow
def test_stores_elsewhere_are_shown_too_an_empty_database_of_optuna_included(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    monkeypatch.setenv("LAB_OPTUNA", f"sqlite:///{tmp_path}/optuna.db")
    with ui.opened(tmp_path, optuna_port=free_port()) as (pages, servers):
        assert pages.mlflow == "http://mlflow.example:5000"
        assert json.loads(fetch(pages.optuna + "api/studies"))["study_summaries"] == []
        assert len(servers) == 1


def test_a_tether_ends_a_command_and_what_it_started_when_its_input_closes(tmp_path):
    shell = f"sleep 1000 & echo $! > {tmp_path}/inner; trap '' TERM; wait"
    tether = subprocess.Popen([sys.executable, "-m", "lab.run.tether", "sh", "-c", shell], stdin=subprocess.PIPE)
    written = Path(tmp_path / "inner")
    end = time.monotonic() + 20
    while not (written.exists() and written.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.05)
    inner = int(written.read_text())
    assert psutil.pid_exists(inner)
    tether.stdin.close()
    tether.wait(20)
    assert not psutil.pid_exists(inner) or psutil.Process(inner).status() == psutil.STATUS_ZOMBIE
