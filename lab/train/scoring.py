"""Scores of a model on the splits; what they are made of stays on the device until all splits come over together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.data.batching import Prepared, evaluation_batches
from lab.probes.probe import Scored
from lab.train.learner import Learner
from lab.train.tasks import GatheringTask, Task

Watched = AbstractContextManager[Callable[[], Tensor]]
"""Gives what tells the graph of a pass that is made inside."""


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
    graph: Tensor | None
    """The mean over the split of what a model says drives what, [nodes, nodes]; None where nobody asks or can tell."""


def score(learner: Learner, splits: Mapping[str, Prepared], task: Task) -> Told:
    """Score splits in evaluation mode; the mode of before comes back."""
    was_training = learner.model.training
    learner.model.eval()
    once = {id(split): split for split in splits.values()}
    with torch.no_grad():
        held_out = {id(split) for name, split in splits.items() if name != "train"}
        gathered = [_gathered(learner, split, task, asks=key in held_out) for key, split in once.items()]
        sums = torch.stack([each.sums for each in gathered]).tolist()
    learner.model.train(was_training)
    told = dict(zip(once, zip(sums, (each.rows for each in gathered), strict=True), strict=True))
    of_split = {name: told[id(split)] for name, split in splits.items()}
    scores = {name: task.scores(row) for name, (row, _) in of_split.items()}
    if isinstance(task, GatheringTask):
        rows = {name: [each.cpu() for each in own] for name, (_, own) in of_split.items()}
        scores = {name: scores[name] | more for name, more in task.scores_of_rows(rows).items()}
    graphs = dict(zip(once, (each.graph for each in gathered), strict=True))
    for name, split in splits.items():
        if name != "train" and (graph := graphs[id(split)]) is not None:
            scores[name] = scores[name] | task.scores_of_graph(graph)
    return Told(
        {f"{name}.{score}": value for name, own in scores.items() for score, value in own.items()},
        {name: task.seen(row) for name, (row, _) in of_split.items()},
    )


def _gathered(learner: Learner, split: Prepared, task: Task, *, asks: bool) -> Gathered:
    total, parts, graphs = torch.zeros(()), [], []
    for cut in evaluation_batches(split.split.sizes, learner.experiment.training.batch):
        batch = split.batch(*cut)
        with _graph_of(learner, batch) if asks and task.knows_truth else nullcontext() as graph:
            outputs = learner.forward(batch)
            if graph is not None:
                graphs.append(graph().double().sum(0))
        total = task.sums(outputs, batch) + total.to(batch.x.device)
        if isinstance(task, GatheringTask):
            parts.append(task.rows(outputs, batch))
    learned = torch.stack(graphs).sum(0) / len(split.split.sizes) if graphs else None
    return Gathered(total, tuple(torch.cat(each) for each in zip(*parts, strict=True)), learned)


@contextmanager
def _graph_of(learner: Learner, batch: Batch) -> Iterator[Callable[[], Tensor] | None]:
    """What tells the graph that a model reads in the pass made inside; None of a model that has none to tell.

    A compiled model would be compiled anew with hooks in place, and one may know its graph without watching a pass:
    such a model is asked for the graph itself.
    """
    watched: Callable[[Batch], Watched] | None = getattr(learner.model, "graph_seen", None)
    asked: Callable[[Batch], Tensor] | None = getattr(learner.model, "learned_graph", None)
    if watched is not None and not learner.experiment.training.compile:
        with watched(batch) as told:
            yield told
    else:
        yield None if asked is None else partial(asked, batch)
