"""What a record says about where it comes from."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lab.run.origin import LONGEST_DIFF, origin
from lab.spec.study import Capture

EVERYTHING = Capture()


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    said = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return said.stdout


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "model.py").write_text("depth = 1\n")
    (tmp_path / ".gitignore").write_text("mlruns/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_clean_repository_is_its_commit(repository):
    (repository / "mlruns").mkdir()
    (repository / "mlruns" / "record.json").write_text("{}")
    told = origin(repository, EVERYTHING)
    assert told.commit == git(repository, "rev-parse", "HEAD").strip()
    assert (told.dirty, told.diff) == (False, "")


def test_an_uncommitted_change_comes_back_with_git_apply_new_source_files_included(repository, tmp_path_factory):
    (repository / "model.py").write_text("depth = 2\n")
    (repository / "inner").mkdir()
    (repository / "inner" / "own model.py").write_text("width = 3\n")
    (repository / "weights.bin").write_bytes(bytes(1000))
    told = origin(repository, EVERYTHING)
    assert told.dirty
    assert "weights.bin" not in told.diff
    fresh = tmp_path_factory.mktemp("fresh") / "clone"
    git(repository, "clone", "-q", str(repository), str(fresh))
    (fresh / "changes.diff").write_text(told.diff)
    git(fresh, "apply", "changes.diff")
    assert (fresh / "model.py").read_text() == "depth = 2\n"
    assert (fresh / "inner" / "own model.py").read_text() == "width = 3\n"


def test_a_huge_change_is_cut_and_says_so(repository):
    (repository / "model.py").write_text("x = 1\n" * 400_000)
    told = origin(repository, EVERYTHING)
    assert LONGEST_DIFF < len(told.diff) < LONGEST_DIFF + 100
    assert told.diff.endswith("more characters\n")


def test_a_subfolder_knows_its_repository(repository):
    (repository / "inner").mkdir()
    assert origin(repository / "inner", EVERYTHING).commit


def test_outside_a_repository_there_is_no_commit(tmp_path):
    told = origin(tmp_path, EVERYTHING)
    assert (told.commit, told.dirty, told.diff) == ("", False, "")


def test_without_git_there_is_no_commit(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert origin(repository, EVERYTHING).commit == ""


def test_capture_decides_what_is_kept(repository):
    (repository / "model.py").write_text("depth = 2\n")
    commit = origin(repository, Capture(git="commit"))
    assert commit.commit
    assert commit.dirty
    assert commit.diff == ""
    assert origin(repository, Capture(git="off")).commit == ""
    assert origin(repository, Capture(data="off"), data="abc").data == ""
    assert origin(repository, EVERYTHING, data="abc").data == "abc"
    lock, few = (origin(repository, Capture(env=env)).versions for env in ("lock", "off"))
    assert {"python", "torch", "mlflow"} <= set(few)
    assert len(lock) > len(few)
    assert lock["pydantic"].count(".") == 2


def test_it_tells_the_machine_the_command_and_the_moment(tmp_path):
    told = origin(tmp_path, EVERYTHING, device="cpu", threads=2, command="lab run x.yaml")
    assert (told.device, told.threads, told.command) == ("cpu", 2, "lab run x.yaml")
    assert told.host
    assert abs((datetime.now(UTC) - datetime.fromisoformat(told.started)).total_seconds()) < 60


def test_it_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from pathlib import Path; from lab.run.origin import origin; from lab.spec.study import Capture; "
        "origin(Path('.'), Capture()); print([m for m in ('torch', 'mlflow', 'optuna', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
