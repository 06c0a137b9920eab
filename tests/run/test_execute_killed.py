"""Killed, interrupted or shared: nothing finished is lost, nothing is done twice, and scores stay what they were."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import psutil
import pytest
from tiny_project import EXPERIMENT, SLOW, Tiny, kill, until, workers_of

from lab.plan.plan import Plan
from lab.run.claims import Claims
from lab.run.optuna_storage import open_storage

pytestmark = [pytest.mark.torch, pytest.mark.slow]

PAIR = "factors: {model.residual: all}\nseeds: 1\n"


def checkpoints(tiny: Tiny) -> list[str]:
    return [place.parent.name for place in (tiny.root / "mlruns" / "checkpoints").glob("*/checkpoint.json")]


def epoch_of(tiny: Tiny, trial: str) -> int:
    """The epoch that a trial's checkpoint stands at; a large one when the trial is done."""
    place = tiny.root / "mlruns" / "checkpoints" / trial / "checkpoint.json"
    return int(json.loads(place.read_text())["said"]["progress"]["epoch"]) if place.exists() else 1000


def states(tiny: Tiny, plan: Plan) -> Counter[str]:
    """What Optuna shows of a plan."""
    storage = open_storage(tiny.root / "mlruns")
    shown = storage.get_all_trials(storage.get_study_id_from_name(plan.name))
    return Counter(trial.state.name for trial in shown)


def outcomes(tiny: Tiny, plan: Plan) -> dict[str, tuple[str, Mapping[str, tuple[float, ...]], dict[str, float]]]:
    """Everything that must come out the same: what a run costs may differ."""
    records = {record.trial: record for record in tiny.store.records(plan.name)}
    return {
        trial.id: (
            records[trial.id].status,
            records[trial.id].history,
            {name: score for name, score in records[trial.id].scores.items() if not name.startswith("cost.")},
        )
        for trial in plan.all_trials
    }


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def test_a_run_and_then_a_worker_are_killed_and_the_scores_are_those_of_an_uninterrupted_run(tiny: Tiny) -> None:
    plan = tiny.study(PAIR, experiment=SLOW)
    first = tiny.start(plan, jobs=2)
    until(lambda: len(checkpoints(tiny)) == 2)
    orphans = workers_of(first)
    kill(first.pid)
    first.join()
    until(lambda: all(map(gone, orphans)), 60)
    left_at = {trial: epoch_of(tiny, trial) for trial in checkpoints(tiny)}

    second = tiny.start(plan, jobs=2)
    until(lambda: all(epoch_of(tiny, trial) > epoch for trial, epoch in left_at.items()))
    kill(workers_of(second)[0])
    second.join(300)
    assert second.exitcode == 0
    assert checkpoints(tiny) == []
    assert states(tiny, plan) == {"COMPLETE": 2}

    whole = Tiny(tiny.root / "whole")
    assert whole.run(plan, jobs=2).done == 2
    assert outcomes(tiny, plan) == outcomes(whole, plan)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_cleanly_and_goes_on_later(tiny: Tiny, number: signal.Signals) -> None:
    plan = tiny.study("factors: {model.residual: all}\nseeds: 2\n", experiment=SLOW.replace("40", "15"))
    process = tiny.start(plan, jobs=1)
    until(lambda: tiny.ran())
    assert process.pid is not None
    os.killpg(process.pid, number)
    process.join(300)
    assert process.exitcode in (130, 1) if number == signal.SIGTERM else process.exitcode == 130
    assert not list((tiny.root / "mlruns" / "claims").glob("*.json"))
    assert not list((tiny.root / "mlruns").rglob("*.part"))
    assert "RUNNING" not in states(tiny, plan)

    finished = tiny.ran()
    result = tiny.run(plan)
    assert result.done == 4
    assert not {trial for trial, _ in tiny.ended} & set(finished)


def test_several_runs_at_once_share_the_work_without_doing_a_trial_twice(tiny: Tiny) -> None:
    plan = tiny.study("factors: {model.residual: all, model.layers: [1, 2]}\nseeds: 6\n")
    runs = [tiny.start(plan) for _ in range(2)]
    for run in runs:
        run.join(300)
    assert [run.exitcode for run in runs] == [0, 0]
    assert sorted(tiny.ran()) == sorted(trial.id for trial in plan.all_trials)
    shares = [len(place.read_text().split()) for place in tiny.root.glob("ran-*")]
    assert min(shares) > 0, "both took part"
    assert states(tiny, plan) == {"COMPLETE": 24}


def test_a_run_takes_over_what_another_was_killed_at(tiny: Tiny) -> None:
    plan = tiny.study(PAIR, experiment=SLOW)
    first = tiny.start(plan, jobs=1)
    until(lambda: len(list((tiny.root / "mlruns" / "claims").glob("*-0.json"))) == 1)
    second = tiny.start(plan, jobs=1)
    until(lambda: len(list((tiny.root / "mlruns" / "claims").glob("*-0.json"))) == 2)
    kill(first.pid)
    first.join()
    second.join(300)
    assert second.exitcode == 0
    assert {record.status for record in tiny.store.records(plan.name)} == {"done"}
    assert len(tiny.ran()) == 2


def test_a_trial_held_by_a_living_process_is_left_to_it(tiny: Tiny) -> None:
    plan = tiny.study(PAIR, experiment=EXPERIMENT)
    held = plan.all_trials[0]
    with Claims(tiny.root / "mlruns" / "claims") as claims:
        claims.take(held.id)
        process = tiny.start(plan)
        until(lambda: tiny.ran())
        assert tiny.ran() == [plan.all_trials[1].id]
        record = next(iter(tiny.store.records(plan.name)))
        tiny.store.write(replace(record, trial=held.id, cell=held.cell.id))
        claims.release(held.id)
        process.join(300)
    assert process.exitcode == 0
    assert tiny.ran() == [plan.all_trials[1].id]
