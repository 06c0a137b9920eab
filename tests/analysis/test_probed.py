"""Readings become grids, maps, profiles and checks without losing a rare event or making one up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from probed_trials import BREAKS, EPOCH, FOUND, PARAMETERS, checkpointed, probed_study, rows, table

from lab.analysis.alerts import alerts
from lab.analysis.behind import behind
from lab.analysis.checks import checks, invariances
from lab.analysis.naming import Named
from lab.analysis.probed import RUNNING, Grid, Probed, probed
from lab.analysis.timeline import between, edges_of, map_of, profiles, thinned
from lab.errors import LabError
from lab.probes.readings import Readings
from lab.records.store import Store
from lab.spec.rules import Finding


def seen(**said: object) -> Probed:
    told = table(**said)  # type: ignore[arg-type]
    return Probed("a-0", "planted", "a", 0, "done", 540, told)


def grid(values: list[list[float]], steps: list[int]) -> Grid:
    told = np.array(values, dtype=float)
    return Grid(tuple(f"n{place}" for place in range(len(values))), np.array(steps), told, told, told)


def test_a_grid_has_the_names_of_the_model_in_order_and_every_step() -> None:
    told = seen().grid("gradients", "update_weight")
    assert told is not None
    assert told.names == PARAMETERS
    assert told.steps[:200].tolist() == list(range(200))
    assert told.steps[-1] == 539
    assert np.isfinite(told.values).all()


def test_a_window_is_framed_by_its_extremes() -> None:
    told = seen().grid("gradients", "grad_norm")
    assert told is not None
    late = told.steps >= 200
    assert (told.low[:-1, late] < told.values[:-1, late]).all()
    assert (told.values[:-1, late] < told.high[:-1, late]).all()
    assert np.array_equal(told.low[:, ~late], told.high[:, ~late])


def test_what_was_not_read_is_none() -> None:
    bare = seen(only_gradients=True)
    assert bare.grid("activations", "std") is None
    assert bare.grid("gradients", "nothing") is None
    assert bare.total("gradients", "loss") is not None
    assert checks(bare)
    assert Probed("a-0", "p", "", 0, "done", 0, None).grid("gradients", "grad_norm") is None


def test_blocks_join_the_matrices_below_them() -> None:
    told = seen().by_block("grad_norm")
    assert told is not None
    assert told.names == ("embed", "layers.0", "layers.1", "layers.2", "layers.3", "head")
    whole = seen().grid("gradients", "grad_norm")
    own = [whole.names.index(f"layers.1.{part}.weight") for part in ("attention", "mlp")]
    assert np.allclose(told.values[2], np.sqrt(np.square(whole.values[own]).sum(axis=0)))


def test_promises_are_broken_at_the_step_that_broke_them_and_kept_elsewhere() -> None:
    broken = {check.promise.statistic: check for check in checks(seen(is_broken=True)) if not check.is_kept}
    assert set(broken) == {"inv_pad", "inv_pad_train", "mask_leak", "nonfinite"}
    assert (broken["inv_pad"].where, broken["inv_pad"].step) == ("layers.0", EPOCH - 1)
    assert broken["nonfinite"].step > BREAKS
    healthy = checks(seen())
    assert len(healthy) > 10
    assert all(check.is_kept for check in healthy)
    assert [each.block for each in invariances(seen())][-1] == "logits"


def test_a_rare_event_is_seen_in_a_map_of_the_worst() -> None:
    readings = Readings(exact=frozenset())
    told = np.zeros(1000)
    told[733] = 1.0
    readings.add(rows("gradients", np.arange(1000), {"w": {"nonfinite": told}}))
    side = Probed("a-0", "p", "a", 0, "done", 1000, readings.end())
    found = side.grid("gradients", "nonfinite")
    assert found is not None
    columns = map_of(found, edges_of(1000), worst=True)
    assert columns.values.max() == 1.0
    (check,) = [check for check in checks(side) if check.promise.statistic == "nonfinite"]
    assert not check.is_kept
    assert check.step == 700


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True), st.integers(1, 400))
def test_maps_and_thinned_lines_show_only_what_was_read(steps: list[int], most: int) -> None:
    ordered = sorted(steps)
    told = grid([[float(step) for step in ordered]], ordered)
    columns = map_of(told, edges_of(ordered[-1] + 1))
    shown = columns.values[np.isfinite(columns.values)]
    assert shown.size
    assert shown.min() >= ordered[0]
    assert (columns.values[0, -1], shown.max()) == (shown.max(), columns.values[0, -1])
    held = columns.values[0][np.isfinite(columns.values[0])]
    assert (held <= columns.edges[1:][np.isfinite(columns.values[0])]).all()
    fewer = thinned(told, most)
    assert len(fewer.steps) <= max(most, 1)
    assert np.nanmin(fewer.low) == ordered[0]
    assert np.nanmax(fewer.high) == ordered[-1]


def test_profiles_are_taken_from_the_start_to_the_end() -> None:
    told = profiles(grid([[float(step) for step in range(1000)]], list(range(1000))), 1000)
    assert [step for step, _ in told] == pytest.approx([12, 100, 300, 599, 986], abs=2)
    assert [values[0] for _, values in told] == pytest.approx([step for step, _ in told], abs=1)


def test_a_difference_is_over_the_names_and_the_times_that_both_have() -> None:
    one, other = seen(), seen(seed=1)
    same = between(*[one.grid("gradients", "grad_norm")] * 2)  # type: ignore[list-item]
    assert np.nanmax(np.abs(same.values)) == 0  # type: ignore[union-attr]
    told = between(one.grid("gradients", "grad_norm"), other.grid("gradients", "grad_norm"))  # type: ignore[arg-type]
    assert 0 < np.nanmax(np.abs(told.values)) < 2  # type: ignore[union-attr]
    assert between(grid([[1.0]], [0]), Grid(("other",), *(3 * [np.ones((1, 1))]), np.ones((1, 1)))) is None  # type: ignore[arg-type]


def test_symptoms_lie_under_the_end_of_their_chain_of_causes() -> None:
    chain = [
        Finding("update_high", "", 5, "warn"),
        Finding("grad_spike", "", 9, "fatal", explained_by="update_high"),
        Finding("seesaw", "", 40, "warn", explained_by="grad_spike"),
        Finding("no_gradient", "b", 22, "warn"),
        Finding("no_gradient", "a", 21, "warn"),
        Finding("alone", "", 3, "warn", explained_by="nobody"),
        Finding("remark", "", 1, "info"),
    ]
    told = alerts(chain)
    assert [alert.finding.rule for alert in told] == ["alone", "update_high", "no_gradient", "remark"]
    assert [alert.number for alert in told] == [1, 2, 3, 4]
    assert {each.finding.rule for each in told[1].symptoms} == {"grad_spike", "seesaw"}
    assert (told[2].finding.scope, [each.scope for each in told[2].elsewhere]) == ("a", ["b"])


def test_the_readings_behind_a_finding_are_those_its_rule_reads_around_its_step() -> None:
    side, update = seen(), seen().grid("gradients", "update_weight")
    assert update is not None
    loss = behind(side, Finding("initial_loss", "loss", 0))
    assert [step for step, _ in loss] == list(range(25))
    named = behind(side, Finding("dead_units", "layers.2.relu", 100))
    assert 0 < len(named) < 75
    assert named[0][1] == pytest.approx(0.1)
    matrices = [update.names.index(name) for name in update.names if name in side.matrices]
    middle = behind(side, Finding("update_high", "weight matrices", 120))
    assert (middle[0][0], middle[-1][0]) == (70, 144)
    assert middle[0][1] == pytest.approx(np.median(update.values[matrices, 70]))
    carried = Finding("update_high", "weight matrices", 120, evidence=((1, 2.0), (2, 3.0)))
    assert behind(side, carried) == carried.evidence
    assert behind(side, Finding("of_a_plugin", "x", 3)) == ()


def test_findings_that_explain_each_other_are_not_lost() -> None:
    ring = [Finding("a", "", 1, explained_by="b"), Finding("b", "", 2, explained_by="a")]
    told = alerts(ring)
    shown = [each.finding.rule for alert in told for each in (alert, *alert.symptoms)]
    assert sorted(shown) == ["a", "b"]


def test_a_trial_is_read_from_its_record(tmp_path: Path) -> None:
    study = probed_study(tmp_path)
    told = probed(study.store, Named(f"{study.ids[-1]}-0", "planted"))
    assert (told.label, told.seed, told.status, told.health, told.steps) == (
        "norm=batch, depth=4",
        0,
        "done",
        "broken",
        540,
    )
    assert told.findings == FOUND
    assert told.epoch_ends[-1] == 539


def test_a_trial_under_way_is_read_from_its_checkpoint(tmp_path: Path) -> None:
    study = probed_study(tmp_path)
    trial = f"{study.ids[0]}-7"
    with pytest.raises(LabError, match="nothing to look at yet"):
        probed(study.store, Named(trial, "planted"))
    found = Finding("update_high", "", 40, value=0.3, evidence=((39, 0.2), (40, 0.3)))
    checkpointed(tmp_path, trial, findings=(found, Finding("seesaw", "", 60, explained_by="")))
    told = probed(study.store, Named(trial, "planted"))
    assert (told.status, told.steps, told.label, told.is_running) == (RUNNING, 120, "the base", True)
    assert told.history["valid.acc"] == (0.5, 0.6)
    assert told.findings[0] == found
    assert (told.findings[1].explained_by, told.health) == ("update_high", "warn")
    grid_told = told.grid("gradients", "grad_norm")
    assert grid_told is not None
    assert len(grid_told.steps) == 120


def test_a_broken_checkpoint_is_nothing_to_look_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study = probed_study(tmp_path)
    trial = f"{study.ids[0]}-7"
    checkpointed(tmp_path, trial)
    (tmp_path / "checkpoints" / trial / "readings-1.parquet").write_bytes(b"torn")
    with pytest.raises(LabError, match="nothing to look at yet"):
        probed(Store(tmp_path), Named(trial, "planted"))
    assert "cannot be read" in caplog.text
