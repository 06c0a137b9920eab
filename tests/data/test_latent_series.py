"""Series along a hidden graph: the graph is as asked, the law is obeyed, and the optimum is what it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lab.data.batch import Dataset
from lab.data.latent_series import _stream, coupling_weights, latent_graph_series, regimes, simulated
from lab.exact.autoregression import Numbers
from lab.spec.datasets import LatentGraphSeries
from lab.spec.datasets.latent_series import PRESETS, Preset, Topology

pytestmark = pytest.mark.torch


def weights_of(spec: LatentGraphSeries, seed: int = 0) -> Numbers:
    return coupling_weights(spec, _stream(seed, "graph"))


def values_of(dataset: Dataset) -> Numbers:
    scaled = dataset.splits["train"].y[0].double().numpy()
    return scaled * dataset.scale.std[0] + dataset.scale.mean[0]


@given(st.integers(0, 50), st.sampled_from(sorted(PRESETS)), st.sampled_from(["uniform", "communities", "ring"]))
@settings(deadline=None, max_examples=30)
def test_every_node_listens_to_as_many_others_as_asked_with_weights_that_add_up_to_one(
    seed: int, preset: Preset, topology: Topology
) -> None:
    spec = LatentGraphSeries(preset=preset, topology=topology)
    weights = weights_of(spec, seed)
    assert ((weights != 0).sum(axis=1) == spec.law.degree).all()
    assert not np.diag(weights).any()
    np.testing.assert_allclose(np.abs(weights).sum(axis=1), 1)
    assert (weights < 0).any() == (preset == "signed")


def test_on_a_ring_neighbours_are_heard_and_in_communities_mostly_its_own() -> None:
    ring = weights_of(LatentGraphSeries(topology="ring", degree=2)) != 0
    assert all(set(np.flatnonzero(row)) == {(at - 1) % 20, (at + 1) % 20} for at, row in enumerate(ring))
    spec = LatentGraphSeries(topology="communities", nodes=40)
    group = np.arange(40) // 10
    inside = np.mean([(weights_of(spec, seed) != 0)[group[:, None] == group].sum() / 120 for seed in range(5)])
    assert 0.8 < inside < 1


def test_no_option_moves_the_draws_of_another() -> None:
    base = latent_graph_series(LatentGraphSeries(length=400), 3)
    for change in ({"missing": 0.1}, {"window": 12}, {"calendar": True}, {"graph": "true"}, {"switch_every": 900}):
        other = latent_graph_series(LatentGraphSeries(length=400, **change), 3)
        one, two = values_of(base), values_of(other)
        known = np.abs(two) > 1e-3 if "missing" in change else np.ones_like(two, bool)
        known = known[1:] & known[:-1]  # gaps come with a shift, which differences do not see
        np.testing.assert_allclose(np.diff(one, axis=0)[known], np.diff(two, axis=0)[known], atol=1e-4)
    assert torch.equal(base.truth, latent_graph_series(LatentGraphSeries(length=400, signs="random"), 3).truth)
    assert torch.equal(base.truth, latent_graph_series(LatentGraphSeries(length=400, noise=3.0, own=0.0), 3).truth)


def test_the_values_follow_their_law_up_to_the_noise() -> None:
    spec = LatentGraphSeries(delay=2, season=3.0, response="tanh", length=4000, noise=0.5, own=0.3, coupling=0.4)
    weights = weights_of(spec)
    values = simulated(spec, weights[None], 0)
    rest = values[2:] - 0.3 * values[1:-1] - 0.4 * np.tanh(values[:-2]) @ weights.T
    by_phase = np.stack([rest[at::24].mean(axis=0) for at in range(24)])
    assert np.abs(by_phase).max() == pytest.approx(3.0, abs=0.2)
    left = rest - np.resize(by_phase, rest.shape)
    assert left.std() == pytest.approx(0.5, rel=0.02)


def test_the_truth_tells_who_drives_whom_and_the_shown_graph_leads_that_way() -> None:
    weights = weights_of(LatentGraphSeries())
    hidden, true, weighted = (
        LatentGraphSeries(length=200, window=8, horizon=3, graph=graph).build(0)
        for graph in ("hidden", "true", "weighted")
    )
    assert np.array_equal(hidden.truth.numpy(), (weights != 0).astype(np.uint8))
    assert not hidden.splits["train"].adjacency.any()
    assert torch.equal(true.splits["train"].adjacency, true.truth.T)
    np.testing.assert_allclose(weighted.splits["test"].adjacency.numpy(), weights.T, rtol=1e-6)


def test_graphs_take_turns_and_a_model_is_shown_the_one_that_acts() -> None:
    spec = LatentGraphSeries(length=300, window=8, horizon=3, switch_every=50, graph="true")
    dataset = spec.build(0)
    assert regimes(spec, 300)[[0, 49, 50, 99, 100]].tolist() == [0, 0, 1, 1, 0]
    shown = dataset.splits["train"].adjacency[0]
    assert torch.equal(shown[0], shown[120])
    assert not torch.equal(shown[0], shown[60])
    assert torch.equal((shown[0] | shown[60]).T, dataset.truth)


def test_missing_values_are_zero_among_positive_ones_and_marked() -> None:
    dataset = LatentGraphSeries(length=2000, missing=0.15).build(0)
    values = values_of(dataset)
    lost = np.abs(values) < 1e-4
    assert dataset.scale.null == 0
    assert lost.mean() == pytest.approx(0.15, abs=0.01)
    assert values[~lost].min() > 0.99


def test_the_calendar_is_the_phase_of_the_period() -> None:
    x = LatentGraphSeries(length=400, calendar=True, period=10).build(0).splits["train"].x[0]
    assert x.shape == (400, 20, 3)
    torch.testing.assert_close(x[:-10, :, 1:], x[10:, :, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close((x[..., 1:] ** 2).sum(-1), torch.ones(400, 20))


@pytest.mark.parametrize("preset", ["graph_driven", "linear", "weak", "signed"])
def test_an_autoregression_on_all_nodes_comes_within_a_hundredth_of_the_closed_form(preset: Preset) -> None:
    spec = LatentGraphSeries(preset=preset, length=30_000, eval_stride=2)
    lines = spec.lines(spec.build(0))
    for step in (1, 3, 6):
        fitted = lines[f"test.rmse_{step}: VAR(1) ridge"]
        assert fitted == pytest.approx(lines[f"rmse_{step}: best possible"], rel=0.01)
        assert 0.999 < fitted / lines[f"test.rmse_{step}: true law"] < 1.005
    assert lines["rmse: best possible"] < lines["test.rmse: AR(1)"]


TABLE = {  # RMSE at 1, 3, 6 and 12 steps: the optimum, AR(1), last value; graphs differ from draw to draw
    "linear": ([1.000, 1.213, 1.293, 1.361], [1.078, 1.329, 1.391, 1.412], [1.188, 1.616, 1.752, 1.839]),
    "weak": ([1.000, 1.442, 1.652, 1.765], [1.011, 1.478, 1.694, 1.786], [1.058, 1.666, 2.070, 2.374]),
    "graph_driven": ([1.000, 1.169, 1.231, 1.300], [1.259, 1.338, 1.357, 1.357], [1.517, 1.621, 1.663, 1.742]),
    "signed": ([1.000, 1.207, 1.254, 1.262], [1.050, 1.240, 1.257, 1.259], [1.192, 1.621, 1.736, 1.784]),
    "nonlinear": ([0.99, 1.16, 1.17, 1.19], [1.013, 1.172, 1.184, 1.184], [1.163, 1.551, 1.652, 1.677]),
    "large": ([1.000, 1.195, 1.245, 1.273], [1.052, 1.251, 1.281, 1.286], [1.186, 1.594, 1.718, 1.762]),
}


@pytest.mark.parametrize("preset", TABLE)
def test_the_presets_are_as_hard_as_they_are_said_to_be(preset: Preset) -> None:
    spec = LatentGraphSeries(preset=preset, eval_stride=3)
    lines = spec.lines(spec.build(0))
    for name, known in zip(
        ("rmse_{}: best possible", "test.rmse_{}: AR(1)", "test.rmse_{}: last value"), TABLE[preset], strict=True
    ):
        assert [lines[name.format(step)] for step in (1, 3, 6, 12)] == pytest.approx(known, rel=0.035)
    assert lines["mae_1: best possible"] == pytest.approx(0.798, rel=0.02)


def test_roll_outs_of_a_linear_law_agree_with_the_closed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = LatentGraphSeries(length=2000, switch_every=37, delay=2, season=1.0)
    exact = spec.build(0).lines
    sampled = LatentGraphSeries(length=2000, switch_every=37, delay=2, season=1.0, response="tanh").build(0).lines
    assert sampled["test.rmse_1: best possible"] == pytest.approx(1, rel=0.02)
    monkeypatch.setattr("lab.data.latent_series.heard", lambda spec, values: values)
    straight = LatentGraphSeries(length=2000, switch_every=37, delay=2, season=1.0, response="tanh").build(0).lines
    for name in ("rmse", "mae", "crps", "nll", "rmse_6"):
        assert straight[f"test.{name}: best possible"] == pytest.approx(exact[f"test.{name}: best possible"], rel=0.02)


def test_each_seed_has_a_graph_of_its_own_and_gaps_are_told_in_the_line() -> None:
    one, other = (LatentGraphSeries(length=200, window=8, horizon=3).build(seed).truth for seed in (0, 1))
    assert not torch.equal(one, other)
    lines = LatentGraphSeries(length=200, window=8, horizon=3, missing=0.1).build(0).lines
    assert "rmse: best possible without gaps" in lines
    assert "rmse: best possible" not in lines


def test_where_word_takes_longer_than_the_series_no_optimum_is_told() -> None:
    for delay in (180, 500):
        lines = LatentGraphSeries(length=200, window=8, horizon=3, delay=delay).build(0).lines
        assert not any("best possible" in name or "true law" in name for name in lines)


@pytest.mark.parametrize(
    ("options", "told"),
    [({"own": 0.6, "coupling": 0.5}, "add up to 1.1"), ({"nodes": 3, "degree": 3}, "can listen to 2 others")],
)
def test_a_law_that_cannot_be_is_refused(options: dict[str, float], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        LatentGraphSeries(**options)
