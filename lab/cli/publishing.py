"""`lab publish`: every study's records, or one study's, brought to MLflow."""

from __future__ import annotations

import json
import sys

from lab.cli.reporting import show_elsewhere
from lab.errors import LabError, choose
from lab.records.store import Store
from lab.report.report import study_report
from lab.run.publish import publish


def publish_studies(store: Store, name: str | None, *, as_json: bool) -> int:
    """Publish one study or all of them and say what was created, mended and already there."""
    known = store.studies()
    if name is not None and name not in known:
        raise LabError(f"the store holds no study '{name}'", hint=choose(name, known))
    if not known:
        raise LabError("the store holds no study yet", hint="run one: lab run studies/norm_ablation.yaml")
    told = {}
    for study in [name] if name else known:
        done = publish(store.read_plan(study), store, study)
        show_elsewhere(store, study_report(store, study))
        told[study] = {"created": done.created, "updated": done.updated, "skipped": done.skipped}
        if not as_json:
            sys.stdout.write(
                f"{study}: {done.created} runs created, {done.updated} completed, {done.skipped} already there\n"
            )
    if as_json:
        sys.stdout.write(json.dumps(told) + "\n")
    return 0
