"""What trials cost is learnt, kept and asked again; nothing is made up where nothing is known."""

from pathlib import Path

import pytest

from lab.plan.plan import Cell, Plan
from lab.records.record import Origin, Record
from lab.records.store import Store
from lab.records.timings import Timing, estimate, learn, load, save, timed
from lab.spec.datasets import Pattern
from lab.spec.design import Score
from lab.spec.experiment import Experiment, Training
from lab.spec.models.gin import Gin
from lab.spec.study import Seeds, Study

SMALL, LARGE = (
    Cell({"model.width": width}, Experiment(dataset=Pattern(), model=Gin(width=width), training=Training(epochs=10)))
    for width in (8, 16)
)


def plan(seeds: int = 2) -> Plan:
    study = Study(
        question="?", base="experiments/x.yaml", score=Score(name="valid.acc"), seeds=Seeds(values=tuple(range(seeds)))
    )
    return Plan("s", study, (SMALL, LARGE), SMALL)


def record(cell: Cell, seconds: float, status: str = "done", device: str = "cpu") -> Record:
    scores = {"cost.step_ms": 5.0}
    return Record(f"{cell.id}-0", cell.id, "s", status, 0, seconds=seconds, scores=scores, origin=Origin(device=device))  # type: ignore[arg-type]


def test_nothing_known_costs_nobody_knows_what() -> None:
    assert estimate(plan(), {}).seconds is None
    done = plan().without({trial.id for trial in plan().all_trials})
    assert estimate(done, {}).seconds == 0.0


def test_the_mean_of_what_was_seen_is_expected_again() -> None:
    known = learn({}, [record(SMALL, 10.0), record(SMALL, 20.0), record(LARGE, 40.0)])
    assert known[SMALL.id, "cpu"] == Timing(step_ms=5.0, seconds=15.0, trials=2)
    cost = estimate(plan(), known)
    assert (cost.seconds, cost.trials, cost.known) == (pytest.approx(110.0), 4, 4)


def test_an_unknown_cell_counts_as_the_average_of_the_known_ones() -> None:
    cost = estimate(plan(), learn({}, [record(SMALL, 10.0)]))
    assert (cost.seconds, cost.known) == (pytest.approx(40.0), 2)
    assert estimate(plan(), learn({}, [record(SMALL, 10.0)]), sampled=6).seconds == pytest.approx(100.0)


def test_done_trials_cost_nothing_more() -> None:
    rest = plan().without({f"{SMALL.id}-0", f"{LARGE.id}-0"})
    assert estimate(rest, learn({}, [record(SMALL, 10.0), record(LARGE, 30.0)])).seconds == pytest.approx(40.0)


def test_a_trial_that_ended_early_tells_nothing_of_a_whole_one() -> None:
    assert learn({}, [record(SMALL, 1.0, "diverged"), record(SMALL, 1.0, "pruned")]) == {}


def test_steps_stand_in_for_trials_until_one_is_seen() -> None:
    steps = timed({}, SMALL.id, "cpu", Timing(step_ms=100.0, epoch_steps=10))
    cost = estimate(plan(1), steps)
    assert cost.seconds == pytest.approx(2 * 10 * 1.5)  # 10 epochs of a second, and half as much again for scoring
    assert estimate(plan(1), learn(steps, [record(SMALL, 7.0)])).seconds == pytest.approx(14.0)


def test_another_device_does_not_count_when_one_is_named() -> None:
    known = learn({}, [record(SMALL, 10.0, device="gpu")])
    assert estimate(plan(), known, device="cpu").seconds is None
    assert estimate(plan(), known, device="gpu").seconds == pytest.approx(40.0)


def test_timings_are_kept_in_the_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert load(store) == {}
    known = learn({}, [record(SMALL, 10.0, device="NVIDIA H200 @ 1")])
    save(store, known)
    assert load(store) == known


@pytest.mark.parametrize("text", ["", "[]", "not json", '{"a@b": {"colour": 1}}', '{"a@b": 3}'])
def test_a_file_that_is_not_ours_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "timings.json").write_text(text)
    assert load(Store(tmp_path)) == {}
