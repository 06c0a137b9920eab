"""MLflow's sqlite store: made whole or not at all."""

import subprocess
import sys
import time

import pytest

from lab.run.tracking import Tracker, address

pytestmark = pytest.mark.slow

OPEN = "from lab.run.tracking import Tracker, address; import sys; Tracker(address(sys.argv[1]))"


def test_a_kill_while_the_first_tables_are_made_leaves_no_half_made_store(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)])
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob(".mlflow.db-*/mlflow.db")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child.kill()
    child.wait()
    assert not (tmp_path / "mlflow.db").exists()
    tracker = Tracker(address(tmp_path))
    assert tracker.experiment("after", {})[1]


def test_two_processes_that_start_at_once_share_one_store(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)], stderr=subprocess.PIPE) for _ in range(2)]
    assert [(child.wait(), child.stderr.read()) for child in children] == [(0, b"")] * 2
    assert Tracker(address(tmp_path)).experiment("shared", {})[1]
