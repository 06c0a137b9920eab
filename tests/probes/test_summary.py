"""The curves a server is shown: few, of the right tensors, and within their budget of points."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lab.probes.gradients import STATISTICS
from lab.probes.layout import Layout
from lab.probes.summary import MAX_BLOCKS, MAX_POINTS, Point, Summary, block_of, blocks_of
from lab.records.chunk import TOTAL, TOTALS, Chunk

pytestmark = pytest.mark.torch

SHAPES = {"embedding.weight": (3, 4), "layers.0.a.weight": (4, 4), "layers.0.a.bias": (4,), "layers.1.a.weight": (4, 4)}


def layout(shapes: dict[str, tuple[int, ...]] = SHAPES) -> Layout:
    return Layout.of([(name, torch.nn.Parameter(torch.zeros(shape))) for name, shape in shapes.items()])


def readings(steps: range, gradient: list[float], **changes: list[float]) -> list[Chunk]:
    """Every reading alike: these gradient norms, weight norms of 1, updates of a hundredth of the gradient."""
    told = {name: np.zeros(len(gradient)) for name in STATISTICS}
    told |= {"grad_norm": np.array(gradient), "weight_norm": np.ones(len(gradient)), "grad_weight": np.array(gradient)}
    told |= {"update_norm": np.array(gradient) / 100, "update_weight": np.array(gradient) / 100}
    told |= {name: np.array(values) for name, values in changes.items()}
    one = np.stack([told[name] for name in STATISTICS]).astype(np.float32)
    at = np.array(steps, dtype=np.int32)
    totals = np.tile(np.array([0.7, 9.0, 0.5, 1e-3], np.float32)[None, :, None], (len(at), 1, 1))
    names = tuple(SHAPES) if len(gradient) == len(SHAPES) else tuple(map(str, range(len(gradient))))
    return [
        Chunk("gradients", at, names, STATISTICS, np.tile(one, (len(at), 1, 1))),
        Chunk("gradients", at, (TOTAL,), TOTALS, totals),
    ]


def summary(exempt: set[str] | None = None, planned: int = 100) -> Summary:
    return Summary(layout(), exempt=frozenset(exempt or ()), planned_steps=planned)


def at_zero(points: list[Point]) -> dict[str, float]:
    return {key: value for key, step, value in points if step == 0}


def test_quantiles_are_over_matrices_only() -> None:
    told = at_zero(summary().points(readings(range(1), [1.0, 2.0, 1000.0, 3.0])))
    assert told["health/grad_weight_p50"] == pytest.approx(2.0)
    assert told["health/grad_weight_p05"] == pytest.approx(1.1)
    assert told["health/grad_weight_p95"] == pytest.approx(2.9)
    assert told["health/update_weight_p50"] == pytest.approx(0.02)
    assert told["health/grad_norm"] == pytest.approx(9.0)
    assert told["health/clip_coef"] == pytest.approx(0.5)


def test_blocks_join_their_parameters() -> None:
    told = at_zero(summary().points(readings(range(1), [1.0, 3.0, 4.0, 2.0])))
    assert told["grad/layers.0"] == pytest.approx(5.0)
    assert told["update/layers.0"] == pytest.approx(0.05 / math.sqrt(2))
    assert {key for key in told if key.startswith("grad/")} == {"grad/embedding", "grad/layers.0", "grad/layers.1"}


def test_gradients_that_are_zero_by_construction_are_no_fault() -> None:
    chunks = readings(range(1), [1.0, 2.0, 0.0, 3.0])
    assert at_zero(summary().points(chunks))["health/zero_grad_tensors"] == 1
    assert at_zero(summary({"layers.0.a.bias"}).points(chunks))["health/zero_grad_tensors"] == 0


def test_a_bad_step_between_two_points_is_told_at_the_next_point() -> None:
    own = summary()
    told = own.points(readings(range(4), [1.0] * 4))
    told += own.points(readings(range(4, 5), [1.0] * 4, nonfinite=[0.0, 1.0, 1.0, 0.0]))
    told += own.points(readings(range(5, 25), [1.0] * 4))
    assert [value for key, _, value in told if key == "health/nonfinite_tensors"] == [0.0, 2.0, 0.0]


def test_what_is_not_finite_is_not_sent() -> None:
    told = summary().points(readings(range(1), [1.0, math.nan, 1.0, math.inf]))
    assert all(math.isfinite(value) for *_, value in told)


@pytest.mark.parametrize("planned", [1, 999, 10_001, 65_000])
def test_a_key_has_at_most_a_thousand_points_and_a_run_at_most_64_keys(planned: int) -> None:
    own, told = summary(planned=planned), Counter[str]()
    for start in range(0, planned, 64):
        told.update(key for key, *_ in own.points(readings(range(start, min(start + 64, planned)), [1.0] * 4)))
    assert max(told.values()) <= MAX_POINTS
    assert len(told) <= 64


def test_the_epoch_ratio_is_a_median_of_medians_and_starts_anew() -> None:
    own = summary()
    own.points(readings(range(3), [1.0, 2.0, 9.0, 3.0]))
    own.points(readings(range(3, 4), [7.0, 7.0, 7.0, 7.0]))
    assert own.epoch_ratio() == pytest.approx(2.0)
    assert math.isnan(own.epoch_ratio())


@given(st.lists(st.tuples(st.integers(0, 80), st.sampled_from("abc")), min_size=1, max_size=150))
def test_blocks_are_few_and_hold_every_parameter_once(parts: list[tuple[int, str]]) -> None:
    names = [f"layers.{layer}.{part}.weight" for layer, part in sorted(set(parts))]
    blocks = blocks_of(names)
    assert 1 <= len(blocks) <= MAX_BLOCKS
    assert sorted(place for members in blocks.values() for place in members) == list(range(len(names)))


@pytest.mark.parametrize(
    ("name", "block"),
    [("layers.3.norm.weight", "layers.3"), ("readout.bias", "readout"), ("stage.layers.10.epsilon", "stage.layers.10")],
)
def test_a_numbered_layer_is_a_block_and_so_is_every_other_part(name: str, block: str) -> None:
    assert block_of(name) == block
