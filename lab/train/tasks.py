"""What each task trains on and how it is scored; sums stay on the device until an epoch is over."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from lab.data.batch import IGNORED, Batch, Shape
from lab.errors import LabError, choose
from lab.probes.probe import Scored
from lab.spec.experiment import Training
from lab.spec.tasks import TASKS


class Task(ABC):
    """A loss, and scores that are made of sums over batches."""

    main: str
    """The score that schedules and early stopping watch on the validation graphs."""

    @property
    @abstractmethod
    def goal(self) -> Literal["max", "min"]:
        """Whether more of the main score is better."""

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and whether the batch can teach nothing; both 0-d tensors."""

    @abstractmethod
    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """What a batch adds to the scores, one float64 vector."""

    @abstractmethod
    def scores(self, sums: list[float]) -> dict[str, float]:
        """The scores behind the sums over all batches of a split."""

    def seen(self, sums: list[float]) -> Scored:
        """What the same sums tell of single classes, and of how much there is to know."""
        return Scored(self.scores(sums).get("loss", math.nan))


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
        recalls, shares = _each(found, present), _each(said, [sum(present)] * self.classes)
        counts = torch.tensor(present)
        return Scored(ratio(loss, batches), entropy((counts * self.weights(counts)).tolist()), recalls, shares)

    def _parts(self, sums: list[float]) -> tuple[list[float], ...]:
        ends = [self.classes * times for times in range(4)]
        return *(sums[start:end] for start, end in pairwise(ends)), sums[ends[-1] :]


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
        recalls = _each([apart - false, alike - lost], [apart, alike])
        shares = _each([apart - false + lost, alike - lost + false], [alike + apart] * 2)
        weighed = [alike * apart] * 2 if self.weigh else [apart, alike]
        return Scored(ratio(loss, batches), entropy(weighed), recalls, shares)


class RegressNodes(Task):
    """Mean squared error over the real nodes; scored by the mean absolute error."""

    main = TASKS["regress_nodes"].main

    @property
    def goal(self) -> Literal["max", "min"]:
        """Errors are to fall."""
        return TASKS["regress_nodes"].goals["mae"]

    def _errors(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        known = batch.mask[..., None].expand_as(batch.y)
        return torch.where(known, outputs - batch.y, 0.0), known.sum()

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean squared error of the batch."""
        errors, count = self._errors(outputs, batch)
        return errors.square().sum() / count.clamp(min=1), count == 0

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Absolute and squared errors with their count, then the loss and 1 for the batch."""
        errors, count = self._errors(outputs, batch)
        errors = errors.double()
        loss, _ = self.loss(outputs, batch)
        numbers = [errors.abs().sum(), errors.square().sum(), count, loss, torch.ones_like(count)]
        return torch.stack([number.double() for number in numbers])

    def scores(self, sums: list[float]) -> dict[str, float]:
        """Errors over all nodes of the split."""
        absolute, squared, count, loss, batches = sums
        rmse = math.sqrt(squared / count) if count else math.nan
        return {"mae": ratio(absolute, count), "rmse": rmse, "loss": ratio(loss, batches)}


def _each(parts: list[float], wholes: list[float]) -> tuple[float, ...]:
    return tuple(ratio(part, whole) for part, whole in zip(parts, wholes, strict=True))


def entropy(counts: list[float]) -> float:
    """Cross entropy of the best answer that is the same everywhere, for classes of these weights."""
    total = math.fsum(counts)
    return -math.fsum(count / total * math.log(count / total) for count in counts if count) if total else math.nan


def ratio(part: float, whole: float) -> float:
    """A mean from its sum, NaN when there is nothing to average."""
    return part / whole if whole else math.nan


def task_of(name: str, shape: Shape, training: Training) -> Task:
    """The task a dataset sets, for data of this shape."""
    if name == "classify_nodes":
        return ClassifyNodes(shape.classes, weigh=training.class_weights == "batch")
    if name == "classify_pairs":
        return ClassifyPairs(weigh=training.class_weights == "batch")
    if name == "regress_nodes":
        return RegressNodes()
    raise LabError(f"there is no task '{name}'", hint=choose(name, TASKS))
