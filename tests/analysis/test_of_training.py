"""Curves, maps of gradients, margins and fronts are those of what was written down."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from planted import Planted
from scipy import stats

from lab.analysis.cells import rank
from lab.analysis.costs import fronts
from lab.analysis.curves import MOST_POINTS, curve
from lab.analysis.heat import block_of, heat
from lab.analysis.margins import margins
from lab.analysis.rows import gather
from lab.analysis.table import table_of
from lab.records.store import Store


def planted(root: Path, seeds: int = 3, **levels: list[object]) -> Planted:
    return Planted(Store(root), levels or {"a": [1, 2]}, seeds=seeds)


def readings(steps: list[int], values: dict[str, list[float]]) -> pa.Table:
    names = list(values)
    rows = [(step, name, values[name][place]) for place, step in enumerate(steps) for name in names]
    return pa.table(
        {
            "step": pa.array([step for step, _, _ in rows], pa.int32()),
            "name": pa.array([name for _, name, _ in rows]),
            "weight_norm": pa.array([1.0] * len(rows), pa.float32()),
            "update_norm": pa.array([value for _, _, value in rows], pa.float32()),
        }
    )


def test_a_curve_is_the_mean_over_seeds_with_its_t_interval(tmp_path):
    study = planted(tmp_path)
    values = np.array([[0.1, 0.5], [0.2, 0.7], [0.4, 0.9]])
    for seed, row in enumerate(values):
        study.score(study.ids[0], seed, 0, history={"valid.acc": tuple(row)})
    told = curve(study.store, gather(study.store, "planted").rows, study.ids[0], "valid.acc")
    low, high = stats.t.interval(0.95, 2, values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(3))
    assert told.epochs == (1, 2)
    assert told.mean == pytest.approx(values.mean(axis=0))
    assert told.low == pytest.approx(low)
    assert told.high == pytest.approx(high)


def test_runs_of_different_lengths_count_where_they_are(tmp_path):
    study = planted(tmp_path)
    for seed, row in enumerate([(0.1,), (0.3, 0.5, math.nan), (0.2, 0.7)]):
        study.score(study.ids[0], seed, 0, history={"valid.acc": row})
    told = curve(study.store, gather(study.store, "planted").rows, study.ids[0], "valid.acc")
    assert told.seeds == (3, 2, 0)
    assert told.mean[:2] == pytest.approx((0.2, 0.6))
    assert math.isnan(told.mean[2])


def test_long_runs_are_thinned_and_end_where_they_ended(tmp_path):
    study = planted(tmp_path)
    study.score(study.ids[0], 0, 0, history={"valid.acc": tuple(map(float, range(1001)))})
    told = curve(study.store, gather(study.store, "planted").rows, study.ids[0], "valid.acc")
    assert len(told.epochs) <= MOST_POINTS + 1
    assert (told.epochs[0], told.epochs[-1], told.mean[-1]) == (1, 1001, 1000)
    assert math.isnan(told.low[0])


def test_failed_trials_and_unknown_scores_have_no_curve(tmp_path):
    study = planted(tmp_path)
    study.score(study.ids[0], 0, 0.5, status="diverged")
    rows = gather(study.store, "planted").rows
    assert curve(study.store, rows, study.ids[0], "valid.acc") is None
    assert curve(study.store, rows, study.ids[1], "valid.nothing") is None


def test_a_map_divides_norms_of_blocks_in_the_order_of_the_model(tmp_path):
    study = planted(tmp_path)
    study.score(study.ids[0], 0, 0.5)
    record = study.store.read(f"{study.ids[0]}-0")
    told = {"embed.weight": [0.1, 0.1], "layers.0.a": [0.03, 0.3], "layers.0.b": [0.04, 0.4], "zeta": [0.0, 0.001]}
    study.store.write(record, readings([0, 1], told))
    made = heat(study.store, gather(study.store, "planted").rows, study.ids[0])
    assert made.blocks == ("embed", "layers.0", "zeta")
    assert made.steps == (0, 1)
    root = math.log10(0.05 / math.sqrt(2))
    assert made.values[:2] == pytest.approx(np.array([[-1, -1], [root, root + 1]]), abs=1e-5)
    assert math.isnan(made.values[2, 0])
    assert made.values[2, 1] == pytest.approx(-3, abs=1e-5)


def test_a_window_that_was_thinned_stands_for_all_its_steps(tmp_path):
    study = planted(tmp_path)
    study.score(study.ids[0], 0, 0.5)
    steps = [*range(40), 40, 90, 140, 190]
    values = [0.1] * 40 + [0.01, 0.001, 0.0001, 0.1]
    study.store.write(study.store.read(f"{study.ids[0]}-0"), readings(steps, {"w": values}))
    made = heat(study.store, gather(study.store, "planted").rows, study.ids[0])
    at = dict(zip(made.steps, made.values[0], strict=True))
    assert not np.isnan(made.values).any()
    assert [at[max(step for step in at if step <= when)] for when in (50, 100, 160)] == pytest.approx(
        [-2, -3, -4], abs=1e-5
    )


def test_a_map_is_the_middle_of_the_seeds(tmp_path):
    study = planted(tmp_path)
    for seed, value in enumerate((0.1, 0.01, 0.001)):
        study.score(study.ids[0], seed, 0.5)
        study.store.write(study.store.read(f"{study.ids[0]}-{seed}"), readings([0], {"w": [value]}))
    made = heat(study.store, gather(study.store, "planted").rows, study.ids[0])
    assert made.values == pytest.approx(np.array([[-2.0]]), abs=1e-5)


def test_cells_without_readings_have_no_map(tmp_path):
    study = planted(tmp_path)
    study.score(study.ids[0], 0, 0.5)
    study.store.write(study.store.read(f"{study.ids[0]}-0"), pa.table({"step": [1], "name": ["w"], "loss": [0.5]}))
    rows = gather(study.store, "planted").rows
    assert heat(study.store, rows, study.ids[0]) is None
    assert heat(study.store, rows, study.ids[1]) is None


def test_blocks_are_numbered_layers_or_first_words():
    told = ("layers.3.norm.weight", "head.weight", "bias", "encoder.layers.2.w")
    assert [block_of(name) for name in told] == ["layers.3", "head", "bias", "encoder.layers.2"]


def test_margins_average_cells_that_are_equal_in_all_else(tmp_path):
    study = planted(tmp_path, a=[1, 2], b=[1, 2], c=[1, 2])
    for cell, levels in study.cells.items():
        for seed in range(3):
            study.score(cell, seed, levels["a"] + 10 * levels["b"] + 100 * levels["c"] + seed)
    results = gather(study.store, "planted")
    told = margins(table_of(results.rows, results.outline), "a", "b")
    assert told.cells == 2
    assert [[each.mean for each in row] for row in told.scores] == pytest.approx(np.array([[162, 172], [163, 173]]))


def test_margins_need_every_combination_and_common_seeds(tmp_path):
    study = planted(tmp_path, seeds=2, a=[1, 2], b=[1, 2])
    for number, cell in enumerate(study.ids[:3]):
        study.score(cell, number % 2, 0.5)
    results = gather(study.store, "planted")
    assert margins(table_of(results.rows, results.outline), "a", "b") is None
    study.score(study.ids[3], 0, 0.5)
    results = gather(study.store, "planted")
    assert margins(table_of(results.rows, results.outline), "a", "b") is None


@pytest.mark.parametrize("goal", ["max", "min"])
def test_the_front_is_what_nothing_beats_on_both(tmp_path, goal):
    score = {"name": "valid.acc", "goal": goal, "at": "last_epoch"}
    study = Planted(Store(tmp_path), {"a": [1, 2, 3, 4]}, seeds=1, score=score)
    sign = 1 if goal == "max" else -1
    for cell, cost, value in zip(study.ids, (4, 1, 2, 3), (0.9, 0.5, 0.4, 0.8), strict=True):
        study.score(cell, 0, sign * value, scores={"cost.seconds": cost})
    results = gather(study.store, "planted")
    (front,) = fronts(results.rows, rank(results.rows, results.outline).cells, sign=sign)
    assert [(point.cost, point.is_front) for point in front.points] == [(1, True), (2, False), (3, True), (4, True)]
    assert front.tells
