"""Curves of the forward pass: few keys, one point an interval, and the same when told again from the table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_trial import GIN, TRANSFORMER, Diary, experiment, run

from lab.probes.curves import MOST_BLOCKS, MOST_CLASSES, Curves, joined
from lab.probes.retold import retold
from lab.probes.summary import MAX_BLOCKS
from lab.records.chunk import TOTAL, Chunk

pytestmark = pytest.mark.torch

ALERTS = 1
"""Keys that rules add."""
OF_GRADIENTS = 8


def chunk(probe: str, names: tuple[str, ...], statistic: str, steps: range) -> Chunk:
    at = np.array(steps, dtype=np.int32)
    values = np.tile(np.arange(1, len(names) + 1, dtype=np.float32), (len(at), 1, 1))
    return Chunk(probe, at, names, (statistic,), values)


def test_of_modules_the_blocks_have_a_curve_and_of_heads_their_mean() -> None:
    curves = Curves(10)
    told = dict[str, float]()
    modules = chunk("activations", ("layers.0", "layers.0.norm", "layers.1", "logits"), "std", range(1))
    heads = chunk("attention", ("layers.0.tap#0", "layers.0.tap#1", "layers.1.tap#0"), "n_eff", range(1))
    told |= {key: value for key, _, value in curves.points([modules, heads])}
    assert told == {
        "act_std/layers.0": 1.0,
        "act_std/layers.1": 3.0,
        "act_std/logits": 4.0,
        "n_eff/layers.0": 1.5,
        "n_eff/layers.1": 3.0,
    }


def test_a_key_has_one_point_an_interval_whatever_steps_are_read() -> None:
    curves, steps = Curves(10), []
    for start in range(3, 80, 7):
        steps += [
            step for _, step, _ in curves.points([chunk("noise", (TOTAL,), "noise_scale", range(start, start + 1))])
        ]
    assert [step // 10 for step in steps] == sorted({step // 10 for step in steps})


def test_the_deepest_model_keeps_to_the_keys_of_a_run() -> None:
    blocks = tuple(f"layers.{layer}" for layer in range(100))
    keys = Counter(
        key
        for key, *_ in Curves(1).points(
            [
                chunk("activations", blocks, "std", range(1)),
                chunk("activations", (TOTAL,), "depth_gain", range(1)),
                chunk(
                    "attention",
                    tuple(f"{block}.tap#{head}" for block in blocks for head in range(4)),
                    "n_eff",
                    range(1),
                ),
                chunk("noise", (TOTAL,), "noise_scale", range(1)),
                chunk("evaluation", tuple(map(str, range(40))), "recall", range(1)),
                chunk("evaluation", (TOTAL,), "loss_rel", range(1)),
            ]
        )
    )
    assert set(keys.values()) == {1}
    assert len(keys) == 2 * MOST_BLOCKS + MOST_CLASSES + 3
    assert len(keys) + 2 * MAX_BLOCKS + OF_GRADIENTS + ALERTS <= 64


def test_neighbours_are_joined_in_order() -> None:
    assert joined(["a", "b", "c", "d", "e"], 2) == {"a-c": ["a", "b", "c"], "d-e": ["d", "e"]}
    assert joined(["a"], 2) == {"a": ["a"]}
    assert joined([], 2) == {}


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
def test_every_point_that_was_shown_live_is_told_again_from_the_stored_table(
    model: dict[str, object], tmp_path: Path
) -> None:
    diary = Diary()
    outcome = run(experiment(model, training={"epochs": 5, "accumulate": 2}, probes="full"), diary=diary)
    pq.write_table(outcome.readings, tmp_path / "readings.parquet")
    again = {(key, step): value for key, step, value in retold(pq.read_table(tmp_path / "readings.parquet"))}
    shown = [point for point in diary.points if not point[0].startswith("health/alerts")]
    sections = {key.split("/")[0] for key, *_ in shown}
    assert {"health", "grad", "update", "act_std", "eval"} <= sections
    assert ("n_eff" in sections) == (model is TRANSFORMER)
    for key, step, value in shown:
        assert again[key, step] == pytest.approx(value, rel=1e-5), key
