"""`lab run`: a plan is carried out while someone watches, on the terminal and in MLflow."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass

from lab.errors import LabError
from lab.plan.plan import Plan
from lab.records.store import Store
from lab.report.numbers import count
from lab.report.preview import search_trials, tuning_trials
from lab.run.deciding import decide, resumed, until_decided
from lab.run.events import Said
from lab.run.execute import Result, execute
from lab.run.live import Live
from lab.run.progress import display

MIRROR_PATIENCE = 20.0
"""Seconds that MLflow is given to take in the rest once the last trial has ended."""


@dataclass(frozen=True)
class Manner:
    """How a study is run."""

    jobs: int | None = None
    retry_failed: bool = False
    until_decided: bool = False
    max_seeds: int | None = None
    as_json: bool = False


def run_study(plan: Plan, store: Store, manner: Manner) -> int:
    """Run what is left of a plan, and further seeds where its claims ask for them; then say what is known."""
    if manner.jobs is not None and manner.jobs < 1:
        raise LabError(f"--jobs {manner.jobs}: at least one trial must run at a time")
    goes_on = manner.until_decided or manner.max_seeds is not None
    plan = resumed(until_decided(plan, store, manner.max_seeds) if goes_on else plan, store)

    is_mirrored = True

    def run(plan: Plan, says: str) -> Result:
        nonlocal is_mirrored
        result, arrived = _run(plan, store, manner, says=says)
        is_mirrored = is_mirrored and arrived
        return result

    result = decide(plan, store, run) if goes_on or plan.study.seeds.extend is not None else run(plan, "")
    _conclude(plan, store, result, is_mirrored=is_mirrored, as_json=manner.as_json)
    return result.exit_code


def _run(plan: Plan, store: Store, manner: Manner, *, says: str) -> tuple[Result, bool]:
    """Carry a plan out while someone watches; also whether MLflow took everything in."""
    to_do = pending(plan, store, retry_failed=manner.retry_failed)
    shown = display(plan, total=to_do, as_json=manner.as_json)
    with shown as hear:
        live = Live(plan, store, say=lambda text: hear(Said("warn", text)))
        if says:
            hear(Said("info", says))
        jobs = manner.jobs or default_jobs(plan)
        try:
            result = execute(plan, store, jobs=jobs, listeners=(hear, live), retry_failed=manner.retry_failed)
        finally:
            arrived = live.stop(MIRROR_PATIENCE)
    return result, arrived


def pending(plan: Plan, store: Store, *, retry_failed: bool = False) -> int:
    """Trials without a record in this study, or with a failed one to take up again; also what only a sampler knows."""
    done = set(store.trials(plan.name))
    if retry_failed:
        done -= {record.trial for record in store.records(plan.name) if record.is_failed}
    planned = {trial.id for trial in plan.all_trials}
    sampled = tuning_trials(plan) + search_trials(plan)
    return len(planned - done) + max(0, sampled - len(done - planned))


def default_jobs(plan: Plan) -> int:
    """As many trials at a time as there are cores to give one each, never more than there are trials."""
    return max(1, min(len(os.sched_getaffinity(0)), len(plan.all_trials) or 1))


def _conclude(plan: Plan, store: Store, result: Result, *, is_mirrored: bool, as_json: bool) -> None:
    """Say what is known, and bring it to wherever people look."""
    from lab.cli.reporting import keep_page, show, show_elsewhere, warned
    from lab.report.report import study_report

    if result.interrupted:
        sys.stderr.write("stopped; the same command again goes on where this one ended\n")
    elif result.stopped:
        sys.stderr.write(f"stopped: {result.stopped}\n")
    elif result.failed:
        sys.stderr.write(f"{count(result.failed, 'trial')} failed; --retry-failed takes them up again\n")
    report = study_report(store, plan.name)
    if not as_json:
        show(store, [report])
    else:
        sys.stdout.write(json.dumps({"event": "finished", **asdict(result)}) + "\n")
        warned("the page was not written", lambda: keep_page(store, [report]))
    if not result.interrupted:
        show_elsewhere(store, report, with_mlflow=is_mirrored)
