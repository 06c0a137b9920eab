"""Scores of predicted links, made of all answers of a split on the host; `lab.spec.link_scores` says what they mean."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lab.exact.ranking import Flags, Numbers, Ranking
from lab.spec.models.model import Answer

BINS = 15
"""Bins of equal mass that calibration is read in."""
LOWEST_LOG = -100.0
"""What logarithms of probabilities are cut off at, as in torch's cross entropy."""


@dataclass(frozen=True)
class Answers:
    """All that was said of the graphs of a split, what came, and what the last frame had; [graphs, nodes, nodes]."""

    said: NDArray[np.float32]
    """Logits or probabilities, as the model puts them out."""
    links: Flags
    last: Flags
    kind: Answer

    @cached_property
    def chances(self) -> Numbers:
        """The probability of every entry."""
        return chances_of(self.said, self.kind)

    @property
    def even(self) -> float:
        """What is said of a probability of one half."""
        return 0.5 if self.kind == "probabilities" else 0.0

    @property
    def is_sound(self) -> bool:
        """Whether there is an answer everywhere."""
        return not bool(np.isnan(self.said).any())

    def at(self, places: NDArray[np.int64]) -> Picked:
        """The entries that are scored, [graphs, entries]."""
        graphs = len(self.said)
        links, last = (each.reshape(graphs, -1)[:, places] for each in (self.links, self.last))
        return Picked(self.said.reshape(graphs, -1)[:, places], links, last, self.kind)


class Picked(Answers):
    """The same, of the entries that are scored only: [graphs, entries]."""

    @cached_property
    def pooled(self) -> Ranking:
        """All graphs in one ranking."""
        return Ranking.of(self.said.reshape(1, -1), self.links.reshape(1, -1))

    @cached_property
    def by_graph(self) -> Ranking:
        """A ranking of each graph."""
        return Ranking.of(self.said, self.links)


@dataclass(frozen=True)
class Thresholds:
    """What must be said of an entry for it to be taken for a link, as the validation graphs tell."""

    best: float
    """Gives the best F1."""
    prevalence: float
    """Takes as many links as there are."""

    @classmethod
    def of(cls, picked: Picked) -> Thresholds:
        """Read both off a ranking."""
        ranking = picked.pooled
        return cls(ranking.best_threshold(), ranking.threshold_of(int(ranking.count[0])))


def chances_of(said: NDArray[np.floating], kind: Answer) -> Numbers:
    """Probabilities, from logits where these were said."""
    numbers = said.astype(np.float64)
    if kind == "probabilities":
        return numbers
    with np.errstate(over="ignore"):
        likely: Numbers = 1 / (1 + np.exp(-numbers))
    return likely


def of_ranking(picked: Picked, thresholds: Thresholds) -> dict[str, float]:
    """What is told by all entries ranked together, and cut."""
    ranking, taken = picked.pooled, picked.said > picked.even
    precision = float(ranking.average_precision()[0])
    prevalence = float(ranking.count[0]) / max(ranking.width, 1)
    is_void = bool(ranking.is_single[0])
    return {
        "auc": float(ranking.auc()[0]),
        "ap": math.nan if is_void else precision,
        "ap_lift": math.nan if is_void else precision / prevalence,
        "best_f1": f1(picked.said >= thresholds.best, picked.links),
        "f1": f1(taken, picked.links),
        "prevalence_f1": f1(picked.said >= thresholds.prevalence, picked.links),
        "mcc": correlation(taken, picked.links),
    }


def of_graphs(picked: Picked, *, undefined: float) -> dict[str, float]:
    """Means over the graphs; one that holds one class only counts as `undefined`, and not at all where that is NaN."""
    ranking = picked.by_graph
    areas, precisions = ranking.auc(), np.where(ranking.is_single, np.nan, ranking.average_precision())
    hits, some = ranking.hits_at_count(), ranking.count > 0
    shares = hits[some] / ranking.count[some]
    return {
        "auc_macro": _mean(np.where(ranking.is_single, undefined, areas)),
        "ap_macro": _mean(np.where(ranking.is_single, undefined, precisions)),
        "n_undefined": float(ranking.is_single.sum()),
        "precision_at_k": _mean(shares),
        "recall_at_k": float(hits.sum() / ranking.count.sum()) if some.any() else math.nan,
    }


def of_chances(picked: Picked) -> dict[str, float]:
    """How far the probabilities are from what came, and how well they are calibrated."""
    return {
        "brier": float(np.square(picked.chances - picked.links).mean()),
        "nll": float(surprise(picked).mean()),
        "ece": calibration_error(picked),
    }


def surprise(answers: Answers) -> Numbers:
    """Negative log-likelihood of every entry."""
    if answers.kind == "probabilities":
        right = np.where(answers.links, answers.chances, 1 - answers.chances)
        with np.errstate(divide="ignore"):
            told: Numbers = -np.maximum(np.log(right), LOWEST_LOG)
        return told
    logits = answers.said.astype(np.float64)
    wrong: Numbers = np.logaddexp(0.0, np.where(answers.links, -logits, logits))
    return wrong


def calibration_error(picked: Picked) -> float:
    """Mean distance of probability and share of links over bins of equal mass, the bins weighed by their entries."""
    ranking = picked.pooled
    bins = np.minimum((ranking.shares[0] * BINS).astype(np.int64), BINS - 1)
    beyond = chances_of(ranking.said[0], picked.kind) - ranking.links[0]
    return float(np.abs(np.bincount(bins, weights=beyond, minlength=BINS)).sum() / max(ranking.width, 1))


def of_sums(answers: Answers, picked: Picked, *, diagonal: bool) -> dict[str, float]:
    """Errors of the expected degrees, off the diagonal unless that counts too, and of the expected density."""
    beyond = answers.chances - answers.links
    if not diagonal:
        beyond[:, np.arange(beyond.shape[1]), np.arange(beyond.shape[1])] = 0.0
    density = (picked.chances - picked.links).mean(1)
    return {"degree_error": float(np.abs(beyond.sum(2)).mean()), "density_error": float(np.abs(density).mean())}


def of_changes(picked: Picked) -> dict[str, float]:
    """AUC where the last frame had no link, and where it had one."""
    new, lost = (
        float(Ranking.of(picked.said[had][None], picked.links[had][None]).auc()[0])
        for had in (~picked.last, picked.last)
    )
    return {"new_edge_auc": new, "lost_edge_auc": lost}


def skill(picked: Picked, best: float) -> float:
    """How far the AUC is from copying the last frame, 0, to the best possible one, 1."""
    auc, copied = float(picked.pooled.auc()[0]), area_of_copy(picked)
    return (auc - copied) / (best - copied) if best != copied else math.nan


def area_of_copy(picked: Picked) -> float:
    """The AUC of copying the last frame: the mean of the shares it gets right of links and of the rest."""
    kept, stayed = picked.last[picked.links], ~picked.last[~picked.links]
    return float(kept.mean() + stayed.mean()) / 2 if len(kept) and len(stayed) else math.nan


def documented(answers: Answers) -> dict[str, float]:
    """The metric function of the documents: every entry of every matrix in one list."""
    ranking = Ranking.of(answers.said.reshape(1, -1), answers.links.reshape(1, -1))
    # The curve is closed with the made-up point of precision 1 at recall 0; without links recall counts as 1.
    precisions = np.append(ranking.precisions()[0], 1.0)
    found = ranking.links[0].cumsum() / max(ranking.count[0], 1) if ranking.count[0] else np.ones(ranking.width)
    return {
        "doc_f1": f1(answers.said > answers.even, answers.links),
        "doc_auc": float(ranking.auc()[0]),
        "doc_ap": float(np.nan_to_num(ranking.average_precision()[0])),
        "doc_max_precision": float(precisions.max()),
        "doc_max_recall": float(found.max()),
    }


def f1(taken: Flags, links: Flags) -> float:
    """F1 of what was taken for links; 0 where nothing was right."""
    wrong, right = np.count_nonzero(taken != links), np.count_nonzero(taken & links)
    return 2 * right / (2 * right + wrong) if right else 0.0


def correlation(taken: Flags, links: Flags) -> float:
    """Matthews correlation of what was taken and what came; 0 where either is always the same."""
    size, both = taken.size, float(np.count_nonzero(taken & links))
    one, other = float(np.count_nonzero(taken)), float(np.count_nonzero(links))
    spread = one * (size - one) * other * (size - other)
    return (both * size - one * other) / math.sqrt(spread) if spread else 0.0


def _mean(values: Numbers) -> float:
    """The mean of what is not NaN; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan
