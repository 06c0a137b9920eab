"""Recomputing blocks, and choosing how attention is computed, change what a step costs and nothing of what it finds."""

from __future__ import annotations

import pytest
import torch
from small_trial import GIN, TRANSFORMER, Diary, data_of, experiment

from lab.errors import LabError
from lab.spec.memory import Memory
from lab.spec.models import DegreeLogreg, ModelSpec, Pgat
from lab.testing import small_batch
from lab.testing.batches import SHAPES
from lab.testing.settings import changed
from lab.train.loop import Member, train
from lab.train.recompute import attention_kernel, blocks, recompute_blocks
from lab.zoo.footprint import memory_stats

pytestmark = pytest.mark.torch

LEVELS = ("block", "keep_attention", "keep_products")


def with_dropout(kind):
    """The model at its defaults, dropping some of what it can drop."""
    spec = ModelSpec.named(kind)()
    return changed(spec, "dropout", 0.2) if "dropout" in type(spec).model_fields else spec


def has_blocks(kind):
    spec = ModelSpec.named(kind)()
    return bool(blocks(spec.build(SHAPES[spec.tasks[0]])))


def step(model, batch, memory):
    """Outputs, gradients and running statistics of one training step, always from the same start."""
    recompute_blocks(model.train(), memory)
    model.zero_grad()
    torch.manual_seed(5)
    out = model(batch)
    (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
    found = {"out": out.detach(), **{f"grad {name}": weight.grad for name, weight in model.named_parameters()}}
    return found | {f"buffer {name}": buffer.clone() for name, buffer in model.named_buffers()}


@pytest.mark.parametrize("kind", filter(has_blocks, ModelSpec.members))
def test_blocks_computed_again_give_every_bit_of_outputs_gradients_and_running_statistics(kind):
    spec = with_dropout(kind)
    shape = SHAPES[spec.tasks[0]]
    batch, start = small_batch(shape), spec.build(shape)
    told = {}
    for level in ("none", *LEVELS):
        model = spec.build(shape)
        model.load_state_dict(start.state_dict())
        told[level] = step(model, batch, Memory(recompute=level))
    for level in LEVELS:
        for name, value in told["none"].items():
            found = told[level][name]
            assert (value is None and found is None) or torch.equal(value, found), f"{level}: {name}"


@pytest.mark.parametrize("kind", filter(has_blocks, ModelSpec.members))
def test_what_blocks_compute_again_they_do_not_keep(kind):
    spec = ModelSpec.named(kind)()
    shape = SHAPES[spec.tasks[0]]
    model, batch = spec.build(shape), small_batch(shape)
    plain = memory_stats(model, batch).saved_bytes
    recompute_blocks(model.train(), Memory(recompute="block"))
    assert memory_stats(model, batch).saved_bytes < 0.9 * plain


@pytest.mark.parametrize("model", [GIN | {"dropout": 0.2}, TRANSFORMER | {"dropout": 0.2}])
def test_a_whole_run_with_probes_ends_with_the_same_scores(model):
    def run(**memory):
        said = experiment(model, training={"memory": memory}, probes="full")
        member = Member(said, seed=1, cell="same")
        return train([member], data_of(said), watcher=Diary(), checkpoints=None)[0]

    plain = run()
    assert plain.status == "done", plain.error
    for level in LEVELS:
        again = run(recompute=level)
        assert again.status == "done", again.error
        assert again.history == plain.history
        costs = {name for name in plain.scores if name.startswith("cost.")}
        assert {k: v for k, v in again.scores.items() if k not in costs} == {
            k: v for k, v in plain.scores.items() if k not in costs
        }
        assert again.readings.num_rows > 0


def test_torch_draws_the_same_again():
    class Noisy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.block = NoisyBlock()

        def forward(self, x):
            return self.block(x)

    class NoisyBlock(torch.nn.Linear):
        tapped = "block"

        def __init__(self):
            super().__init__(4, 4)

        def forward(self, x):
            return super().forward(x * torch.rand(x.shape)).tanh()

    model, x = Noisy(), torch.randn(3, 4)
    told = []
    for level in ("none", "block"):
        recompute_blocks(model, Memory(recompute=level))
        model.zero_grad()
        torch.manual_seed(3)
        model(x).sum().backward()
        told.append((model.block.weight.grad.clone(), torch.rand(2)))
    assert torch.equal(told[0][0], told[1][0])
    assert torch.equal(told[0][1], told[1][1]), "what is drawn after the step must not move either"


def test_a_hook_on_a_block_is_called_once_a_step():
    spec = Pgat(layers=2, width=8)
    model, batch = spec.build(SHAPES["forecast"]), small_batch(SHAPES["forecast"])
    recompute_blocks(model, Memory(recompute="block"))
    calls = []
    model.blocks[0].register_forward_hook(lambda *_: calls.append(1))
    model(batch).sum().backward()
    assert len(calls) == 1


def test_only_every_second_block_is_recomputed_where_that_is_asked_for():
    spec = Pgat(layers=4, width=8)
    model = spec.build(SHAPES["forecast"])
    recompute_blocks(model, Memory(recompute="block", recompute_every=2))
    assert ["forward" in vars(block) for block in model.blocks] == [True, False, True, False]
    recompute_blocks(model, Memory())
    assert not any("forward" in vars(block) for block in model.blocks)


def test_a_model_without_blocks_is_told_so():
    with pytest.raises(LabError, match="no blocks to recompute"):
        recompute_blocks(DegreeLogreg().build(SHAPES["classify_nodes"]), Memory(recompute="block"))


def test_compiled_models_keep_their_own_plan():
    with pytest.raises(ValueError, match="compiler makes its own plan"):
        experiment(training={"compile": True, "memory": {"recompute": "block"}})


def test_kernels_of_attention_agree_and_fused_is_an_error_where_it_cannot_be_had():
    spec = Pgat(width=16, dropout=0.0)
    model, batch = spec.build(SHAPES["forecast"]), small_batch(SHAPES["forecast"])
    told = []
    for kind in ("math", "fused"):
        model.zero_grad()
        with attention_kernel(kind):
            out = model(batch)
        out.square().sum().backward()
        told.append([out.detach(), *(weight.grad.clone() for weight in model.parameters())])
    for one, other in zip(*told, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    query = torch.randn(1, 2, 4, 8, requires_grad=True)
    learned = torch.zeros(4, 4, requires_grad=True)
    with attention_kernel("fused"), pytest.raises(RuntimeError):
        torch.nn.functional.scaled_dot_product_attention(query, query, query, attn_mask=learned)
