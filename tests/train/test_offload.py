"""What waits in the host's memory comes back bit for bit; a run on a CPU is told that it has nothing to gain."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trial import Diary, data_of, experiment
from torch import nn

from lab.errors import LabError
from lab.spec.memory import Memory
from lab.spec.models import ModelSpec
from lab.testing import small_batch
from lab.testing.batches import SHAPES
from lab.testing.settings import changed
from lab.train.build import smoke
from lab.train.loop import Member, train
from lab.train.offload import OnHost, Waiting
from lab.train.recompute import recompute_blocks
from lab.zoo.footprint import memory_stats

pytestmark = pytest.mark.torch

PGAT = [{"time_mixer": mixer} for mixer in ("autocorrelation", "convolution")] + [{"layout": "edge"}, {"node_chunk": 2}]


def step(model, batch, *, on_host):
    """Outputs and gradients of a training step, always from the same chance."""
    model.train().zero_grad()
    torch.manual_seed(5)
    if on_host:
        with OnHost(model.parameters()):
            out = model(batch)
    else:
        out = model(batch)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    return [out.detach(), *(weight.grad for weight in model.parameters() if weight.grad is not None)]


def assert_equal(one, other):
    assert len(one) == len(other)
    assert all(map(torch.equal, one, other))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=0, max_size=4),
    st.sampled_from([torch.float32, torch.bfloat16, torch.float64, torch.complex64, torch.int64, torch.bool]),
    st.randoms(use_true_random=False),
)
def test_tensors_of_any_kind_come_back_bit_for_bit_and_laid_out_as_they_were(sizes, dtype, luck):
    axes = luck.sample(range(len(sizes)), len(sizes))
    whole = (10 * torch.randn(sizes)).to(dtype).permute(axes)
    views = [whole, whole.expand(2, *whole.shape), whole[None].conj()]
    views += [whole.narrow(axis, size // 2, size - size // 2) for axis, size in enumerate(whole.shape)]
    hooks = OnHost([])
    for tensor in views:
        held = hooks.park(tensor)
        back = hooks.fetch(held)
        assert isinstance(held, Waiting)
        assert held.copy.numel() <= whole.numel(), "what is expanded is not copied out"
        assert not tensor.numel() or held.copy.data_ptr() != tensor.data_ptr()
        assert torch.equal(back, tensor)
        assert (back.dtype, back.stride()) == (tensor.dtype, tensor.stride())


def test_weights_stay_where_they_are_also_as_views():
    layer = nn.Linear(4, 3)
    hooks = OnHost(layer.parameters())
    for tensor in (layer.weight, layer.weight.t(), layer.bias[None].expand(2, -1)):
        assert hooks.park(tensor) is tensor
        assert hooks.fetch(tensor) is tensor


@pytest.mark.parametrize("kind", ModelSpec.members)
def test_every_model_learns_the_same_from_what_has_waited(kind):
    spec = ModelSpec.named(kind)()
    spec = changed(spec, "dropout", 0.2) if "dropout" in type(spec).model_fields else spec
    shape = SHAPES[spec.tasks[0]]
    model, batch = spec.build(shape), small_batch(shape)
    assert_equal(step(model, batch, on_host=True), step(model, batch, on_host=False))


@pytest.mark.parametrize("options", PGAT)
@pytest.mark.parametrize("level", ["none", "block", "keep_attention", "keep_products"])
def test_blocks_that_recompute_find_their_inputs_on_the_host(options, level):
    shape = SHAPES["forecast"]
    model, batch = ModelSpec.named("pgat")(width=8, **options).build(shape), small_batch(shape)
    plain = step(model, batch, on_host=False)
    recompute_blocks(model, Memory(recompute=level))
    assert_equal(step(model, batch, on_host=True), plain)


def test_nothing_is_counted_as_kept_but_the_loss():
    shape = SHAPES["forecast"]
    model, batch = ModelSpec.named("pgat")(width=8).build(shape), small_batch(shape)

    def forward(batch):
        with OnHost((*model.parameters(), *model.buffers())):
            return model(batch)

    told = memory_stats(model, batch, forward=forward)
    assert {name for name, _ in told.saved_by_module} == {"the loss"}
    assert not told.dead_parameters


def test_a_run_on_a_cpu_is_told_what_helps_there():
    said = experiment(training={"memory": {"offload": "cpu"}})
    outcome = train([Member(said, seed=0, cell="")], data_of(said), watcher=Diary(), checkpoints=None)[0]
    assert outcome.status == "bug"
    assert "training.memory.offload: cpu is for a GPU" in outcome.error
    assert "training.memory.recompute: block saves memory" in outcome.error
    with pytest.raises(LabError, match="offload"):
        said.training.memory.check_device("cpu")
    for device in ("cuda", "auto"):
        said.training.memory.check_device(device)


def test_the_first_steps_of_a_study_for_a_gpu_can_be_tried_without_one():
    plain, waiting = (smoke(experiment(training={"memory": {"offload": how}}), steps=2) for how in ("off", "cpu"))
    assert plain.losses == waiting.losses


def test_compiled_models_keep_their_own_plan_also_of_what_waits():
    with pytest.raises(ValueError, match=r"memory\.offload is not for compiled models"):
        experiment(training={"compile": True, "memory": {"offload": "cpu"}})
