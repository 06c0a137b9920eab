"""A pack of several members steps each as if it were alone, whatever becomes of the others."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from small_trial import TRANSFORMER, data_of, experiment
from torch import Tensor

from lab.data.batch import Batch
from lab.data.batching import Prepared
from lab.train.build import build_model
from lab.train.feed import epoch_updates
from lab.train.learner import Learner
from lab.train.pack import Pack
from lab.train.step import Stepper
from lab.train.streams import Streams
from lab.train.tasks import task_of

pytestmark = pytest.mark.torch

RATES = [1e-3, 1e-2, 3e-2]
STEPS = 10


class Packed:
    """Members with learning rates, seeds, clips and batches of their own, in double precision."""

    def __init__(self, which: Sequence[int], *, nan: str = "diverged") -> None:
        model = TRANSFORMER | {"dropout": 0.1}
        self.said = [
            experiment(model, training={"lr": RATES[k], "clip": 0.5 + k, "epochs": 9}, stop_run={"nan": nan})
            for k in which
        ]
        dataset = data_of(self.said[0])
        models = [build_model(said, dataset.shape, k).double() for said, k in zip(self.said, which, strict=True)]
        learners = [Learner.of(s, m, Streams(k)) for s, m, k in zip(self.said, models, which, strict=True)]
        task = task_of(dataset, self.said[0])
        self.stepper = Stepper(Pack(models), learners, task, planned_steps=STEPS)
        self.split = Prepared(dataset.splits["train"], models[0], 0)
        self.losses: list[list[float]] = []

    def batches(self, step: int) -> list[list[Batch]]:
        told = []
        for learner in self.stepper.learners:
            key = learner.streams.key("data_order", step)
            update = epoch_updates(self.split.split.sizes, learner.experiment.training, key)[0]
            told.append([self.split.batch(*cut) for cut in update])
        return told

    def train(self) -> None:
        for step in range(STEPS):
            self.stepper.step(step, self.batches(step))
            self.losses.append(self.stepper.losses[:, 0].tolist())

    def weights(self, member: int) -> Tensor:
        return self.stepper.pack.weights[member].clone()


def test_members_of_a_pack_end_where_they_would_alone() -> None:
    together = Packed([0, 1, 2])
    together.train()
    for member in range(3):
        alone = Packed([member])
        alone.train()
        assert [row[member] for row in together.losses] == pytest.approx([row[0] for row in alone.losses], rel=1e-12)
        torch.testing.assert_close(together.weights(member), alone.weights(0), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nan", ["diverged", "continue"])
def test_a_member_that_breaks_leaves_the_others_as_they_are(nan: str) -> None:
    sound, broken = Packed([0, 1, 2], nan=nan), Packed([0, 1, 2], nan=nan)
    sound.train()
    for step in range(STEPS):
        if step == 4:
            kept = broken.weights(1)
            embedding = broken.stepper.learners[1].model.get_parameter("embedding.weight")
            hook = embedding.register_hook(lambda gradient: gradient * torch.nan)
        if step == 6:
            assert torch.equal(broken.weights(1), kept)
            hook.remove()
        broken.stepper.step(step, broken.batches(step))
    for member in (0, 2):
        assert torch.equal(sound.weights(member), broken.weights(member))
    seen = broken.stepper.read(1)
    assert (seen.bad_step, seen.skipped, seen.is_active) == ((4, 1, False) if nan == "diverged" else (4, 2, True))
    assert torch.equal(broken.weights(1), kept) == (nan == "diverged")
    assert broken.stepper.read(0).bad_step == -1
