"""Waves and what they drive: as many windows as told, no look ahead, every component with numbers of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lab.data.waves import mixing_matrices, mixture, side_inputs, target_series, wave_series, waves
from lab.spec.datasets import Waves

pytestmark = pytest.mark.torch


def parts_of(seed: int = 0, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    spec = Waves(**{"rows": 1000, **options})
    driving, mixtures = wave_series(spec, seed), mixing_matrices(spec, seed)
    return driving, mixtures, target_series(spec, driving, mixtures, seed)


def test_the_windows_are_as_many_as_told_and_answer_the_targets_only() -> None:
    dataset = Waves().build(42)
    assert [len(dataset.splits[name]) for name in ("train", "valid", "test")] == [2748, 591, 592]
    assert (dataset.shape.nodes, dataset.shape.drivers, dataset.shape.features) == (10, 7, 3)
    batch = dataset.splits["test"].batch(torch.tensor([0, 591]), 10)
    assert batch.y[..., :7].isnan().all()
    assert torch.isfinite(batch.y[..., 7:]).all()
    assert torch.equal(batch.x[:, :, :1, 1:].expand(-1, -1, 10, -1), batch.x[..., 1:])


def test_every_channel_is_scaled_by_its_training_rows() -> None:
    spec = Waves()
    driving, _, targets = parts_of(rows=spec.rows)
    values = np.concatenate([driving, targets], axis=1)[:2867]
    dataset = spec.build(0)
    np.testing.assert_allclose(dataset.scale.mean, values.mean(axis=0))
    np.testing.assert_allclose(dataset.scale.std, values.std(axis=0))
    beside = dataset.splits["train"].x[0, :2867, 0, 1:]
    torch.testing.assert_close(beside.mean(0), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(beside.std(0), torch.ones(2), atol=1e-3, rtol=0)


@pytest.mark.parametrize("covariates", ["backward", "central"])
def test_side_inputs_of_few_waves_are_numbers_though_one_wave_has_no_variance(covariates: str) -> None:
    for count in (1, 3):
        dataset = Waves(waves=count, rows=1000, covariates=covariates).build(0)
        assert torch.isfinite(dataset.splits["train"].x).all()


def test_a_seed_gives_the_same_rows_and_another_seed_others() -> None:
    for one, same, other in zip(parts_of(1), parts_of(1), parts_of(2), strict=True):
        assert np.array_equal(one, same)
        assert not np.allclose(one, other)


@pytest.mark.parametrize(
    ("change", "unmoved"),
    [
        ({"noise": "heteroscedastic"}, "waves mixing"),
        ({"noise": "bimodal"}, "waves mixing"),
        ({"covariates": "none"}, "waves mixing targets"),
        ({"covariates": "central"}, "waves mixing targets"),
        ({"graph": "true"}, "waves mixing targets"),
        ({"drift": "reflect"}, "mixing noise"),
        ({"drift": "integrate"}, "mixing noise"),
        ({"mixing": "sparse"}, "waves noise"),
        ({"coupling": "switching"}, "waves noise"),
    ],
)
def test_no_option_moves_the_draws_of_another_component(change: dict[str, str], unmoved: str) -> None:
    def drawn(**options: str) -> dict[str, np.ndarray]:
        driving, matrices, targets = parts_of(3, **options)
        mixed = mixture(driving, matrices)
        clean = mixed + np.sin(mixed / 2) + 0.2 * np.cos(mixed / 4)
        return {"waves": driving, "mixing": matrices, "targets": targets, "noise": targets - clean}

    base, other = drawn(), drawn(**change)
    for name in unmoved.split():
        np.testing.assert_allclose(base[name], other[name], atol=1e-12)


def test_a_sparse_mixture_keeps_the_dense_weights_it_has_and_leaves_no_target_alone() -> None:
    dense = mixing_matrices(Waves(targets=40), 5)
    sparse = mixing_matrices(Waves(targets=40, mixing="sparse"), 5)
    kept = sparse != 0
    assert np.array_equal(sparse[kept], dense[kept])
    assert kept.any(axis=1).all()
    assert kept.mean() == pytest.approx(0.4, abs=0.06)
    assert np.count_nonzero(mixing_matrices(Waves(targets=40, mixing="sparse", density=0.0), 5)) == 40


def test_the_truth_is_there_where_a_mixture_is_sparse_and_the_shown_graph_leads_to_targets() -> None:
    dataset = waves(Waves(rows=600, mixing="sparse", graph="true", window=24, horizon=6), 0)
    matrices = mixing_matrices(Waves(mixing="sparse"), 0)
    assert np.array_equal(dataset.truth[7:, :7].numpy(), (matrices[0] != 0).T)
    assert int(dataset.truth.sum()) == np.count_nonzero(matrices[0])
    assert torch.equal(dataset.splits["train"].adjacency, dataset.truth.T)
    assert waves(Waves(rows=600, window=24, horizon=6), 0).truth is None


def test_the_mixture_changes_at_a_quarter_and_at_half() -> None:
    spec = Waves(rows=400, coupling="switching")
    matrices = mixing_matrices(spec, 0)
    mixed = mixture(np.ones((400, 7)), matrices)
    assert np.flatnonzero(np.abs(np.diff(mixed[:, 0])) > 1e-9).tolist() == [99, 199]
    np.testing.assert_allclose(mixed[[0, 150, 399]], matrices.sum(axis=1))


@pytest.mark.parametrize("row", [50, 400, 998])
def test_side_inputs_know_nothing_of_what_comes(row: int) -> None:
    driving = parts_of()[0]
    later = driving.copy()
    later[row + 1 :] += np.random.default_rng(0).normal(size=later[row + 1 :].shape)
    past = side_inputs(driving, Waves())[: row + 1]
    assert np.array_equal(past, side_inputs(later, Waves())[: row + 1])
    ahead = Waves(covariates="central")
    assert not np.allclose(side_inputs(driving, ahead)[: row + 1], side_inputs(later, ahead)[: row + 1])


@pytest.mark.parametrize("drift", ["clip", "reflect", "integrate"])
def test_waves_stay_between_their_bounds_and_wander(drift: str) -> None:
    driving = parts_of(drift=drift, rows=4096)[0]
    assert np.abs(driving).max() < 1.0 + 5 * 0.03
    assert (driving.std(axis=0) > 0.5).all()


def test_noise_grows_with_the_mixture_or_shifts_by_a_half() -> None:
    def noise(**options: str) -> tuple[np.ndarray, np.ndarray]:
        driving, matrices, targets = parts_of(0, rows=12_000, **options)
        mixed = mixture(driving, matrices)
        trend = 0.1 * np.sin(6 * np.pi * np.arange(12_000) / 11_999)[:, None]
        return mixed, targets - mixed - np.sin(mixed / 2) - 0.2 * np.cos(mixed / 4) - trend

    assert noise()[1].std() == pytest.approx(0.02, rel=0.02)
    mixed, rest = noise(noise="heteroscedastic")
    assert (rest / (0.02 + 0.25 * np.abs(mixed))).std() == pytest.approx(1, rel=0.02)
    _, shifted = noise(noise="bimodal")
    blocks = shifted.reshape(1000, 12, 3).mean(axis=1)
    np.testing.assert_allclose(np.abs(blocks), 0.5, atol=0.04)
    assert (blocks > 0).mean() == pytest.approx(0.5, abs=0.05)


KNOWN = {  # NLL, CRPS, MAE, RMSE, coverage of 90 % on one draw, all scaled
    "climatology": (1.43, 0.575, 0.81, 1.01, 0.89),
    "last value": (1.14, 0.527, 0.76, 1.03, 0.90),
    "ridge on the window": (-0.74, 0.061, 0.084, 0.112, 0.84),
}


def test_the_simple_forecasts_are_as_good_as_they_are_said_to_be() -> None:
    spec = Waves(eval_stride=4)
    draws = [spec.lines(spec.build(seed)) for seed in range(4)]
    for name, (nll, crps, mae, rmse, coverage) in KNOWN.items():
        told = {
            score: np.mean([draw[f"test.{score}: {name}"] for draw in draws])
            for score in ("scaled_nll", "scaled_crps", "scaled_mae", "scaled_rmse", "coverage_90")
        }
        assert told["scaled_nll"] == pytest.approx(nll, abs=0.2)
        assert told["scaled_crps"] == pytest.approx(crps, rel=0.15)
        assert told["scaled_mae"] == pytest.approx(mae, rel=0.15)
        assert told["scaled_rmse"] == pytest.approx(rmse, rel=0.15)
        assert told["coverage_90"] == pytest.approx(coverage, abs=0.06)
