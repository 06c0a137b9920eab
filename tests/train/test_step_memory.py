"""The memory of a step, weighed when a run is over: it moves nothing, and says what would make a step fit."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from small_trial import GIN, data_of, experiment, run
from torch import Tensor

from lab.data.batch import Batch
from lab.records.record import Record
from lab.records.step_memory import MOST_POINTS, thinned
from lab.train.loop import Member
from lab.train.memory import Peak
from lab.train.run import Run
from lab.train.step_memory import Weighed
from lab.zoo.gin import Gin

pytestmark = pytest.mark.torch


def started(model: Mapping[str, object] = GIN, /, **sections: object) -> Run:
    said = experiment(model, **sections)
    return Run(Member(said, 0, cell="cell"), data_of(said), seconds=None)


def test_weighing_moves_no_weight_gradient_statistic_or_random_stream() -> None:
    one = started({"kind": "gin", "layers": 2, "width": 8, "dropout": 0.2}, training={"epochs": 1})
    one.learn(lambda points: None)
    before = {name: tensor.clone() for name, tensor in one.stepper.state().items()}
    gradients, chance = one.pack.gradients.clone(), torch.get_rng_state()
    Weighed.of(one, Peak(torch.device("cpu")), "done")
    assert all(torch.equal(tensor, before[name]) for name, tensor in one.stepper.state().items())
    assert torch.equal(one.pack.gradients, gradients)
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_record_keeps_where_a_step_keeps_most_and_how_much_is_alive() -> None:
    outcome = run(experiment(training={"epochs": 1}))
    memory = outcome.memory
    assert memory.graphs == 4
    assert outcome.scores["cost.saved_mb"] == pytest.approx(memory.saved_bytes / 2**20)
    assert memory.saved_bytes >= sum(size for _, size in memory.saved) > 0
    assert {moment.way for moment in memory.timeline} == {"forward", "backward"}
    alive = max(moment.alive for moment in memory.timeline)
    assert 0 < alive / 2**20 <= outcome.scores["cost.peak_mb"]
    record = Record("cell-0", "cell", "study", "done", 0, memory=memory)
    assert Record.from_json(record.to_json()).memory == memory


def test_a_larger_batch_keeps_more_and_recomputing_keeps_less() -> None:
    def saved(**training: object) -> float:
        return run(experiment(training={"epochs": 1, **training})).scores["cost.saved_mb"]

    assert saved(batch=8) > 1.8 * saved(batch=4)
    assert saved(memory={"recompute": "block"}) < 0.7 * saved()


def test_losses_are_the_same_bit_by_bit_however_often_a_run_is_weighed() -> None:
    weighed, plain = started(training={"epochs": 2}), started(training={"epochs": 2})
    for one in (weighed, plain):
        one.learn(lambda points: None)
        if one is weighed:
            Weighed.of(one, Peak(torch.device("cpu")), "done")
        one.learn(lambda points: None)
    assert weighed.mean_loss == plain.mean_loss
    assert torch.equal(weighed.pack.weights, plain.pack.weights)


class Narrow(Gin):
    """A model whose machine holds two graphs at a time."""

    def forward(self, batch: Batch) -> Tensor:
        if len(batch.x) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(batch)


def test_what_does_not_fit_says_which_modules_keep_most_and_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.zoo.gin.Gin", Narrow)
    outcome = run(experiment(training={"epochs": 1, "batch": 8}))
    assert outcome.status == "out_of_memory"
    assert outcome.memory.graphs == 2
    assert "Tried to allocate" in outcome.error
    assert f"most in {outcome.memory.saved[0][0]} " in outcome.error
    assert "training.memory.recompute: block, which keeps" in outcome.error
    assert "training.batch: 4 with training.accumulate: 2" in outcome.error


def test_a_run_that_could_not_begin_tells_of_the_process_alone() -> None:
    weighed = Weighed.of(None, Peak(torch.device("cpu")), "bug")
    assert weighed.scores.keys() == {"cost.rss_mb"}
    assert weighed.scores["cost.rss_mb"] > 50


def test_thinning_keeps_the_largest_moment_of_every_stretch() -> None:
    points = [(f"m{place}", "forward", (place * 37) % 1000) for place in range(1000)]
    kept = thinned(points)
    assert len(kept) <= MOST_POINTS
    assert max(moment.alive for moment in kept) == 999
    assert [each.module for each in thinned(points[:5])] == ["m0", "m1", "m2", "m3", "m4"]
    assert thinned([]) == ()
