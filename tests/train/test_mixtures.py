"""Mixtures and quantiles against torch's distributions, sampling, and what their definitions imply."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical, MixtureSameFamily, Normal

from lab.train.tasks.mixtures import Mixture
from lab.train.tasks.quantiles import Quantiles

pytestmark = pytest.mark.torch


def drawn(*places: int, parts: int, seed: int = 0, log_stds: Tensor | None = None) -> Mixture:
    """A mixture with random means and weights, in float64."""
    random = torch.Generator().manual_seed(seed)
    shape = (*places, parts)
    means = torch.randn(shape, generator=random, dtype=torch.float64)
    logs = torch.randn(shape, generator=random, dtype=torch.float64) * 0.5 if log_stds is None else log_stds
    weights = torch.randn(shape, generator=random, dtype=torch.float64).log_softmax(-1)
    return Mixture(means, logs.exp().expand(shape), weights)


def of_torch(mixture: Mixture) -> MixtureSameFamily:
    """The same density as torch has it."""
    return MixtureSameFamily(Categorical(logits=mixture.log_weights), Normal(mixture.means, mixture.stds))


@pytest.mark.parametrize("log_std", [-6.0, -3.0, 0.0, 3.0])
@pytest.mark.parametrize("away", [0.0, 1.0, 1e3])
def test_the_likelihood_is_that_of_torch_with_finite_gradients_also_far_out(log_std: float, away: float) -> None:
    told = drawn(50, parts=3, log_stds=torch.full((1,), log_std, dtype=torch.float64))
    channels = torch.cat([told.means, told.stds, told.log_weights], -1).float().requires_grad_()
    mixture = Mixture.of(channels)
    y = (told.means[:, 0] + away * math.exp(log_std)).float()
    found = mixture.log_prob(y)
    known = of_torch(Mixture.of(channels.detach().double())).log_prob(y.double())
    torch.testing.assert_close(found.detach().double(), known, rtol=1e-5, atol=1e-4)
    found.sum().backward()
    assert channels.grad is not None
    assert channels.grad.isfinite().all()


def test_cdf_mean_and_variance_are_those_of_torch() -> None:
    mixture = drawn(40, parts=4)
    y = torch.randn(40, dtype=torch.float64)
    known = of_torch(mixture)
    torch.testing.assert_close(mixture.cdf(y), known.cdf(y))
    torch.testing.assert_close(mixture.mean(), known.mean)
    torch.testing.assert_close(mixture.variance(), known.variance)


def test_the_crps_of_one_component_is_the_formula_of_a_gaussian() -> None:
    mixture = drawn(30, parts=1)
    y = torch.randn(30, dtype=torch.float64)
    mean, std = mixture.means[:, 0], mixture.stds[:, 0]
    z, normal = (y - mean) / std, Normal(torch.zeros_like(y), 1.0)
    known = std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.log_prob(z).exp() - 1 / math.sqrt(math.pi))
    torch.testing.assert_close(mixture.crps(y), known)


def test_the_crps_of_a_mixture_is_what_draws_from_it_say() -> None:
    mixture = drawn(6, parts=3)
    y = torch.linspace(-1, 1, 6, dtype=torch.float64)
    random = torch.Generator().manual_seed(1)
    one, other = mixture.sample(1_000_000, random), mixture.sample(1_000_000, random)
    said = (one - y).abs().mean(0) - 0.5 * (one - other).abs().mean(0)
    torch.testing.assert_close(mixture.crps(y), said, rtol=0.02, atol=0.0)


@given(level=st.floats(0.01, 0.99), parts=st.integers(1, 5), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_a_quantile_is_where_the_cdf_reaches_its_level(level: float, parts: int, seed: int) -> None:
    mixture = drawn(8, parts=parts, seed=seed)
    torch.testing.assert_close(
        mixture.cdf(mixture.quantile(level)), torch.full((8,), level, dtype=torch.float64), rtol=0, atol=1e-5
    )


def test_the_quantile_of_a_cdf_is_the_value_it_was_taken_at() -> None:
    mixture = drawn(1, parts=3)
    for y in torch.linspace(-1.0, 1.0, 5, dtype=torch.float64):
        torch.testing.assert_close(mixture.quantile(float(mixture.cdf(y[None]))), y[None], rtol=0, atol=1e-4)


def test_two_channels_are_a_mean_and_a_deviation_and_more_are_thirds() -> None:
    gaussian = Mixture.of(torch.tensor([[1.5, 0.5]]))
    assert (gaussian.mean().item(), gaussian.stds.item(), gaussian.log_weights.item()) == (1.5, 0.5, 0.0)
    three = Mixture.of(torch.tensor([1.0, 2.0, 0.1, 0.2, math.log(0.25), math.log(0.75)]))
    torch.testing.assert_close(three.mean(), torch.tensor(1.75))


def test_weighing_nodes_together_takes_the_mean_of_their_logits() -> None:
    logits = torch.randn(5, 4, 3, dtype=torch.float64)
    mixture = Mixture(torch.zeros_like(logits), torch.ones_like(logits), logits.log_softmax(-1))
    shared = mixture.weighed_together().log_weights
    torch.testing.assert_close(shared[:, 0], logits.mean(1).log_softmax(-1))
    assert torch.equal(shared[:, 0], shared[:, 3])


def quantiles_of_a_normal(count: int) -> Quantiles:
    """The standard normal told by its values at evenly spread levels."""
    return Quantiles(torch.special.ndtri((torch.arange(count, dtype=torch.float64) + 0.5) / count)[None])


def test_many_quantiles_say_what_the_density_says() -> None:
    told, y = quantiles_of_a_normal(400), torch.tensor([0.3], dtype=torch.float64)
    normal = Mixture.of(torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    for name in ("crps", "cdf"):
        torch.testing.assert_close(getattr(told, name)(y), getattr(normal, name)(y), rtol=0, atol=2e-3)
    torch.testing.assert_close(told.quantile(0.95), normal.quantile(0.95), rtol=0, atol=2e-3)


@given(count=st.integers(2, 9), level=st.floats(0.0, 1.0))
@settings(max_examples=40, deadline=None)
def test_quantiles_and_cdf_of_rising_values_undo_each_other(count: int, level: float) -> None:
    told = Quantiles(torch.arange(count, dtype=torch.float64).square()[None])
    torch.testing.assert_close(
        told.cdf(told.quantile(level)), torch.tensor([level], dtype=torch.float64), rtol=0, atol=1e-9
    )


def test_a_single_quantile_is_its_median_and_nothing_lies_half_way() -> None:
    told = Quantiles(torch.tensor([[2.0]]))
    assert told.median().item() == 2.0
    assert told.cdf(torch.tensor([1.0])).item() == 0.0
    assert told.cdf(torch.tensor([3.0])).item() == 1.0


def test_the_pinball_loss_is_least_at_the_true_quantiles() -> None:
    y = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).squeeze(-1)
    right = quantiles_of_a_normal(5)
    for shift in (-0.3, 0.3):
        wrong = Quantiles(right.values + shift)
        assert right.pinball(y).mean() < wrong.pinball(y).mean()
