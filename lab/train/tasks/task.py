"""Task: what a run trains on and how it is scored; sums stay on the device until an epoch is over."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor

from lab.data.batch import Batch
from lab.probes.probe import Scored


class Task(ABC):
    """A loss, and scores that are made of sums over batches."""

    main: str
    """The score that schedules and early stopping watch on the validation graphs."""
    knows_truth: bool = False
    """Whether the graph behind the data is known, so that one that a model has learned can be scored."""

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

    def scores_of_graph(self, learned: Tensor) -> dict[str, float]:
        """The scores of a learned graph [nodes, nodes]; asked for where the truth is known."""
        return {}


class GatheringTask(Task):
    """A task with scores that no sums make up: they need every answer of a split, and maybe those of another split."""

    @abstractmethod
    def rows(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """What a batch adds to the rows of its split, [graphs, ...] each."""

    @abstractmethod
    def scores_of_rows(self, rows: Mapping[str, Sequence[Tensor]]) -> dict[str, dict[str, float]]:
        """The scores behind all rows, by split; the rows are on the CPU."""


def shares_of(parts: list[float], wholes: list[float]) -> tuple[float, ...]:
    """Each part's share of its whole, NaN where that is nothing."""
    return tuple(ratio(part, whole) for part, whole in zip(parts, wholes, strict=True))


def entropy(counts: list[float]) -> float:
    """Cross entropy of the best answer that is the same everywhere, for classes of these weights."""
    total = math.fsum(counts)
    return -math.fsum(count / total * math.log(count / total) for count in counts if count) if total else math.nan


def ratio(part: float, whole: float) -> float:
    """A mean from its sum, NaN when there is nothing to average."""
    return part / whole if whole else math.nan
