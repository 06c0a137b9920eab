"""The ceilings of the persistent block model are the tabled ones, and agree with drawing and with brute force."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exact.block_ceilings import (
    SIGHTS,
    ceilings,
    ceilings_with_diagonal,
    degrees_alone,
    ranked,
    with_diagonal,
)
from lab.exact.block_process import PRESETS, BlockProcess

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference")) / "gman_psbm_ceilings.npz"

TABLE = {
    "default": ((0.891, 0.641, 0.709), 0.867, 0.828, 0.804, 0.829, 0.747, 0.2435),
    "easy": ((0.964, 0.862, 0.896), 0.948, 0.932, 0.917, 0.939, 0.778, 0.1195),
    "hard": ((0.767, 0.215, 0.353), 0.698, 0.726, 0.667, 0.660, 0.675, 0.1656),
    "dense": ((0.857, 0.671, 0.722), 0.840, 0.764, 0.745, 0.820, 0.672, 0.3445),
    "many": ((0.888, 0.629, 0.700), 0.872, 0.846, 0.828, 0.834, 0.735, 0.1775),
    "community": ((0.747, 0.315, 0.476), 0.725, 0.747, 0.725, 0.573, 0.747, 0.3557),
    "persistence": ((0.800, 0.524, 0.660), 0.800, 0.703, 0.703, 0.800, 0.500, 0.2891),
    "noisy": ((0.855, 0.728, 0.740), 0.846, 0.835, 0.825, 0.813, 0.688, 0.2742),
    "noisy2": ((0.773, 0.621, 0.620), 0.766, 0.756, 0.747, 0.717, 0.647, 0.3898),
    "null": ((0.500, 0.150, 0.261), 0.5, 0.5, 0.5, 0.5, 0.5, 0.4227),
}
DEGREES = {"default": (0.581, 0.612), "easy": (0.610, 0.654), "hard": (0.568, 0.591), "many": (0.594, 0.629)}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_ceilings_are_the_tabled_ones(preset: str) -> None:
    full, *others, nll = TABLE[preset]
    told = ceilings(PRESETS[preset], 10)
    best = told["full"]
    assert (best.auc, best.ap, best.f1) == pytest.approx(full, abs=6e-4)
    for sight, auc in zip(("own", "orderless_comm", "orderless", "last", "comm"), others, strict=True):
        assert told[sight].auc == pytest.approx(auc, abs=6e-4)
    assert best.nll == pytest.approx(nll, abs=6e-5)


@pytest.mark.skipif(not REFERENCE.exists(), reason="no reference arrays; set LAB_REFERENCE")
@pytest.mark.parametrize("preset", PRESETS)
def test_the_ceilings_are_the_stored_ones_to_the_last_digits(preset: str) -> None:
    stored, told = np.load(REFERENCE), ceilings(PRESETS[preset], 10)
    for sight in SIGHTS:
        assert [told[sight].auc, told[sight].ap, told[sight].f1] == pytest.approx(
            stored[f"{preset}/{sight}"], abs=1e-11
        )
    assert told["full"].nll == pytest.approx(float(stored[f"{preset}/nll"]), abs=1e-11)


def test_rates_follow_from_density_and_contrast() -> None:
    process = BlockProcess()
    assert process.share_within == pytest.approx(0.3103, abs=5e-5)
    assert process.rates == pytest.approx((0.059, 0.353), abs=5e-4)
    assert BlockProcess(nodes=11, communities=3).sizes() == [4, 4, 3]


@pytest.mark.parametrize("preset", DEGREES)
def test_degrees_alone_tell_little(preset: str) -> None:
    told = degrees_alone(PRESETS[preset])
    assert (told["row_degree"], told["degree_sum"]) == pytest.approx(DEGREES[preset], abs=0.004)


def test_a_diagonal_that_is_ranked_last_is_a_gift() -> None:
    assert with_diagonal(0.5, BlockProcess()) == pytest.approx(0.519, abs=5e-4)
    assert with_diagonal(0.89, BlockProcess()) - 0.89 == pytest.approx(0.039 * 0.11, abs=5e-4)


def processes() -> st.SearchStrategy[BlockProcess]:
    return st.builds(
        BlockProcess,
        nodes=st.integers(4, 20),
        communities=st.integers(2, 4),
        density=st.floats(0.05, 0.3),
        contrast=st.floats(1, 3),
        persistence=st.floats(0, 0.95),
        flips=st.floats(0, 0.4),
    )


@given(processes())
@settings(deadline=None, max_examples=20)
def test_ceilings_with_the_diagonal_are_those_of_a_last_cell_of_pairs_without_an_edge(process: BlockProcess) -> None:
    between, within = process.rates
    share = process.share_within
    chance = np.array([within, between]) * (1 - 2 * process.flips) + process.flips
    mass = np.array([share, 1 - share])
    chance, mass = chance[mass > 0], mass[mass > 0]
    best = ranked(np.append(chance, -1.0), np.append(mass, 1 / (process.nodes - 1)), np.append(mass * chance, 0.0))
    told = ceilings_with_diagonal(process, 1)["comm"]
    assert (told.auc, told.ap, told.f1) == pytest.approx((best.auc, best.ap, best.f1))
    entropy = -(mass * (chance * np.log(chance) + (1 - chance) * np.log1p(-chance))).sum()
    assert told.nll == pytest.approx(entropy * (1 - 1 / process.nodes))


@given(processes(), st.integers(1, 5))
@settings(deadline=None, max_examples=30)
def test_who_may_see_more_is_never_worse_off(process: BlockProcess, window: int) -> None:
    told = ceilings(process, window)
    for more, less in (
        ("full", "own"),
        ("full", "orderless_comm"),
        ("full", "last_comm"),
        ("own", "orderless"),
        ("own", "last"),
        ("orderless_comm", "comm"),
        ("last_comm", "comm"),
    ):
        assert told[more].auc >= told[less].auc - 1e-9
        assert told[more].nll <= told[less].nll + 1e-9


@given(processes())
@settings(deadline=None, max_examples=15)
def test_without_noise_the_last_frame_says_all(process: BlockProcess) -> None:
    clean = BlockProcess(process.nodes, process.communities, process.density, process.contrast, process.persistence)
    told = ceilings(clean, 4)
    assert told["full"].auc == pytest.approx(told["last_comm"].auc)
    assert ceilings(clean, 1)["full"].nll == pytest.approx(told["full"].nll)


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=7))
@settings(deadline=None, max_examples=20)
def test_a_ranking_is_scored_as_all_orders_of_its_ties_are_on_average(told: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    score, edge = np.array([s for s, _ in told], float), np.array([e for _, e in told])
    ours = ranked(score, np.ones(len(score)), edge.astype(float))
    if edge.all() or not edge.any():
        assert np.isnan(ours.auc)
        return
    assert ours.auc == pytest.approx(roc_auc_score(edge, score))
    random = np.random.default_rng(0)
    many = np.repeat(np.arange(len(score)), 20_000)  # a cell stands for many pairs, as in a population
    drawn = average_precision_score(edge[many], score[many] + 1e-6 * random.random(len(many)))
    assert ours.ap == pytest.approx(drawn, abs=0.015)


def test_a_window_too_long_to_enumerate_is_refused() -> None:
    with pytest.raises(ValueError, match="up to 20"):
        ceilings(BlockProcess(), 21)
