"""Scores of a model on the splits; what they are made of stays on the device until all splits come over together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.data.batching import Prepared, evaluation_batches
from lab.probes.probe import Scored
from lab.train.learner import Learner
from lab.train.tasks import GatheringTask, Task


@dataclass(frozen=True)
class Told:
    """What the scoring of some splits has told."""

    scores: dict[str, float]
    """Every score of every split, as "split.score"."""
    seen: Mapping[str, Scored]
    """Split -> what was seen of single classes."""


@dataclass(frozen=True)
class Gathered:
    """What the scores of a split are made of, on the device."""

    sums: Tensor
    rows: tuple[Tensor, ...]
    """All answers one after another; nothing for a task whose scores are made of sums."""


def score(learner: Learner, splits: Mapping[str, Prepared], task: Task) -> Told:
    """Score splits in evaluation mode; the mode of before comes back."""
    was_training = learner.model.training
    learner.model.eval()
    once = {id(split): split for split in splits.values()}
    with torch.no_grad():
        gathered = [_gathered(learner, split, task) for split in once.values()]
        sums = torch.stack([each.sums for each in gathered]).tolist()
    learner.model.train(was_training)
    told = dict(zip(once, zip(sums, (each.rows for each in gathered), strict=True), strict=True))
    of_split = {name: told[id(split)] for name, split in splits.items()}
    scores = {name: task.scores(row) for name, (row, _) in of_split.items()}
    if isinstance(task, GatheringTask):
        rows = {name: [each.cpu() for each in own] for name, (_, own) in of_split.items()}
        scores = {name: scores[name] | more for name, more in task.scores_of_rows(rows).items()}
    return Told(
        {f"{name}.{score}": value for name, own in scores.items() for score, value in own.items()},
        {name: task.seen(row) for name, (row, _) in of_split.items()},
    )


def _gathered(learner: Learner, split: Prepared, task: Task) -> Gathered:
    total, parts = torch.zeros(()), []
    for cut in evaluation_batches(split.split.sizes, learner.experiment.training.batch):
        batch = split.batch(*cut)
        outputs = learner.forward(batch)
        total = task.sums(outputs, batch) + total.to(batch.x.device)
        if isinstance(task, GatheringTask):
            parts.append(task.rows(outputs, batch))
    return Gathered(total, tuple(torch.cat(each) for each in zip(*parts, strict=True)))
