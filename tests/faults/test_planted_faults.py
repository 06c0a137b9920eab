"""Six planted faults are named, and a healthy run is left in peace: the benchmark of faults, in small."""

from dataclasses import replace

import pytest

from benchmarks.faults.__main__ import cases
from benchmarks.faults.cases import Case
from benchmarks.faults.judging import LEVELS, at_level, judged
from benchmarks.faults.scoring import Verdict
from benchmarks.faults.training import Log, train
from lab.spec.change import change

pytestmark = [pytest.mark.torch, pytest.mark.slow]

EPOCHS = 4
SMOKE = (
    ("masked row", "transformer"),
    ("batch norm over padding", "gates"),
    ("double softmax", "gin"),
    ("no zero_grad", "gin"),
    ("detached after block 1", "transformer"),
    ("lr 0.3", "gin"),
)


@pytest.fixture(scope="module", autouse=True)
def data(tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def short(name: str, host: str) -> Case:
    case = next(case for case in cases([name]) if (case.name, case.host) == (name, host))
    return replace(case, experiment=change(case.experiment, {"training.epochs": EPOCHS}))


@pytest.mark.parametrize(("name", "host"), SMOKE)
def test_the_rule_that_names_a_planted_fault_is_in_the_headline(name: str, host: str) -> None:
    case = short(name, host)
    verdict = judged(case, 0, train(case, 0))
    assert verdict.right
    assert set(verdict.rules) <= case.accepts


@pytest.fixture(scope="module")
def healthy() -> tuple[Case, Log]:
    case = short("as it is", "transformer")
    return case, train(case, 0)


@pytest.mark.parametrize("level", LEVELS)
def test_a_healthy_run_is_left_in_peace_at_every_level(healthy: tuple[Case, Log], level: str) -> None:
    case, log = healthy
    assert log.steps == 20 * EPOCHS
    assert judged(case, 0, log, level).rules == ()


def test_lower_levels_leave_fewer_readings(healthy: tuple[Case, Log]) -> None:
    rows = [at_level(healthy[1].readings, level).num_rows for level in LEVELS]
    assert rows == sorted(rows)
    assert len(set(rows)) == len(rows)


def test_a_log_comes_back_as_it_was_kept(healthy: tuple[Case, Log], tmp_path) -> None:
    case, log = healthy
    log.write(tmp_path / "log.parquet")
    kept = Log.read(tmp_path / "log.parquet")
    assert (kept.steps, kept.status, kept.matrices) == (log.steps, log.status, log.matrices)
    assert kept.readings.num_rows == log.readings.num_rows
    assert judged(case, 0, kept) == judged(case, 0, log)


def test_every_case_has_a_name_of_its_own_in_its_host() -> None:
    keys = [(case.name, case.host, case.group) for case in cases()]
    assert len(set(keys)) == len(keys)


def test_a_score_counts_rules_and_not_their_scopes() -> None:
    from benchmarks.faults.scoring import score
    from lab.spec.rules import Finding

    sick, sound = short("no zero_grad", "gin"), short("as it is", "transformer")
    found = [Finding("stale_grad", scope, 10) for scope in ("a", "b")]
    noise = [Finding("seesaw", "0", 40), Finding("divergence", "loss", 9, explained_by="stale_grad")]
    told = [
        Verdict.of(sick, 1, steps=100, accuracy=0.5, findings=found + noise),
        Verdict.of(sick, 2, steps=100, accuracy=0.5, findings=noise),
        Verdict.of(sound, 1, steps=400, accuracy=0.9, findings=[Finding("seesaw", "0", 7, "info")]),
        Verdict.of(sound, 2, steps=100, accuracy=0.9, findings=noise),
    ]
    assert told[0].detected == 10
    assert told[0].rules == ("stale_grad", "seesaw")
    counted = score(told)
    assert (counted.recall, counted.precision) == (1 / 2, 1 / 3)
    assert (counted.healthy, counted.alarmed, counted.per_thousand) == (2, 1, 2.0)
