"""To name the class of every node: cross entropy and balanced accuracy."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lab.data.batch import IGNORED, Batch
from lab.probes.probe import Scored
from lab.spec.tasks import TASKS
from lab.train.tasks.task import Task, entropy, ratio, shares_of


class ClassifyNodes(Task):
    """Cross entropy over the scored nodes, and balanced accuracy."""

    main = TASKS["classify_nodes"].main

    def __init__(self, classes: int, *, weigh: bool = True) -> None:
        self.classes = classes
        self.weigh = weigh

    @property
    def goal(self) -> Literal["max", "min"]:
        """Accuracy is to rise."""
        return TASKS["classify_nodes"].goals["acc"]

    def counts(self, labels: Tensor) -> Tensor:
        """Nodes of each class, [classes]."""
        return (labels.flatten()[:, None] == torch.arange(self.classes, device=labels.device)).sum(0)

    def weights(self, counts: Tensor) -> Tensor:
        """The weight of each class: the share of the batch's nodes that are of another class."""
        if not self.weigh:
            return torch.ones_like(counts)
        return torch.where(counts > 0, 1 - counts / counts.sum().clamp(min=1), 0.0)

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Weighted mean over the scored nodes; 0 without a gradient where a batch holds one class only."""
        labels = batch.y.flatten()
        counts = self.counts(labels).to(outputs.dtype)
        weights = self.weights(counts)
        total = (weights * counts).sum()
        rows = outputs.flatten(0, 1)
        summed = functional.cross_entropy(rows, labels, weights, ignore_index=IGNORED, reduction="sum")
        return summed / torch.where(total > 0, total, 1.0), total == 0

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Found, present and chosen nodes of each class, then balanced accuracy, loss and 1 for the batch."""
        labels, counts, chosen = batch.y, self.counts(batch.y), outputs.argmax(-1)
        found = self.counts(torch.where(chosen == labels, labels, IGNORED))
        said = self.counts(torch.where(labels == IGNORED, IGNORED, chosen))
        present = counts > 0
        balanced = (found / counts.clamp(min=1)).sum() / present.sum().clamp(min=1)
        tail = torch.stack([balanced, self.loss(outputs, batch)[0], torch.ones_like(balanced)])
        return torch.cat([found, counts, said, tail]).double()

    def scores(self, sums: list[float]) -> dict[str, float]:
        """Balanced accuracy over the split; a class without nodes is NaN and left out of the mean."""
        found, present, _, (balanced, loss, batches) = self._parts(sums)
        shares = [f / p if p else math.nan for f, p in zip(found, present, strict=True)]
        told = [share for share in shares if not math.isnan(share)]
        return {
            "acc": ratio(sum(told), len(told)),
            **{f"acc_{index}": share for index, share in enumerate(shares)},
            "acc_batches": ratio(balanced, batches),
            "plain_acc": ratio(sum(found), sum(present)),
            "loss": ratio(loss, batches),
        }

    def seen(self, sums: list[float]) -> Scored:
        """Recall and chosen share of every class, and the entropy of the labels as the loss weighs them."""
        found, present, said, (_, loss, batches) = self._parts(sums)
        recalls, shares = shares_of(found, present), shares_of(said, [sum(present)] * self.classes)
        counts = torch.tensor(present)
        return Scored(ratio(loss, batches), entropy((counts * self.weights(counts)).tolist()), recalls, shares)

    def _parts(self, sums: list[float]) -> tuple[list[float], ...]:
        ends = [self.classes * times for times in range(4)]
        return *(sums[start:end] for start, end in pairwise(ends)), sums[ends[-1] :]
