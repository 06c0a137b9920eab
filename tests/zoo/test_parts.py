"""Norms that see real rows only, and dropout that can be repeated."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from lab.data.batch import Shape
from lab.zoo.parts import BatchNorm, Dropout, LayerNorm, dropout, norm, scrambled, way_in

pytestmark = pytest.mark.torch


def rows(graphs=3, nodes=7, width=5, dtype=torch.float64):
    x = torch.randn(graphs, nodes, width, dtype=dtype) * 3 + 10
    mask = torch.arange(nodes) < torch.tensor([7, 4, 2])[:graphs, None]
    return x, mask


def trained_pair(masked):
    torch.manual_seed(0)
    ours, theirs = BatchNorm(5, masked=masked).double(), nn.BatchNorm1d(5).double()
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(theirs, name).copy_(torch.randn(5))
            getattr(ours, name).copy_(getattr(theirs, name))
    return ours, theirs


@pytest.mark.parametrize("masked", [True, False])
def test_batch_norm_equals_the_library_on_the_rows_it_sees(masked):
    ours, theirs = trained_pair(masked)
    x, mask = rows()
    seen = mask if masked else torch.ones_like(mask)
    mine, other = x.clone().requires_grad_(), x[seen].clone().requires_grad_()
    cotangent = torch.randn_like(x) * seen[..., None]
    y, known = ours(mine, mask), theirs(other)
    y.backward(cotangent)
    known.backward(cotangent[seen])
    torch.testing.assert_close(y[seen], known)
    torch.testing.assert_close(mine.grad[seen], other.grad)
    for name in ("weight", "bias"):
        torch.testing.assert_close(getattr(ours, name).grad, getattr(theirs, name).grad)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))
    torch.testing.assert_close(ours.eval()(x, mask)[seen], theirs.eval()(x[seen]))


def test_the_written_backward_pass_is_the_derivative():
    ours, _ = trained_pair(True)
    x, mask = rows(graphs=2, nodes=3)
    inputs = (x[:2].requires_grad_(), ours.weight, ours.bias)

    def normalise(x, weight, bias):
        return functional_call(ours, {"weight": weight, "bias": bias}, (x, mask[:2]))

    assert torch.autograd.gradcheck(normalise, inputs)
    assert torch.autograd.gradgradcheck(normalise, inputs)


def test_padding_changes_no_statistic():
    ours, theirs = trained_pair(True)
    theirs = BatchNorm(5).double()
    theirs.load_state_dict(ours.state_dict())
    x, mask = rows()
    wider = torch.cat([x, 1e6 * torch.ones(3, 4, 5, dtype=x.dtype)], dim=1)
    longer = torch.cat([mask, torch.zeros(3, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(ours(x, mask)[mask], theirs(wider, longer)[:, :7][mask])
    torch.testing.assert_close(ours.running_var, theirs.running_var)


def test_without_running_statistics_evaluation_uses_the_batch_and_no_buffer_exists():
    ours = BatchNorm(5, running_stats=False).double()
    x, mask = rows()
    assert not list(ours.buffers())
    torch.testing.assert_close(ours(x, mask), ours.eval()(x, mask), rtol=0, atol=0)


def test_one_real_row_gives_no_nan():
    ours = BatchNorm(5)
    y = ours(torch.randn(1, 3, 5), torch.tensor([[True, False, False]]))
    assert y.isfinite().all()
    assert ours.running_var.isfinite().all()


def test_statistics_stay_in_float32_under_bfloat16():
    ours = BatchNorm(5)
    x, mask = rows(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x.bfloat16(), mask)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, BatchNorm(5)(x.bfloat16().float(), mask))


def test_layer_norm_is_bitwise_the_same_whatever_the_mask():
    ours = LayerNorm(5)
    x, mask = rows(dtype=torch.float32)
    assert torch.equal(ours(x, mask)[mask], ours(x, torch.ones_like(mask))[mask])


def test_a_norm_that_is_switched_off_is_the_identity_and_has_no_parameters():
    off = norm("none", 5)
    x, mask = rows()
    assert off(x, mask) is x
    assert not off.state_dict()
    assert isinstance(dropout(0.0), nn.Identity)


def test_the_way_in_reads_tokens_or_numbers():
    assert isinstance(way_in(Shape(nodes=3, classes=2, tokens=4), 5), nn.Embedding)
    assert way_in(Shape(nodes=3, classes=2, features=4), 5)(torch.randn(1, 3, 4)).shape == (1, 3, 5)


def keyed(p, key, site=0):
    made = Dropout(p)
    made.key.fill_(key)
    made.site = site
    return made


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_dropout_drops_its_share_in_every_row_and_column_and_keeps_the_mean(p):
    y = keyed(p, 123456789)(torch.ones(64, 100, 48))
    spread = (p * (1 - p)) ** 0.5
    assert abs((y == 0).float().mean() - p) < 4 * spread / y.numel() ** 0.5
    for dims, size in (((0, 1), 6400), ((0, 2), 3072), ((1, 2), 4800)):
        worst = ((y == 0).float().mean(dims) - p).abs().max()
        assert worst < 5 * spread / size**0.5
    torch.testing.assert_close(y.mean(), torch.tensor(1.0), atol=0.02, rtol=0)


def test_dropout_masks_of_steps_sites_rows_and_columns_are_unrelated():
    def signs(key, site):
        return (scrambled(torch.tensor(key + site * 977), torch.Size((256, 256))) >= 0).double() * 2 - 1

    first = signs(1, 0)
    bound = 5 / 256
    for other in (signs(2, 0), signs(1, 1), signs(2**62, 0)):
        assert abs((first * other).mean()) < bound
    for shift in (1, 2, 3, 64, 128):
        assert abs((first * first.roll(shift, 0)).mean()) < bound
        assert abs((first * first.roll(shift, 1)).mean()) < bound
        corners = first * first.roll(shift, 0) * first.roll(1, 1) * first.roll((shift, 1), (0, 1))
        assert abs(corners.mean()) < bound
    singular = torch.linalg.svdvals(first)[0]
    assert singular < 2.2 * 16  # a random sign matrix has about 2 sqrt(256)


def test_dropout_numbers_fill_all_their_bits():
    words = scrambled(torch.tensor(5), torch.Size((512, 512))).flatten()
    for bit in range(32):
        assert abs(((words >> bit) & 1).double().mean() - 0.5) < 5 * 0.5 / 512
    counts = torch.histc(words.double(), bins=256, min=-(2.0**31), max=2.0**31)
    assert ((counts - 1024).square() / 1024).sum() < 255 + 6 * (2 * 255) ** 0.5


def test_dropout_is_the_same_for_every_padding_and_says_nothing_of_the_generator():
    drop = keyed(0.4, 99, site=7)
    narrow = drop(torch.ones(2, 3, 8))
    torch.manual_seed(1)
    wide = drop(torch.ones(5, 9, 8))
    assert torch.equal(wide[:2, :3], narrow)
    pairs, more = drop(torch.ones(2, 2, 3, 3)), drop(torch.ones(2, 2, 6, 6))
    assert torch.equal(more[..., :3, :3], pairs)


def test_dropout_in_a_pack_is_what_each_member_drops_alone():
    members = [keyed(0.3, key, site=3) for key in (11, 2**61 + 5)]
    x = torch.ones(2, 3, 4, 6)
    weights, buffers = stack_module_state(members)
    packed = vmap(lambda w, b, y: functional_call(members[0], (w, b), (y,)))(weights, buffers, x)
    assert torch.equal(packed, torch.stack([member(y) for member, y in zip(members, x, strict=True)]))


def test_dropout_does_nothing_in_evaluation_and_its_key_is_not_saved():
    drop = keyed(0.4, 1).eval()
    x = torch.randn(2, 3)
    assert drop(x) is x
    assert not drop.state_dict()
