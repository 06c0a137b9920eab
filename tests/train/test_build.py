"""Building a model: weights by module name, nothing ambient, and the first steps that tell cells apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_trial import GIN, TRANSFORMER, data_of, experiment, run
from torch import Tensor, nn

from lab.data.batch import Shape
from lab.errors import LabError
from lab.exact.block_process import PRESETS
from lab.spec.experiment import Experiment
from lab.spec.models import GraphTransformer
from lab.train.build import build_model, count_params, smoke
from lab.train.feed import count_updates, epoch_updates
from lab.zoo.parts import Dropout

pytestmark = pytest.mark.torch

SHAPE = Shape(nodes=40, classes=2, tokens=3)


def weights(said: dict[str, Any], seed: int = 0, cell: str = "", **sections: Any) -> dict[str, Tensor]:
    model = build_model(experiment(said, **sections), SHAPE, seed, cell)
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name for name in one.keys() & other.keys() if torch.equal(one[name], other[name])}


def test_a_seed_fixes_the_weights() -> None:
    assert equal(weights(GIN), weights(GIN)) == weights(GIN).keys()
    assert "embedding.weight" not in equal(weights(GIN), weights(GIN, seed=1))


@pytest.mark.parametrize("change", [{"mlp_norm": "none"}, {"attention_norm": "none"}, {"layers": 4}, {"dropout": 0.3}])
def test_what_two_cells_share_starts_equal(change: dict[str, Any]) -> None:
    base, other = weights(TRANSFORMER), weights(TRANSFORMER | change)
    shared = {name for name in base.keys() & other.keys() if base[name].shape == other[name].shape}
    assert equal(base, other) == shared
    assert len(shared) >= 20


def test_an_unpaired_init_draws_by_cell() -> None:
    told = [weights(GIN, cell=cell, training={"unpaired": ["init"]}) for cell in ("one", "other")]
    assert "embedding.weight" not in equal(*told)
    paired = [weights(GIN, cell=cell) for cell in ("one", "other")]
    assert equal(*paired) == paired[0].keys()


def test_building_leaves_the_ambient_generator_alone() -> None:
    before = torch.get_rng_state()
    weights(GIN)
    assert torch.equal(torch.get_rng_state(), before)


def test_every_dropout_has_a_site_of_its_own() -> None:
    model = build_model(experiment(TRANSFORMER | {"dropout": 0.1}), SHAPE, 0)
    sites = [module.site for module in model.modules() if isinstance(module, Dropout)]
    assert len(sites) > 4
    assert len(set(sites)) == len(sites)


class Bare(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))


def test_a_module_that_cannot_draw_its_parameters_anew_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said = experiment(TRANSFORMER)
    monkeypatch.setattr(GraphTransformer, "build", lambda self, shape: nn.Sequential(nn.Linear(2, 2), Bare()))
    with pytest.raises(LabError, match="Bare at '1' owns parameters"):
        build_model(said, SHAPE, 0)


class Tuned(nn.Module):
    """Changes a weight of a layer after that layer has drawn it, as many constructors do."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16)
        self.lin = nn.Linear(16, 16)
        change(self.lin.weight)


@pytest.mark.parametrize("change", [nn.init.zeros_, nn.init.xavier_uniform_, nn.init.orthogonal_, nn.init.ones_])
def test_what_a_constructor_does_to_the_weights_of_a_layer_is_never_lost_in_silence(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]
) -> None:
    monkeypatch.setattr(GraphTransformer, "build", lambda self, shape: Tuned(change))
    with pytest.raises(LabError, match="the constructor changed 'weight' of Linear at 'lin'"):
        build_model(experiment(TRANSFORMER), SHAPE, 0)


@given(st.integers(0, 2**32), st.integers(1, 80), st.integers(1, 80))
@settings(max_examples=100, deadline=None)
def test_layers_left_as_they_draw_themselves_are_never_doubted(seed: int, width: int, outputs: int) -> None:
    class Untouched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(seed)
            self.parts = nn.ModuleList([nn.Linear(width, outputs), nn.Embedding(outputs, width), nn.LSTM(width, 2)])

    said = experiment(TRANSFORMER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GraphTransformer, "build", lambda self, shape: Untouched())
        build_model(said, SHAPE, seed)


def test_a_weight_that_two_layers_share_is_drawn_by_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.way_in, self.way_out = nn.Embedding(40, 16), nn.Linear(16, 40)
            self.way_out.weight = self.way_in.weight

    monkeypatch.setattr(GraphTransformer, "build", lambda self, shape: Tied())
    model = build_model(experiment(TRANSFORMER), SHAPE, 0)
    assert float(model.get_parameter("way_in.weight").detach().std()) == pytest.approx(1, abs=0.1)


def test_parameters_are_counted_without_the_frozen_ones() -> None:
    free, frozen = experiment(TRANSFORMER), experiment(TRANSFORMER | {"positional": {"freeze": True}})
    assert count_params(free) == sum(w.numel() for w in weights(TRANSFORMER).values())
    assert count_params(free) - count_params(frozen) == 2 * (2 + 1)


def test_the_first_steps_are_those_of_the_loop() -> None:
    said = experiment(dataset={"train": 8}, training={"epochs": 1, "batch": 4})
    trace, outcome = smoke(said, steps=2), run(said)
    assert outcome.history["train.loss"][0] == pytest.approx(sum(trace.losses) / 2, rel=1e-12)
    assert trace.epoch_steps == 2
    assert trace.num_params == outcome.scores["cost.params"]
    assert trace.step_ms > 0


def test_a_change_that_does_nothing_leaves_the_first_losses_as_they_are() -> None:
    base = smoke(experiment(TRANSFORMER), steps=2)
    idle = smoke(experiment(TRANSFORMER | {"gin_jumping": "sum"}), steps=2)
    active = smoke(experiment(TRANSFORMER | {"norm_first": False}), steps=2)
    assert (idle.params, idle.losses) == (base.params, base.losses)
    assert active.losses != base.losses


def test_a_smoke_run_takes_as_many_steps_as_asked_even_beyond_an_epoch() -> None:
    said = experiment(dataset={"train": 8}, training={"batch": 4})
    assert len(smoke(said, steps=5).losses) == 5


def test_data_is_drawn_by_the_seed_only_where_the_spec_says_so() -> None:
    fixed, fresh = experiment(), experiment(dataset={"draw": "per_seed"})
    shapes = [smoke(said, seed=1).losses for said in (fixed, fresh)]
    assert shapes[0] != shapes[1]
    assert data_of(fixed).shape.classes == 2


def test_an_epoch_of_windows_is_counted_in_windows_however_few_sequences_are_drawn() -> None:
    data = {"kind": "psbm_links", "nodes": 6, "train": 5, "valid": 1, "test": 1, "length": 23, "window": 3, "stride": 2}
    said = {"dataset": data, "model": {"kind": "link_baseline"}, "training": {"batch": 8}}
    assert smoke(Experiment.model_validate(said)).epoch_steps == 7  # 5 sequences of 10 windows


@given(
    st.sampled_from([*({"kind": "psbm_links", "preset": each} for each in PRESETS), {"kind": "seeded_random_graphs"}]),
    st.sampled_from(["by_sequence", "random_windows", "chronological_with_gap"]),
    st.tuples(st.integers(1, 9), st.integers(1, 4), st.integers(1, 4)),
    st.fixed_dictionaries({"batch": st.sampled_from([1, 3, 8]), "accumulate": st.sampled_from([1, 2])}),
    st.fixed_dictionaries({"stride": st.integers(1, 3), "window": st.integers(1, 4)}),
)
@settings(deadline=None, max_examples=25)
def test_an_epoch_is_as_long_as_it_is_said_to_be(
    kind: dict[str, str], split: str, counts: tuple[int, int, int], training: dict[str, int], windows: dict[str, int]
) -> None:
    sequences = dict(zip(("train", "valid", "test"), counts, strict=True))
    data = {**kind, **sequences, **windows, "nodes": 10, "length": 36, "split": split}
    said = {"dataset": data, "model": {"kind": "link_baseline"}, "training": training}
    made = Experiment.model_validate(said)
    sizes = made.dataset.build(0).splits["train"].sizes
    assert smoke(made).epoch_steps == len(epoch_updates(sizes, made.training, 0))


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 3), st.sampled_from(["random", "grouped"]))
@settings(deadline=None, max_examples=60)
def test_updates_are_counted_as_they_are_made(graphs: int, batch: int, accumulate: int, order: str) -> None:
    training = experiment(training={"batch": batch, "accumulate": accumulate, "order": order}).training
    counted = count_updates(graphs, training)
    if counted:
        assert counted == len(epoch_updates(torch.full((graphs,), 5), training, 0))
    else:
        with pytest.raises(LabError, match="nothing would be learnt"):
            epoch_updates(torch.full((graphs,), 5), training, 0)
