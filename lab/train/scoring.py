"""Scores of a model on the splits; what they are made of stays on the device until all splits come over together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lab.data.batch import Batch
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
        graphs = {name: _learned_graph(learner, split, task) for name, split in splits.items() if name != "train"}
    learner.model.train(was_training)
    told = dict(zip(once, zip(sums, (each.rows for each in gathered), strict=True), strict=True))
    of_split = {name: told[id(split)] for name, split in splits.items()}
    scores = {name: task.scores(row) for name, (row, _) in of_split.items()}
    if isinstance(task, GatheringTask):
        rows = {name: [each.cpu() for each in own] for name, (_, own) in of_split.items()}
        scores = {name: scores[name] | more for name, more in task.scores_of_rows(rows).items()}
    scores |= {name: scores[name] | task.scores_of_graph(graph) for name, graph in graphs.items() if graph is not None}
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


def _learned_graph(learner: Learner, split: Prepared, task: Task) -> Tensor | None:
    """The mean over a split of what a model says drives what, [nodes, nodes]; None where nobody asks or can tell."""
    learned: Callable[[Batch], Tensor] | None = getattr(learner.model, "learned_graph", None)
    if learned is None or not task.knows_truth:
        return None
    sizes = split.split.sizes
    cuts = evaluation_batches(sizes, learner.experiment.training.batch)
    parts = torch.stack([learned(split.batch(*cut)).double().sum(0) for cut in cuts])
    return parts.sum(0) / len(sizes)
