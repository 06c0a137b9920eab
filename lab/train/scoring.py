"""Scores of a model on the splits; sums stay on the device, and all splits come over in one transfer."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from lab.data.batching import Prepared, evaluation_batches
from lab.train.learner import Learner
from lab.train.tasks import Task


def sums_of(learner: Learner, splits: Mapping[str, Prepared], task: Task) -> dict[str, list[float]]:
    """What the scores of every split are made of, in evaluation mode; the mode of before comes back."""
    was_training = learner.model.training
    learner.model.eval()
    once = list({id(split): split for split in splits.values()}.values())
    with torch.no_grad():
        sums = torch.stack([_sums(learner, split, task) for split in once])
    learner.model.train(was_training)
    told = {id(split): row for split, row in zip(once, sums.tolist(), strict=True)}
    return {name: told[id(split)] for name, split in splits.items()}


def scores_of(sums: Mapping[str, list[float]], task: Task) -> dict[str, float]:
    """Every score of every split, as "split.score"."""
    return {f"{name}.{score}": value for name, row in sums.items() for score, value in task.scores(row).items()}


def _sums(learner: Learner, split: Prepared, task: Task) -> torch.Tensor:
    total = torch.zeros(())
    for cut in evaluation_batches(split.split.sizes, learner.experiment.training.batch):
        batch = split.batch(*cut)
        total = task.sums(learner.forward(batch), batch) + total.to(batch.x.device)
    return total
