"""The persistent block model is what its law says, its windows are apart, and its forecasts end where sums say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from lab.data.batch import Dataset
from lab.data.cache import content_hash
from lab.data.links.features import codes
from lab.data.links.frames import window_starts
from lab.data.links.lines import link_lines, of_order
from lab.data.links.psbm import sequences
from lab.exact.block_ceilings import ceilings
from lab.exact.block_process import PRESETS, BlockProcess
from lab.spec.datasets import PsbmLinks
from lab.testing import check_dataset

pytestmark = pytest.mark.torch

SMALL = {"train": 3, "valid": 2, "test": 2, "length": 24, "window": 3, "nodes": 12}
UPPER = np.triu_indices(30, 1)


def small(**options: object) -> PsbmLinks:
    return PsbmLinks.model_validate({**SMALL, **options})


@pytest.mark.parametrize("features", ["community6", "spectral6", "adjacency", "combined36"])
@pytest.mark.parametrize("split", ["by_sequence", "random_windows", "chronological_with_gap"])
def test_a_dataset_keeps_the_contract(features: str, split: str) -> None:
    check_dataset(small(features=features, split=split, length=32))


@pytest.mark.parametrize("preset", PRESETS)
def test_density_is_that_of_the_law(preset: str) -> None:
    spec = PsbmLinks(preset=preset, train=20, valid=1, test=1, length=40)
    process = spec.process()
    seen = sequences(spec, 1)[1][..., UPPER[0], UPPER[1]]
    wanted, kept = process.observed_density, process.persistence
    spread = np.sqrt(wanted * (1 - wanted) / seen.size * (1 + kept) / (1 - kept))
    assert seen.mean() == pytest.approx(wanted, abs=3 * spread)


@given(st.floats(0, 0.9), st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_a_pair_remembers_as_long_as_it_persists(persistence: float, seed: int) -> None:
    spec = PsbmLinks(preset="persistence", persistence=persistence, train=20, valid=1, test=1, length=40)
    seen = sequences(spec, seed)[1][..., UPPER[0], UPPER[1]].astype(float) - 0.15
    for lag in (1, 2, 3):
        told = (seen[:, lag:] * seen[:, :-lag]).mean() / (0.15 * 0.85)
        assert told == pytest.approx(persistence**lag, abs=0.05)


def oracle(process: BlockProcess, labels: NDArray[np.int64], seen: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The chance of an edge behind a window [windows, frames, pairs], by the forward filter with known labels."""
    between, within = process.rates
    rate = np.where(labels[:, UPPER[0]] == labels[:, UPPER[1]], within, between)
    belief = rate.copy()
    for frame in range(seen.shape[1]):
        there = np.where(seen[:, frame] > 0, 1 - process.flips, process.flips)
        belief = belief * there / (belief * there + (1 - belief) * (1 - there))
        belief = process.persistence * belief + (1 - process.persistence) * rate
    return belief * (1 - process.flips) + (1 - belief) * process.flips


@pytest.mark.parametrize("preset", ["default", "noisy", "hard"])
def test_who_knows_the_law_reaches_the_ceiling_and_not_more(preset: str) -> None:
    spec = PsbmLinks(preset=preset, train=40, valid=1, test=1, length=61)
    labels, graphs = sequences(spec, 0)
    pairs = graphs[..., UPPER[0], UPPER[1]]
    starts = range(0, 51, 5)
    windows = np.concatenate([pairs[:, first : first + 10] for first in starts])
    after = np.concatenate([pairs[:, first + 10] for first in starts]) > 0
    told = oracle(spec.process(), np.tile(labels[:, 0], (len(starts), 1)), windows)
    auc, ap = of_order(told, after)
    best = ceilings(spec.process(), 10)["full"]
    assert auc == pytest.approx(best.auc, abs=0.005)
    assert ap == pytest.approx(best.ap, abs=0.012)


def test_without_structure_and_memory_nothing_is_above_chance() -> None:
    lines = link_lines(PsbmLinks(preset="null", features="adjacency", train=10, valid=1, test=6, length=60).build(0))
    assert all(value == pytest.approx(0.5, abs=0.012) for name, value in lines.items() if name.startswith("test.auc"))


def test_a_logistic_regression_on_pairs_comes_close_to_the_ceiling() -> None:
    spec = PsbmLinks(features="adjacency", train=12, valid=1, test=8, length=60)
    lines = spec.lines(spec.build(0))
    assert lines["auc: best possible"] == pytest.approx(0.8912, abs=1e-4)
    assert lines["test.auc: pair logit"] == pytest.approx(0.887, abs=0.01)
    assert lines["test.auc: copy last"] == pytest.approx(lines["auc: best from last frame"], abs=0.012)
    assert lines["test.auc: window mean"] == pytest.approx(lines["auc: best from number of ones"], abs=0.012)
    assert lines["test.ap: copy last"] == pytest.approx(0.582, abs=0.02)


@given(
    st.fixed_dictionaries(
        {
            "preset": st.sampled_from(list(PRESETS)),
            "membership": st.sampled_from(["per_sequence", "fixed"]),
            "propensity": st.sampled_from([0.0, 0.8]),
            "label_drift": st.sampled_from([0.0, 0.3]),
            "change_points": st.integers(0, 3),
            "changed": st.sampled_from(["labels", "density", "contrast"]),
        }
    ),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=25)
def test_every_graph_is_undirected_and_without_loops(options: dict[str, object], seed: int) -> None:
    spec = small(**options)
    labels, graphs = sequences(spec, seed)
    assert labels.shape == graphs.shape[:3]
    assert (graphs == graphs.swapaxes(2, 3)).all()
    assert not graphs[..., np.arange(12), np.arange(12)].any()
    assert graphs.max() <= 1


def test_no_option_moves_what_another_part_draws() -> None:
    plain = sequences(small(), 5)[1]
    flips = sequences(small(flips=0.2), 5)[1]
    apart = (plain != flips)[..., *np.triu_indices(12, 1)].mean()
    assert apart == pytest.approx(0.2, abs=0.02)  # the same edges, seen through noise
    assert (sequences(small(features="spectral6", code_noise=2.0), 5)[1] == plain).all()
    assert (sequences(small(split="random_windows", window=5), 5)[1] == plain).all()
    more = sequences(small(valid=4, test=1), 5)[1]
    assert (more[:3] == plain[:3]).all()
    assert (sequences(small(length=40), 5)[1][:, :24] == plain).all()
    assert (sequences(small(), 6)[1] != plain).any()


def test_communities_are_fixed_for_all_or_drawn_for_each_sequence() -> None:
    fixed, own = (sequences(small(membership=each), 0)[0] for each in ("fixed", "per_sequence"))
    assert (fixed == fixed[0, 0]).all()
    assert (own == own[:, :1]).all()
    assert len(np.unique(own[:, 0], axis=0)) == 7
    assert (np.sort(own[:, 0]) == np.repeat([0, 1, 2], 4)).all()


def test_labels_drift_and_change_where_that_is_asked_for() -> None:
    drift = sequences(small(label_drift=0.5), 0)[0]
    assert (drift[:, 1:] != drift[:, :-1]).mean() == pytest.approx(0.5 * 2 / 3, abs=0.05)
    changed = sequences(small(change_points=2), 0)[0]
    assert ((changed[:, 1:] != changed[:, :-1]).any(2).sum(1) == 2).all()


@pytest.mark.parametrize("option", [{"propensity": 0.5}, {"label_drift": 0.1}, {"change_points": 1}, {"window": 21}])
def test_where_sums_do_not_hold_no_ceiling_is_told(option: dict[str, object]) -> None:
    assert small().ceilings()["auc: best possible"] > 0.8
    assert small(length=30, **option).ceilings() == {}


def touched(spec: PsbmLinks, name: str) -> set[tuple[int, int]]:
    starts = window_starts(spec, 0)[name]
    return {(int(s), int(first) + ahead) for s, first in starts for ahead in range(spec.window + 1)}


@given(
    st.sampled_from(["by_sequence", "chronological_with_gap", "random_windows"]),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(12, 60),
)
@settings(deadline=None, max_examples=40)
def test_splits_share_no_frame_unless_windows_are_dealt_out(split: str, window: int, stride: int, length: int) -> None:
    try:
        spec = small(split=split, window=window, stride=stride, length=length)
    except ValidationError:
        assume(False)
    starts = window_starts(spec, 0)
    assert all(len(each) for each in starts.values())
    assert all((each[:, 1] + window < length).all() for each in starts.values())
    train, valid, test = (touched(spec, name) for name in ("train", "valid", "test"))
    if split == "random_windows":
        every = np.concatenate(list(starts.values()))
        assert len(np.unique(every, axis=0)) == len(every) == 7 * len(range(0, length - window, stride))
    else:
        assert not train & (valid | test)
        assert not valid & test


def test_windows_of_random_splits_stand_on_training_frames() -> None:
    spec = small(split="random_windows")
    assert len(touched(spec, "test") & touched(spec, "train")) > 0.7 * len(touched(spec, "test"))


def test_a_batch_holds_the_window_and_the_frame_behind_it() -> None:
    spec = small(features="combined36")
    built: Dataset = spec.build(0)
    graphs = torch.from_numpy(sequences(spec, 0)[1])
    batch = built.splits["valid"].batch(torch.tensor([1, 22]), 12)
    assert torch.equal(batch.adjacency[0], graphs[3, 1:4])
    assert torch.equal(batch.y[0], graphs[3, 4])
    assert torch.equal(batch.y[1], graphs[4, 4])
    assert torch.equal(batch.x[..., :12], batch.adjacency.float())
    assert batch.x.shape == (2, 3, 12, 18)


def test_codes_of_communities_are_all_different_and_the_first_ones_orthogonal() -> None:
    told = codes()
    assert len(np.unique(told, axis=0)) == 16
    assert np.array_equal(told[:4] @ told[:4].T, 4 * np.eye(4))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"density": 0.9, "contrast": 9.0}, "more than all edges"),
        ({"window": 24}, "do not fit"),
        ({"split": "chronological_with_gap", "window": 5}, "shortest part"),
        ({"communities": 7}, "no pair"),
        ({"change_points": 24}, "has 24 frames"),
        ({"flips": 0.5}, "less than"),
    ],
)
def test_impossible_data_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        small(**options)


def test_what_a_seed_draws_is_pinned() -> None:
    """When this must change, raise GENERATION in lab/data/load.py, or caches go on giving the old data."""
    assert content_hash(small(preset="noisy", features="adjacency").build(0))[:12] == "8b95a534482c"
