"""The store finds what was written, by content, in any study, on a disk or behind a URL."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError
from lab.records.record import Record
from lab.records.store import Store


def record(trial: str = "0123456789ab-0", study: str = "s", **said: object) -> Record:
    cell, _, seed = trial.partition("-")
    return Record(trial, cell, study, "done", int(seed.partition("r")[0]), **said)  # type: ignore[arg-type]


READINGS = pa.table({"step": [1, 2], "name": ["w", "w"], "grad_norm": pa.array([0.5, 0.25], pa.float32())})


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "disk":
        return Store(tmp_path / "mlruns")
    return Store(f"memory://{tmp_path.name}/{os.getpid()}")


def test_what_was_written_is_read(store: Store) -> None:
    store.write(record(scores={"cost.params": 7.0}), READINGS)
    assert store.read("0123456789ab-0") == record(scores={"cost.params": 7.0})
    assert store.readings("0123456789ab-0").equals(READINGS)
    assert store.studies() == ["s"]


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert store.studies() == []
    assert store.read("0123456789ab-0") is None
    assert store.readings("0123456789ab-0") is None
    assert store.find(["0123456789ab-0"]) == {}
    assert list(store.records("s")) == []


def test_a_trial_is_found_in_another_study_but_first_in_its_own(store: Store) -> None:
    store.write(record(study="a"))
    assert store.find(["0123456789ab-0", "0123456789ab-1"], study="b") == {"0123456789ab-0": "a"}
    store.write(record(study="b"))
    assert store.find(["0123456789ab-0"], study="b") == {"0123456789ab-0": "b"}
    read = store.read("0123456789ab-0", study="b")
    assert read is not None
    assert read.study == "b"


def test_a_trial_set_aside_is_pending_and_its_attempts_are_kept(store: Store) -> None:
    for attempt in (1, 2):
        store.write(record(error=f"attempt {attempt}"), READINGS)
        store.set_aside("0123456789ab-0")
        assert store.find(["0123456789ab-0"]) == {}
        assert store.read("0123456789ab-0") is None
        assert store.readings("0123456789ab-0") is None
    kept = store.place.inner("records").inner("s").inner("attempts")
    assert sorted(kept.files()) == [f"0123456789ab-0.{n}.{end}" for n in (1, 2) for end in ("json", "parquet")]
    first = kept.read("0123456789ab-0.1.json")
    assert first is not None
    assert Record.from_json(first.decode()).error == "attempt 1"


def test_setting_aside_what_is_not_there_does_nothing(store: Store) -> None:
    store.write(record())
    store.set_aside("0123456789ab-9")
    assert store.find(["0123456789ab-0"]) == {"0123456789ab-0": "s"}


def test_a_plan_is_kept_beside_its_records(store: Store) -> None:
    store.write_plan({"name": "s", "trials": ["0123456789ab-0"]})
    assert store.read_plan("s")["trials"] == ["0123456789ab-0"]
    assert list(store.records("s")) == []


def test_an_unknown_study_is_a_mistake_with_the_nearest_name(store: Store) -> None:
    store.write_plan({"name": "norm_ablation", "trials": []})
    with pytest.raises(LabError, match="no study 'norm_ablatoin'") as caught:
        store.read_plan("norm_ablatoin")
    assert "did you mean 'norm_ablation'" in caught.value.hint


@pytest.mark.parametrize("rest", [b"", b"\0" * 400, b'{"trial": "0123456789ab-0", "ce'])
def test_a_record_cut_short_is_set_aside_with_a_warning(
    tmp_path: Path, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    store.write(record())
    store.write(record("0123456789ab-1"))
    (tmp_path / "records/s/0123456789ab-0.json").write_bytes(rest)
    with caplog.at_level(logging.WARNING):
        assert store.find(["0123456789ab-0", "0123456789ab-1"]) == {"0123456789ab-1": "s"}
    assert "0123456789ab-0.json is not a whole record" in caplog.text
    assert (tmp_path / "records/s/attempts/0123456789ab-0.1.json").read_bytes() == rest
    store.write(record())
    assert len(store.find(["0123456789ab-0", "0123456789ab-1"])) == 2


@pytest.mark.parametrize("text", ["{}", "[]", "null", '{"trial": "other"}', "}"])
def test_text_that_is_no_record_counts_as_pending(store: Store, text: str) -> None:
    store.place.inner("records").inner("s").write("0123456789ab-0.json", text.encode())
    assert store.read("0123456789ab-0") is None
    assert list(store.records("s")) == []
    assert store.find(["0123456789ab-0"]) == {}


def test_a_record_under_another_ones_name_is_not_taken_for_it(store: Store) -> None:
    store.place.inner("records").inner("s").write("0123456789ab-1.json", record().to_json().encode())
    assert store.read("0123456789ab-1") is None


@pytest.mark.parametrize("name", ["notes.json", "0123456789ab-0.json.bak", ".0123456789ab-0.json.1.part", "README"])
def test_a_foreign_file_is_left_alone(store: Store, name: str) -> None:
    folder = store.place.inner("records").inner("s")
    folder.write(name, b"not ours")
    assert list(store.records("s")) == []
    assert store.find(["0123456789ab-0"]) == {}
    assert folder.read(name) == b"not ours"


def test_broken_readings_do_not_hide_the_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record(), READINGS)
    (tmp_path / "records/s/0123456789ab-0.parquet").write_bytes(b"PAR1 half")
    assert store.readings("0123456789ab-0") is None
    assert store.read("0123456789ab-0") == record()


def test_a_name_that_is_no_trials_id_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="not a trial's id"):
        store.write(record("../../evil-0"))


def test_a_file_where_the_folder_should_be_is_told_with_place_and_mend(tmp_path: Path) -> None:
    (tmp_path / "mlruns").write_text("in the way")
    with pytest.raises(LabError, match="cannot write") as caught:
        Store(tmp_path / "mlruns").write(record())
    assert str(tmp_path) in caught.value.where.file
    assert "move it away" in caught.value.hint


LIMITED = """
import resource, signal, sys
from lab.errors import LabError
from lab.records.record import Record
from lab.records.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(sys.argv[1])
small = Record("0123456789ab-0", "0123456789ab", "s", "done", 0)
store.write(small)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    store.write(Record("0123456789ab-0", "0123456789ab", "s", "bug", 0, traceback="x" * 10_000))
except LabError as error:
    print(error)
assert store.read("0123456789ab-0") == small
"""


def test_a_disk_that_takes_no_more_leaves_the_old_record_and_no_litter(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "cannot write: File too large" in ended.stdout
    assert [file.name for file in (tmp_path / "records/s").iterdir()] == ["0123456789ab-0.json"]


WRITER = """
import sys
from lab.records.record import Record
from lab.records.store import Store
store = Store(sys.argv[1])
for _ in range(60):
    store.write(Record("0123456789ab-0", "0123456789ab", "s", "done", 0, error=sys.argv[2] * 50_000))
"""


def test_two_processes_that_write_one_trial_never_leave_a_half_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write(record(error="a" * 50_000))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), letter]) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        read = store.read("0123456789ab-0")
        assert read is not None
        assert len(read.error) == 50_000
        seen |= set(read.error)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen <= {"a", "b"}
    assert [file.name for file in (tmp_path / "records/s").iterdir()] == ["0123456789ab-0.json"]


trials = st.lists(st.integers(0, 30), max_size=8).map(lambda seeds: [f"0123456789ab-{seed}" for seed in seeds])


@settings(max_examples=30, deadline=None)
@given(written=trials, asked=trials, aside=trials)
def test_done_and_pending_are_all_there_is(written: list[str], asked: list[str], aside: list[str]) -> None:
    store = Store(f"memory://{os.urandom(8).hex()}")
    for trial in written:
        store.write(record(trial))
    for trial in aside:
        store.set_aside(trial)
    assert set(store.find(asked)) == (set(written) - set(aside)) & set(asked)
    assert [each.trial for each in store.records("s")] == sorted(set(written) - set(aside))


def test_the_store_loads_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from lab.records.store import Store; s = Store(sys.argv[1]); s.studies(); s.find(['a'])\n"
        "import json; print(json.dumps([m for m in sys.modules if m in "
        "('torch', 'mlflow', 'optuna', 'pandas', 'pyarrow', 'fsspec', 'torch_geometric')]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert json.loads(ended.stdout) == []
