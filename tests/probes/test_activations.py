"""The activation probe: what cheap formulas tell of real nodes is what the textbook ones would."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from probe_bench import Bench, Counting
from small_trial import GIN, TRANSFORMER, experiment, run
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.probes.sites import sites
from lab.records.chunk import TOTAL
from lab.spec.probes import Activations, Attention, Inputs, Padding
from lab.train.build import build_model

pytestmark = pytest.mark.torch

EVERY = Activations(every=1, max_overhead=1.0)


def outputs_of(bench: Bench, step: int = 0) -> dict[str, Tensor]:
    """What every site puts out, seen by hooks of the test's own while the same step is taken."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Tensor) -> None:
            seen[name] = output.detach().clone()

        return hook

    handles = [site.module.register_forward_hook(keep(site.name)) for site in sites(bench.model)]
    bench.step(step)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
def test_it_tells_what_the_textbook_would_of_real_nodes(model: dict[str, Any]) -> None:
    bench = Bench(experiment(model), EVERY)
    seen = outputs_of(bench)
    (chunk, _), mask = bench.chunks(), bench.batch.mask
    assert not mask.all()
    kinds = {site.name: site.kind for site in sites(bench.model)}
    assert set(chunk.names) == set(seen)
    for place, name in enumerate(chunk.names):
        told = dict(zip(chunk.statistics, chunk.values[0, :, place].tolist(), strict=True))
        if kinds[name] in ("attention", "gate"):
            continue
        real, padding = seen[name][mask], seen[name][~mask]
        assert told["mean"] == pytest.approx(real.mean().item(), rel=1e-4, abs=1e-5)
        assert told["std"] == pytest.approx(real.std(unbiased=False).item(), rel=1e-3)
        assert told["abs_max"] == pytest.approx(real.abs().max().item())
        assert told["nonfinite"] == 0
        if kinds[name] == "relu":
            assert told["dead_units"] == pytest.approx((real.amax(0) <= 0).float().mean().item())
        if kinds[name] in ("block", "logits"):
            assert told["pad_out"] == pytest.approx(padding.abs().max().item())
            assert told["pad_grad"] == 0


def test_depth_gain_is_over_the_blocks() -> None:
    bench = Bench(experiment(GIN | {"layers": 3}), EVERY)
    told = bench.read()
    spreads = [told[f"stage.layers.{layer}", "std"] for layer in range(3)]
    assert told[TOTAL, "depth_gain"] == pytest.approx(max(spreads) / min(spreads), rel=1e-5)


def test_a_gate_is_saturated_where_it_may_read_and_lies_at_an_end() -> None:
    bench = Bench(experiment(TRANSFORMER), EVERY)
    name = "layers.0.attention.weights"
    assert bench.read()[name, "sat"] == 0
    with torch.no_grad():
        bench.model.get_parameter("layers.0.attention.positional.bias").fill_(12.0)
    assert bench.read(1)[name, "sat"] == 1


def test_a_leak_of_gradients_into_padding_is_seen() -> None:
    bench = Bench(experiment(GIN), EVERY)
    everywhere = torch.where(bench.batch.mask, bench.batch.y, 0)
    told = bench.read(0, replace(bench.batch, y=everywhere))
    assert told["logits", "pad_grad"] > 0


def test_a_nan_in_one_graph_is_counted_where_it_first_comes_out_and_behind() -> None:
    bench = Bench(experiment(GIN), EVERY)
    with torch.no_grad():
        bench.model.get_parameter("stage.layers.1.between_norm.bias")[0] = torch.nan
    told = bench.read()
    assert told["stage.layers.0", "nonfinite"] == 0
    assert told["stage.layers.1", "nonfinite"] == told["logits", "nonfinite"] == 1


def test_hooks_live_only_while_a_step_that_is_due_is_taken() -> None:
    bench = Bench(experiment(GIN), Activations(every=7, max_overhead=1.0), Attention(max_overhead=1.0))
    hooked: list[int] = []
    bench.model.register_forward_pre_hook(
        lambda module, args: hooked.append(len(module.get_submodule("logits")._forward_hooks))
    )
    for step in range(18, 30):
        bench.step(step)
        assert not bench.model.get_submodule("logits")._forward_hooks
    assert hooked == [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    assert bench.chunks()[0].steps.tolist() == [18, 19, 21, 28]


@pytest.mark.parametrize("model", [GIN, TRANSFORMER], ids=["gin", "transformer"])
def test_no_reading_makes_the_host_wait(model: dict[str, Any]) -> None:
    bench = Bench(experiment(model), EVERY, Attention(every=1, max_overhead=1.0), Inputs(every=1), Padding())
    with Counting() as first:
        bench.step(0)
    with Counting() as later:
        bench.step(1)
    assert first.waits == later.waits == []


class Plain(nn.Module):
    """A model as a plug-in may be written: no taps, its own shapes, and a part that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, 8)
        self.body = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8), nn.ReLU())
        self.spare = nn.ReLU()
        self.softmax = nn.Softmax(-1)
        self.readout = nn.Linear(8, 2)

    def forward(self, batch: Batch) -> Tensor:
        x = self.body(self.embedding(batch.x))
        weights = self.softmax(x @ x.transpose(1, 2))
        logits: Tensor = self.readout(weights @ x)
        return logits


def test_a_model_without_taps_is_read_at_its_plain_modules() -> None:
    found = {site.name: site.kind for site in sites(Plain())}
    expected = {"body.1": "norm", "body.2": "relu", "spare": "relu", "softmax": "attention", "readout": "logits"}
    assert found == expected
    bench = Bench(experiment(GIN), EVERY, model=Plain())
    told = bench.read()
    assert told["readout", "std"] > 0
    assert 0 <= told["body.2", "dead_units"] < 1


def test_a_module_that_is_never_called_is_told_once_and_not_read() -> None:
    bench = Bench(experiment(GIN), EVERY, model=Plain())
    for step in range(3):
        bench.step(step)
    assert "spare" not in bench.chunks()[0].names
    (remark,) = bench.recorder.remarks()
    assert (remark.rule, remark.scope, remark.level) == ("not_measured", "spare", "info")


class Odd(Plain):
    """Puts out what no measure fits: an empty tensor, and a tuple."""

    def forward(self, batch: Batch) -> Tensor:
        self.spare(torch.zeros(0, 3))
        return super().forward(batch)


def test_outputs_of_any_shape_pass() -> None:
    bench = Bench(experiment(GIN), EVERY, model=Odd())
    assert bench.read()["readout", "nonfinite"] == 0


def test_a_batch_of_one_node_is_read() -> None:
    bench = Bench(experiment(GIN), EVERY, Attention(every=1, max_overhead=1.0), Inputs(), Padding())
    one = replace(
        bench.batch,
        x=bench.batch.x[:1, :1],
        adjacency=bench.batch.adjacency[:1, :1, :1],
        mask=bench.batch.mask[:1, :1],
        y=bench.batch.y[:1, :1],
        ids=bench.batch.ids[:1],
    )
    bench.step(0, one)
    bench.recorder.flush()
    told = {chunk.probe: chunk for chunk in bench.recorder.fresh if chunk.names == (TOTAL,)}
    assert told["inputs"].of("bn_single")[0, 0] == 1
    padding = next(chunk for chunk in bench.recorder.fresh if chunk.probe == "padding")
    assert not (padding.values > 0).any()


def test_compiled_models_are_left_alone_and_that_is_said() -> None:
    specs = EVERY, Attention(), Padding()
    bench = Bench(experiment(GIN), *specs, compiled=True)
    bench.step(0)
    bench.recorder.flush()
    assert bench.recorder.fresh == []
    assert [remark.says.split("'")[1] for remark in bench.recorder.remarks()] == ["activations", "attention", "padding"]


def test_what_is_read_goes_into_the_table_with_gaps_where_nothing_applies() -> None:
    outcome = run(experiment(TRANSFORMER, probes=[{"kind": "activations", "every": 1, "max_overhead": 1}]))
    assert outcome.readings is not None
    rows = outcome.readings.to_pandas().query("probe == 'activations'")
    assert rows[rows.name == TOTAL].depth_gain.notna().all()
    assert rows[rows.name == "layers.0"].dead_units.isna().all()
    assert rows[rows.name == "layers.0"]["std"].notna().all()


def test_a_model_is_built_with_all_its_places_marked() -> None:
    said = experiment(TRANSFORMER)
    kinds = [site.kind for site in sites(build_model(said, said.dataset.build(0).shape, 0))]
    assert kinds.count("block") == kinds.count("gate") == kinds.count("relu") == 2
    assert kinds.count("logits") == 1
