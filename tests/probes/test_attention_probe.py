"""The attention probe: effective sizes, sums, leaks, and rows that may read nothing, counted from the mask."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from probe_bench import Bench
from small_trial import GIN, TRANSFORMER, experiment
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.spec.probes import Attention
from lab.zoo.taps import Tap

pytestmark = pytest.mark.torch

EVERY = Attention(every=1, max_overhead=1.0)


class Heads(nn.Module):
    """One layer of attention whose weights are as a test wants them."""

    def __init__(self, axis: int = -1, *, masked: bool = True, tells: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.axis, self.masked, self.tells, self.scale = axis, masked, tells, scale
        self.embedding = nn.Embedding(3, 8)
        self.tap = Tap("attention")
        self.readout = nn.Linear(8, 2)

    def allowed(self, batch: Batch) -> Tensor:
        return (batch.mask[:, :, None] & batch.mask[:, None, :])[:, None].float()

    def forward(self, batch: Batch) -> Tensor:
        x = self.embedding(batch.x)
        allowed = self.allowed(batch)
        heads = torch.stack([x[..., :4] @ x[..., :4].transpose(1, 2), x[..., 4:] @ x[..., 4:].transpose(1, 2)], 1)
        logits = heads * self.scale
        if self.masked:
            logits = logits.masked_fill(allowed == 0, -1e9)
        weights = logits.softmax(self.axis)
        weights = self.tap(weights, allowed) if self.tells else self.tap(weights)
        logits_out: Tensor = self.readout(weights.mean(1) @ x)
        return logits_out


def bench_of(model: nn.Module) -> Bench:
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    return Bench(experiment(GIN), EVERY, model=model)


def test_effective_sizes_are_means_over_real_rows_of_the_first_graphs() -> None:
    bench = bench_of(Heads())
    seen: list[Tensor] = []
    bench.model.get_submodule("tap").register_forward_hook(lambda module, args, output: seen.append(output.detach()))
    told, mask = bench.read(), bench.batch.mask[:4]
    for head in range(2):
        sizes = (1 / seen[0][:4, head].square().sum(-1))[mask]
        keys = mask.sum(1, keepdim=True).expand(mask.shape)[mask]
        assert told[f"tap#{head}", "n_eff"] == pytest.approx(sizes.mean().item(), rel=1e-5)
        assert told[f"tap#{head}", "n_eff_share"] == pytest.approx((sizes / keys).mean().item(), rel=1e-5)
    assert told["tap", "row_err"] < 1e-5
    assert told["tap", "mask_leak"] < 1e-6
    assert told["tap", "masked_rows"] == 0
    assert told["tap", "masked_padding"] == (~bench.batch.mask).sum().item()


def test_uniform_attention_reads_all_and_a_sharp_one_reads_a_single_node() -> None:
    told = bench_of(Heads(scale=0.0)).read()
    assert told["tap#0", "n_eff_share"] == pytest.approx(1.0, rel=1e-5)
    sharp = bench_of(Heads(scale=1e4)).read()
    assert sharp["tap#0", "n_eff_share"] < 0.9 * told["tap#0", "n_eff_share"]


def test_a_softmax_over_the_wrong_axis_does_not_sum_to_one() -> None:
    assert bench_of(Heads(axis=-2)).read()["tap", "row_err"] > 1e-2


def test_weight_on_masked_keys_is_a_leak() -> None:
    assert bench_of(Heads(masked=False)).read()["tap", "mask_leak"] > 1e-2


def test_where_a_tap_says_no_mask_real_nodes_are_what_may_be_read() -> None:
    told = bench_of(Heads(masked=False, tells=False)).read()
    assert told["tap", "mask_leak"] > 1e-2
    assert told["tap", "masked_rows"] != told["tap", "masked_rows"], "there is no mask to count in"


def test_rows_without_a_key_are_counted_in_every_graph_of_the_batch() -> None:
    class Cut(Heads):
        def allowed(self, batch: Batch) -> Tensor:
            told = super().allowed(batch)
            told[-1, :, :2] = 0
            return told

    told = bench_of(Cut()).read()
    assert told["tap", "masked_rows"] == 2


def test_gates_have_no_sum_to_keep() -> None:
    bench = Bench(experiment(TRANSFORMER), EVERY)
    told = bench.read()
    assert told["layers.0.attention.weights", "row_err"] != told["layers.0.attention.weights", "row_err"]
    assert told["layers.0.attention.weights#0", "n_eff_share"] <= 1


def test_an_empty_row_of_the_mask_is_nothing_to_average_over() -> None:
    bench = Bench(experiment(TRANSFORMER | {"mixing": "softmax"}), EVERY)
    mask = bench.batch.mask.clone()
    mask[0] = False
    told = bench.read(0, replace(bench.batch, mask=mask, y=torch.where(mask, bench.batch.y, -1)))
    assert 1 <= told["layers.0.attention.weights#0", "n_eff"] <= mask.shape[1]
    assert told["layers.0.attention.weights", "row_err"] < 1e-5
