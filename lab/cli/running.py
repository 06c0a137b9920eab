"""`lab run`: a plan is carried out while someone watches, on the terminal and in MLflow."""

from __future__ import annotations

import os
import sys

from lab.errors import LabError
from lab.plan.plan import Plan
from lab.records.store import Store
from lab.report.preview import search_trials, tuning_trials
from lab.run.events import Said
from lab.run.execute import Result, execute
from lab.run.live import Live
from lab.run.progress import display

MIRROR_PATIENCE = 20.0
"""Seconds that MLflow is given to take in the rest once the last trial has ended."""


def run_study(plan: Plan, store: Store, *, jobs: int | None, retry_failed: bool, as_json: bool) -> int:
    """Run what is left of a plan, then say what is known."""
    if jobs is not None and jobs < 1:
        raise LabError(f"--jobs {jobs}: at least one trial must run at a time")
    shown = display(plan, total=pending(plan, store), as_json=as_json)
    with shown as hear:
        live = Live(plan, store, say=lambda text: hear(Said("warn", text)))
        listeners = (hear, live)
        try:
            result = execute(
                plan, store, jobs=jobs or default_jobs(plan), listeners=listeners, retry_failed=retry_failed
            )
        finally:
            live.stop(MIRROR_PATIENCE)
    if not as_json:
        _conclude(plan, store, result)
    return result.exit_code


def pending(plan: Plan, store: Store) -> int:
    """Trials without a record in this study, those that only a sampler knows included."""
    done = set(store.trials(plan.name))
    planned = {trial.id for trial in plan.all_trials}
    sampled = tuning_trials(plan) + search_trials(plan)
    return len(planned - done) + max(0, sampled - len(done - planned))


def default_jobs(plan: Plan) -> int:
    """As many trials at a time as there are cores to give one each, never more than there are trials."""
    return max(1, min(len(os.sched_getaffinity(0)), len(plan.all_trials) or 1))


def _conclude(plan: Plan, store: Store, result: Result) -> None:
    from lab.report.text import show_report

    if result.interrupted:
        sys.stderr.write("stopped; the same command again goes on where this one ended\n")
    elif result.stopped:
        sys.stderr.write(f"stopped: {result.stopped}\n")
    show_report(store, plan.name)
