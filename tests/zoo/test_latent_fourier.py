"""The branch of frequencies: which frames, modes and nodes it sees, and what its weights learn."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from latent_small import SHAPE, made

from lab.spec.models.latent_seq2seq import Fourier
from lab.testing import small_batch
from lab.zoo.latent_seq2seq.fourier import FourierBranch

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(("mixing", "sees"), [("as_written", 1), ("corrected", 12), ("time_only", 12)])
def test_a_short_window_is_seen_by_its_oldest_frame_only_as_written(mixing, sees):
    branch = FourierBranch(Fourier(mixing=mixing), SHAPE).double()
    x = torch.randn(2, 12, 6, 3, dtype=torch.float64, requires_grad=True)
    branch(x).square().sum().backward()
    sizes = x.grad.abs().amax((0, 2, 3))
    assert int((sizes > 1e-12 * sizes.max()).sum()) == sees
    assert sizes[0] > 0


def test_as_written_weights_get_one_gradient_along_the_summed_axis_and_none_beyond_the_kept_modes():
    branch = FourierBranch(Fourier(mixing="as_written"), SHAPE)
    branch(torch.randn(2, 12, 6, 3)).square().sum().backward()
    grad = torch.view_as_complex(branch.weight.grad)
    assert torch.equal(grad[0], grad[1])
    assert float((grad == 0).float().mean()) == pytest.approx(1 - 12 * 4 / 256)


def test_a_sinusoid_of_any_kept_frequency_passes_the_time_branch_as_weighed():
    branch = FourierBranch(Fourier(mixing="time_only"), replace(SHAPE, features=1)).double()
    with torch.no_grad():
        branch.weight.zero_()
        branch.weight[0, 0, 3, 0] = 2.0
    time = torch.arange(12, dtype=torch.float64)
    waves = {k: torch.cos(2 * torch.pi * k * time / 12)[None, :, None, None].expand(1, 12, 6, 1) for k in (2, 3)}
    torch.testing.assert_close(branch(waves[3]), 2 * waves[3])
    assert branch(waves[2]).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("mixing", "follows"), [("none", True), ("time_only", True), ("as_written", False), ("corrected", False)]
)
def test_renaming_the_nodes_renames_the_forecasts_unless_their_index_is_taken_for_a_ring(mixing, follows):
    model = made(fourier={"mixing": mixing, "start": "inverse_square"}).double().eval()
    data = small_batch(SHAPE, dtype=torch.float64)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    with torch.no_grad():
        for layer in (model.first, model.second):
            layer.static.weight.add_(torch.randn(1, 6, 6, dtype=torch.float64))
        expected = model(data)[:, :, order]
        for layer in (model.first, model.second):
            layer.static.weight.copy_(layer.static.weight[:, order][:, :, order])
    gap = (model(replace(data, x=data.x[:, :, order])) - expected).abs().max()
    assert gap < 1e-12 if follows else gap > 1e-4
