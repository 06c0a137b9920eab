"""To say of every ordered pair of nodes whether both are of one class."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lab.data.batch import IGNORED, Batch
from lab.probes.probe import Scored
from lab.spec.tasks import TASKS
from lab.train.tasks.task import Task, entropy, ratio, shares_of


class ClassifyPairs(Task):
    """Binary cross entropy over all ordered pairs of scored nodes: are both of one class?"""

    main = TASKS["classify_pairs"].main

    def __init__(self, *, weigh: bool = True) -> None:
        self.weigh = weigh

    @property
    def goal(self) -> Literal["max", "min"]:
        """Accuracy is to rise."""
        return TASKS["classify_pairs"].goals["acc"]

    def told(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Which pairs are of one class, and which are of two; a pair with an ignored node is neither."""
        scored = batch.y != IGNORED
        pairs = scored[:, :, None] & scored[:, None, :]
        alike = batch.y[:, :, None] == batch.y[:, None, :]
        return pairs & alike, pairs & ~alike

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean over the pairs; weighed, each kind counts by the share of the other, as classes of nodes do."""
        logits = outputs.squeeze(-1)
        alike, apart = self.told(batch)
        counts = torch.stack([alike.sum(), apart.sum()]).to(logits.dtype)
        weights = counts.flip(0) / counts.sum().clamp(min=1) if self.weigh else torch.ones_like(counts)
        total = (weights * counts).sum()
        each = functional.binary_cross_entropy_with_logits(logits, alike.to(logits.dtype), reduction="none")
        share = weights[0] * alike + weights[1] * apart
        return torch.where(share > 0, share * each, 0.0).sum() / torch.where(total > 0, total, 1.0), total == 0

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Pairs of one class and of two, those of each that were missed, then loss and 1 for the batch."""
        alike, apart = self.told(batch)
        said = outputs.squeeze(-1) > 0
        counts = torch.stack([alike.sum(), apart.sum(), (alike & ~said).sum(), (apart & said).sum()])
        loss = self.loss(outputs, batch)[0]
        return torch.cat([counts.double(), torch.stack([loss, torch.ones_like(loss)]).double()])

    def scores(self, sums: list[float]) -> dict[str, float]:
        """Shares over all pairs of the split; a kind of pair that does not occur is left out of the mean."""
        alike, apart, lost, false, loss, batches = sums
        shares = [1 - wrong / count for wrong, count in ((lost, alike), (false, apart)) if count]
        pairs = alike + apart
        return {
            "acc": ratio(pairs - lost - false, pairs),
            "balanced_acc": ratio(math.fsum(shares), len(shares)),
            "false_positives": ratio(false, pairs),
            "false_negatives": ratio(lost, pairs),
            "loss": ratio(loss, batches),
        }

    def seen(self, sums: list[float]) -> Scored:
        """Pairs of two classes are class 0, those of one are class 1."""
        alike, apart, lost, false, loss, batches = sums
        recalls = shares_of([apart - false, alike - lost], [apart, alike])
        shares = shares_of([apart - false + lost, alike - lost + false], [alike + apart] * 2)
        weighed = [alike * apart] * 2 if self.weigh else [apart, alike]
        return Scored(ratio(loss, batches), entropy(weighed), recalls, shares)
