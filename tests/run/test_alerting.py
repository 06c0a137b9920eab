"""Alerts are told once a cell and rule, in one line that says what to do, and counted from then on."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from tiny_project import Tiny

from lab.plan.plan import Plan, Trial
from lab.records.record import Record
from lab.run.account import health_tags, verdict
from lab.run.alerting import told
from lab.run.events import Alerted
from lab.run.progress import JsonLines, PlainLines, Tally, summary
from lab.spec.rules import Finding

HIGH = Finding(
    "update_high", "weight matrices", 7, value=0.5, threshold=0.2, says="too high", means="The learning rate."
)
SPIKE = Finding("grad_spike", "__total__", 9, explained_by="update_high", says="a jump")


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Tiny(tmp_path).study("factors: {training.lr: [1e-2, 5.0]}\nseeds: 5\n")


def test_a_study_of_many_trials_is_not_flooded(plan: Plan) -> None:
    out, tally = io.StringIO(), Tally(plan, 10)
    with PlainLines(tally, out) as hear:
        for trial in plan.all_trials:
            hear(Alerted(trial, HIGH))
            hear(Alerted(trial, SPIKE))
    lines = out.getvalue().splitlines()
    assert len(lines) == 2, "one for each cell, and none for what is explained"
    assert lines[0].startswith(
        "alert: the base · seed 0, step 7: update_high in weight matrices: too high (0.5, threshold"
    )
    assert "alerts: update_high in 10" in summary(tally)


def test_a_line_says_where_when_why_and_what_to_try() -> None:
    grave = Finding(
        "nonfinite", "layers.0", 3, "fatal", math.nan, says="not finite", means="NaN was fed.", remedy="Replay."
    )
    assert told(grave) == "step 3: nonfinite in layers.0: not finite (nan). Likely: NaN was fed. Try: replay."


def test_a_script_reads_every_alert_as_json(plan: Plan) -> None:
    out = io.StringIO()
    with JsonLines(Tally(plan, 10), out) as hear:
        hear(Alerted(Trial(plan.reference, 0), Finding("nonfinite", "loss", 3, "fatal", value=math.nan)))
    (said,) = map(json.loads, out.getvalue().splitlines())
    assert (said["event"], said["rule"], said["step"], said["value"]) == ("alert", "nonfinite", 3, "nan")


def test_the_tags_of_a_run_name_causes_and_not_their_symptoms() -> None:
    assert health_tags([SPIKE, HIGH], is_failed=False) == {
        "lab.health": "warn",
        "lab.alerts": "update_high",
        "lab.first_alert_step": "7",
    }
    assert health_tags([], is_failed=False) == {"lab.health": "ok", "lab.alerts": "none"}
    record = Record("t-0", "t", "s", "done", 0, findings=(Finding("masked_row", "a", 2, "fatal"),))
    assert verdict(record)["lab.health"] == "broken"
