"""Curves told again from stored readings are the curves that were shown while the trial ran."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lab.probes.readings import Readings
from lab.probes.retold import NEEDED, retold, with_matrices
from lab.probes.summary import MAX_POINTS, Summary
from lab.records.chunk import TOTAL, TOTALS, Chunk
from lab.records.judge import with_cancelled


@dataclass(frozen=True)
class Three:
    names: tuple[str, ...] = ("layers.0.weight", "layers.0.bias", "readout.weight")
    is_matrix: tuple[bool, ...] = (True, False, True)


def chunks(steps: int) -> list[Chunk]:
    draw = np.random.default_rng(0)
    at = np.arange(steps, dtype=np.int32)
    own = draw.uniform(0.1, 2, (steps, len(NEEDED), 3)).astype(np.float32)
    own[:, NEEDED.index("nonfinite")] = 0
    totals = draw.uniform(0.1, 2, (steps, len(TOTALS), 1)).astype(np.float32)
    return [Chunk("gradients", at, Three().names, NEEDED, own), Chunk("gradients", at, (TOTAL,), TOTALS, totals)]


def stored(told: list[Chunk], tmp_path, *, exempt: tuple[str, ...] = ()) -> pa.Table:
    """The readings as a store gives them back."""
    readings = Readings(exact=frozenset())
    for chunk in told:
        readings.add(chunk)
    table = with_matrices(with_cancelled(readings.end(), exempt), ["layers.0.weight", "readout.weight"])
    pq.write_table(table, tmp_path / "readings.parquet")
    return pq.read_table(tmp_path / "readings.parquet")


@pytest.mark.parametrize("exempt", [(), ("layers.0.bias",)])
def test_the_exact_part_is_told_alike(tmp_path, exempt):
    told = chunks(150)
    shown = Summary(Three(), exempt=frozenset(exempt), planned_steps=150).points(told)
    again = {(key, step): value for key, step, value in retold(stored(told, tmp_path, exempt=exempt))}
    assert shown
    for key, step, value in shown:
        assert again[key, step] == pytest.approx(value, rel=1e-5), key


def test_a_long_run_keeps_to_the_budget_and_loses_no_broken_tensor(tmp_path):
    told = chunks(90_000)
    told[0].values[77_777, NEEDED.index("nonfinite"), 1] = 1
    again = retold(stored(told, tmp_path))
    keys = {key for key, _, _ in again}
    assert {"health/grad_norm", "health/update_weight_p50", "grad/layers.0", "update/readout"} <= keys
    for key in keys - {"health/nonfinite_tensors"}:
        assert 0.4 * MAX_POINTS <= sum(own == key for own, _, _ in again) <= MAX_POINTS
    broken = [(step, value) for key, step, value in again if key == "health/nonfinite_tensors" and value]
    assert broken == [(77_750, 1.0)]


def test_other_tables_have_no_such_curves():
    assert retold(pa.table({"step": [1], "probe": ["mine"], "name": ["x"], "value": [0.5]})) == []


def test_it_needs_no_torch():
    code = "import sys, lab.probes.retold; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
