"""The errors that no forecast can avoid: by hand, by simulation, and as the stored optima have them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.exact import gaussian
from lab.exact.autoregression import Numbers, error_variances, gaussian_optimum

REFERENCE = Path(os.environ.get("LAB_REFERENCE", "../shared/reference")) / "latent_synthetic_optimum.npz"


def repeated(matrix: Numbers, horizon: int) -> Numbers:
    return np.broadcast_to(matrix, (horizon, *matrix.shape))


@pytest.mark.skipif(not REFERENCE.exists(), reason="no reference arrays; set LAB_REFERENCE")
@pytest.mark.parametrize("preset", ["linear", "weak", "graph_driven", "signed", "large"])
def test_the_stored_optima_are_met_to_the_last_digit(preset: str) -> None:
    stored = np.load(REFERENCE)
    own, coupling, noise = stored[f"{preset}/alpha_beta_sigma"].tolist()
    steps, rmse, mae, crps = stored[f"{preset}/optimum"].T
    at = steps.astype(int) - 1
    couplings = repeated(coupling * stored[f"{preset}/weights"], at.max() + 1)
    told = gaussian_optimum(error_variances(own, couplings, noise)[None])
    np.testing.assert_allclose([told.rmse[at], told.mae[at], told.crps[at]], [rmse, mae, crps], rtol=1e-12)


def test_two_nodes_of_which_one_hears_the_other_are_worked_out_by_hand() -> None:
    coupling = np.array([[0.0, 0.5], [0.0, 0.0]])
    told = error_variances(0.5, repeated(coupling, 3), 2.0)
    # Echoes of node 0: its own .5 and .25; of node 1 at it: .5 after a step, .5 * .5 + .5 * .5 after two.
    first = [1, 1 + 0.25 + 0.25, 1 + 0.5 + 0.0625 + 0.25]
    second = [1, 1.25, 1.3125]
    np.testing.assert_allclose(told, 4 * np.array([first, second]).T)


def test_a_delay_hides_the_noise_of_others_as_long_as_it_lasts() -> None:
    coupling = np.array([[0.0, 0.9], [0.9, 0.0]])
    told = error_variances(0.0, repeated(coupling, 6), 1.0, delay=3)
    np.testing.assert_allclose(told[:3], 1.0)
    np.testing.assert_allclose(told[3:], 1 + 0.81)


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
@settings(deadline=None, max_examples=15)
def test_simulated_errors_have_these_variances(seed: int, delay: int) -> None:
    random = np.random.default_rng(seed)
    horizon, nodes, draws = 5, 3, 40_000
    couplings = random.uniform(-0.3, 0.3, size=(horizon, nodes, nodes))
    error = np.zeros((delay + horizon, draws, nodes))
    for step in range(horizon):
        taken = error[step] @ couplings[step].T
        error[step + delay] = 0.4 * error[step + delay - 1] + taken + random.standard_normal((draws, nodes))
    told = error_variances(0.4, couplings, 1.0, delay=delay)
    np.testing.assert_allclose(error[delay:].var(axis=1), told, rtol=0.06)


def test_cases_count_by_their_shares() -> None:
    variances = np.array([[[1.0]], [[4.0]]])
    told = gaussian_optimum(variances, np.array([3.0, 1.0]))
    assert told.rmse[0] == pytest.approx(np.sqrt(1.75))
    assert told.mae[0] == pytest.approx(np.sqrt(2 / np.pi) * 1.25)
    lines = told.lines("best")
    assert lines["rmse: best"] == lines["rmse_1: best"] == pytest.approx(told.rmse[0])


def test_the_scores_of_a_normal_density_agree_with_many_draws_from_it() -> None:
    random = np.random.default_rng(0)
    mean, std, draws = 1.5, 2.0, 100_000
    target = mean + std * random.standard_normal(draws)
    told = gaussian.scores(target, np.array(mean), np.array(std))
    other = mean + std * random.standard_normal(draws)
    sampled = np.abs(other - 0.7).mean() - 0.5 * np.abs(other - np.roll(other, 1)).mean()
    assert gaussian.crps(np.array(0.7), np.array(mean), np.array(std)) == pytest.approx(sampled, rel=0.01)
    optimum = gaussian_optimum(np.full((1, 1, 1), std**2))
    assert told["crps"] == pytest.approx(optimum.crps[0], rel=0.01)
    assert told["nll"] == pytest.approx(optimum.nll[0], rel=0.01)
    assert told["calibration"] < 0.005
    assert told["coverage_90"] == pytest.approx(0.9, abs=0.005)
    assert told["width_90"] == pytest.approx(2 * 1.645 * std, rel=1e-3)
