"""From a log to a verdict: all rules over the readings, or over those that a lower level of probes would have left."""

from __future__ import annotations

from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.faults.cases import Case
from benchmarks.faults.scoring import Verdict
from benchmarks.faults.training import Log
from lab.records.judge import judge

Level = Literal["light", "normal", "full"]
LEVELS: tuple[Level, ...] = get_args(Level)
LIGHT = ("gradients", "inputs", "evaluation")
EARLY, EVERY = 20, 10
"""Activations are read at each of the first steps and then now and then, unless all is."""


def at_level(readings: pa.Table, level: Level) -> pa.Table:
    """The rows that this level of probes would have left."""
    if level == "full":
        return readings
    light = pc.is_in(readings["probe"].cast("string"), pa.array(LIGHT))
    if level == "light":
        return readings.filter(light)
    steps = readings["step"].to_numpy()
    due = pa.array((steps < EARLY) | (steps % EVERY == 0))
    each_epoch = pc.equal(readings["probe"].cast("string"), "padding")
    return readings.filter(pc.or_(pc.or_(light, each_epoch), due))


def judged(case: Case, seed: int, log: Log, level: Level = "full") -> Verdict:
    """What the rules say of a run."""
    findings = judge(case.experiment.rules, at_level(log.readings, level))
    return Verdict.of(case, seed, steps=log.steps, accuracy=log.accuracy, findings=findings)
