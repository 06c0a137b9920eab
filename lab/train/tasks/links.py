"""To say which links the next frame of a changing graph has."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab.data.batch import Batch, Dataset
from lab.data.links.pairs import is_symmetric
from lab.errors import LabError
from lab.probes.probe import Scored
from lab.spec.experiment import Training
from lab.spec.link_scores import SCORES
from lab.spec.losses import Entries, loss_of
from lab.spec.models.model import Answer
from lab.spec.tasks import TASKS
from lab.train.tasks.entries import counts_of, picked, places
from lab.train.tasks.link_losses import added, best_constant, cross_entropy, weighed
from lab.train.tasks.link_scores import (
    Answers,
    Picked,
    Thresholds,
    documented,
    of_chances,
    of_changes,
    of_graphs,
    of_ranking,
    of_sums,
    skill,
)
from lab.train.tasks.task import GatheringTask, entropy, ratio, shares_of

BEST = "auc: best possible"
"""The known line that skill is measured by."""


class PredictLinks(GatheringTask):
    """A loss over the entries of a graph, and scores of their ranking, their probabilities and their sums."""

    main = TASKS["predict_links"].main

    def __init__(self, dataset: Dataset, answer: Answer, training: Training) -> None:
        self.dataset, self.answer, self.training = dataset, answer, training
        self.kind = loss_of("predict_links", answer, training.loss)
        self.entries = training.loss_entries

    @property
    def goal(self) -> Literal["max", "min"]:
        """The area is to rise."""
        return TASKS["predict_links"].goals[self.main]

    @cached_property
    def counts(self) -> Tensor:
        """Entries of the training data without and with a link, those that the loss is taken over."""
        return counts_of(self.dataset.splits["train"], self.entries)

    @cached_property
    def scored(self) -> Entries:
        """The entries that are scored."""
        said = self.training.score_entries
        if said != "default":
            return said
        return "upper" if is_symmetric(self.dataset.splits["train"]) else "offdiag"

    @property
    def has_ceiling(self) -> bool:
        """Whether the best possible score of the entries that are scored is known."""
        return BEST in self.dataset.lines and self.scored != "full"

    @property
    def _ratio(self) -> float:
        """How many entries without a link the training data have for every one with it."""
        if self.training.focal.pos_weight not in ("train_constant", "sqrt_train"):
            return 1.0
        others, links = self.counts.tolist()
        return float(others / max(links, 1.0))

    def loss(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean over the entries that count; a batch of nothing but links teaches nothing to the published loss."""
        links = (batch.y != 0).to(outputs.dtype)
        said, due = picked(outputs, self.entries), picked(links, self.entries)
        each, training = cross_entropy(said, due, self.answer), self.training
        total = weighed(self.kind, training.focal, each, due, self._ratio)
        if training.link_terms.content():
            total = total + added(training.link_terms, self._chances(outputs), links, self.entries)
        is_by_batch = self.kind == "weighted_focal" and training.focal.pos_weight == "batch_ratio"
        return total, due.amin() > 0 if is_by_batch else torch.zeros((), dtype=torch.bool, device=due.device)

    def _chances(self, outputs: Tensor) -> Tensor:
        return outputs if self.answer == "probabilities" else outputs.sigmoid()

    def constant_loss(self) -> float:
        """The training loss of the best probability that is the same for all entries."""
        if self.training.link_terms.content() or not self.counts.sum():
            return math.nan
        return best_constant(self.kind, self.training.focal, self.counts, self._ratio)

    def sums(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Scored entries without and with a link, those of each that were taken for the other; the loss, and 1."""
        links = picked(batch.y, self.scored) != 0
        taken = picked(outputs, self.scored) > (0.5 if self.answer == "probabilities" else 0.0)
        counts = [(~links).sum(), links.sum(), (~links & taken).sum(), (links & ~taken).sum()]
        loss = self.loss(outputs, batch)[0].double()
        return torch.cat([torch.stack(counts).double(), torch.stack([loss, torch.ones_like(loss)])])

    def scores(self, sums: list[float]) -> dict[str, float]:
        """The loss; all else is made of the answers themselves."""
        return {"loss": ratio(*sums[4:])}

    def seen(self, sums: list[float]) -> Scored:
        """Entries without a link are class 0, those with one are class 1."""
        others, links, false, lost, loss, batches = sums
        recalls = shares_of([others - false, links - lost], [others, links])
        shares = shares_of([others - false + lost, links - lost + false], [others + links] * 2)
        constant = self.constant_loss() if self.kind != "bce" else entropy([others, links])
        return Scored(ratio(loss, batches), constant, recalls, shares)

    def rows(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        """What was said, what came and what the last frame had, of every entry."""
        last = batch.adjacency if batch.adjacency.ndim == 3 else batch.adjacency[:, -1]
        return outputs.float(), batch.y != 0, last != 0

    def scores_of_rows(self, rows: Mapping[str, Sequence[Tensor]]) -> dict[str, dict[str, float]]:
        """Every score of every split; thresholds are those that suit the validation graphs."""
        answers = {name: self._answers(*own) for name, own in rows.items()}
        cut = {name: own.at(self._places(own)) for name, own in answers.items() if own.is_sound}
        ahead = {name: Thresholds.of(own) for name, own in cut.items() if name == "valid"}
        told: dict[str, dict[str, float]] = {}
        for name, own in answers.items():
            if name in cut:
                self._refuse_single(name, cut[name])
                told[name] = self._told(own, cut[name], ahead.get("valid") or Thresholds.of(cut[name]))
            else:
                known = SCORES.keys() - {"loss"} - (set() if self.has_ceiling else {"skill"})
                told[name] = dict.fromkeys(known, math.nan)
        return told

    def _answers(self, said: Tensor, links: Tensor, last: Tensor) -> Answers:
        return Answers(said.numpy(), links.numpy(), last.numpy(), self.answer)

    def _told(self, own: Answers, cut: Picked, thresholds: Thresholds) -> dict[str, float]:
        undefined = 0.0 if self.training.single_class == "zero" else math.nan
        told = of_ranking(cut, thresholds) | of_graphs(cut, undefined=undefined) | of_chances(cut)
        told |= of_sums(own, cut, diagonal=self.scored == "full")
        told |= of_changes(cut) | documented(own)
        if self.has_ceiling:
            told["skill"] = skill(cut, self.dataset.lines[BEST])
        if undefined == 0.0:
            told |= {name: 0.0 for name in ("auc", "ap", "doc_auc") if math.isnan(told[name])}
        return told

    def _places(self, answers: Answers) -> NDArray[np.int64]:
        return places(self.scored, answers.said.shape[-1], torch.device("cpu")).numpy()

    def _refuse_single(self, name: str, cut: Picked) -> None:
        count = int(cut.by_graph.is_single.sum())
        if count and self.training.single_class == "raise":
            raise LabError(
                f"{count} graphs of the {name} split have no link, or nothing else, and so no AUC",
                hint="say training.single_class: skip to leave them out",
            )
