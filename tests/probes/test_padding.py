"""The padding probe: it finds what noise in padding or in other graphs reaches, and leaves no trace of its passes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from probe_bench import Bench
from small_trial import GIN, TRANSFORMER, experiment, run
from torch import Tensor, nn

from lab.data.batch import Batch
from lab.probes.untouched import untouched
from lab.spec.experiment import Experiment
from lab.spec.probes import Padding
from lab.zoo.gin import GinLayer
from lab.zoo.parts import BatchNorm

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("model", [GIN, TRANSFORMER | {"dropout": 0.2}], ids=["gin", "transformer"])
def test_sound_models_do_not_see_padding_nor_each_other(model: dict[str, Any]) -> None:
    told = Bench(experiment(model), Padding()).read()
    assert {name for name, _ in told} > {"logits"}
    assert max(told.values()) < 1e-5


def test_a_norm_over_padding_leaks_in_training_mode_only() -> None:
    bench = Bench(experiment(TRANSFORMER | {"masked_norm": False}), Padding())
    told = bench.read()
    assert told["logits", "inv_pad_train"] > 1e-3
    assert told["logits", "inv_pad"] < 1e-5


class Leaky(nn.Module):
    """Adds the mean over some axis to every node."""

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes
        self.embedding = nn.Embedding(3, 8)
        self.block = Add(axes)
        self.readout = nn.Linear(8, 2)

    def forward(self, batch: Batch) -> Tensor:
        logits: Tensor = self.readout(self.block(self.embedding(batch.x)))
        return logits


class Add(nn.Module):
    tapped = "block"

    def __init__(self, axes: tuple[int, ...]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x + x.mean(self.axes, keepdim=True)


def test_pooling_over_padding_is_found_and_so_is_the_block_it_starts_in() -> None:
    told = Bench(experiment(GIN), Padding(), model=Leaky((1,))).read()
    assert told["block", "inv_pad"] > 1e-3
    assert told["logits", "inv_pad"] > 1e-3
    assert told["logits", "inv_graph"] < 1e-6


def test_what_one_graph_takes_from_another_is_found() -> None:
    told = Bench(experiment(GIN), Padding(), model=Leaky((0,))).read()
    assert told["block", "inv_graph"] > 1e-3


def test_without_padding_there_is_nothing_to_say_of_it() -> None:
    bench = Bench(experiment(GIN), Padding())
    full = replace(bench.batch, mask=torch.ones_like(bench.batch.mask), y=bench.batch.y.clamp(min=0))
    told = bench.read(0, full)
    assert np.isnan(told["logits", "inv_pad"])
    assert told["logits", "inv_graph"] < 1e-5


def test_one_graph_alone_has_no_other() -> None:
    bench = Bench(experiment(GIN), Padding())
    batch = bench.batch
    cut = {name: getattr(batch, name)[:1] for name in ("x", "adjacency", "mask", "y", "ids")}
    assert np.isnan(bench.read(0, replace(batch, **cut))["logits", "inv_graph"])


@pytest.mark.parametrize(("source", "leaks"), [("own_last", False), ("first_of_batch_first_frame", True)])
def test_of_windows_it_finds_an_answer_that_hangs_on_the_company_it_is_in(source: str, leaks: bool) -> None:
    links = {
        "kind": "psbm_links",
        "nodes": 6,
        "communities": 2,
        "window": 8,
        "length": 20,
        "train": 2,
        "valid": 1,
        "test": 1,
    }
    said = Experiment.model_validate(
        {"dataset": links, "model": {"kind": "stgcn", "graph": {"source": source}}, "training": {"batch": 8}}
    )
    told = Bench(said, Padding()).read()
    assert np.isnan(told["logits", "inv_pad"])
    assert (told["logits", "inv_graph"] > 1e-3) == leaks


def test_it_checks_before_the_first_step_and_before_each_further_epoch() -> None:
    outcome = run(experiment(GIN, training={"epochs": 5}, probes=[{"kind": "padding", "every": 2}]))
    assert outcome.readings is not None
    assert sorted(set(outcome.readings.to_pandas().step)) == [0, 12, 24]


def test_a_model_that_refuses_the_check_goes_on_training_and_says_so() -> None:
    class Picky(Leaky):
        def forward(self, batch: Batch) -> Tensor:
            if len(batch.mask) < 8:
                raise ValueError("I want whole batches")
            return super().forward(batch)

    bench = Bench(experiment(GIN), Padding(), model=Picky((1,)))
    bench.step(0)
    (remark,) = bench.recorder.remarks()
    assert "I want whole batches" in remark.says
    assert bench.chunks() == []


class Restless(nn.Module):
    """Keeps a count in a buffer, draws at random, and has a part that stays in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.frozen = BatchNorm(4).eval()

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        np.random.random()
        return self.frozen(x, torch.ones(x.shape[:-1], dtype=torch.bool)) * torch.rand(())


def test_a_lent_model_comes_back_as_it_was() -> None:
    model = Restless()
    model.frozen.eval()
    chance, draws = torch.get_rng_state(), np.random.get_state()[2]
    with untouched(model, torch.device("cpu")):
        model.train()
        model(torch.randn(2, 3, 4))
        assert model.get_buffer("count") == 1
    assert model.get_buffer("count") == 0
    assert model.training
    assert not model.frozen.training
    assert torch.equal(model.frozen.get_buffer("running_mean"), torch.zeros(4))
    assert torch.equal(torch.get_rng_state(), chance)
    assert np.random.get_state()[2] == draws


def test_a_lent_model_comes_back_even_if_the_borrower_fails() -> None:
    model = Restless()
    with pytest.raises(RuntimeError, match="must match"), untouched(model, torch.device("cpu")):
        model(torch.randn(2, 3, 5))
    assert model.get_buffer("count") == 0


def test_blocks_are_named_as_the_model_names_them() -> None:
    bench = Bench(experiment(GIN), Padding())
    blocks = [name for name, module in bench.model.named_modules() if isinstance(module, GinLayer)]
    bench.step(0)
    assert bench.chunks()[0].names == (*blocks, "logits")
