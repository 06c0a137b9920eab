"""Losses of predicted links, entry by entry: what links are worth, and how well known entries fade."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lab.spec.losses import Entries, Focal, LinkTerms, Loss
from lab.spec.models.model import Answer
from lab.train.tasks.entries import off_diagonal, picked

LARGEST_RATIO = 100.0
"""How far `batch_ratio_safe` lets links and the rest weigh apart."""
DEGREES, DENSITY, DENSEST = 5.0, 50.0, 0.15
"""Weights of the two terms that match a graph as a whole, and the density below which the second one acts."""


def cross_entropy(outputs: Tensor, links: Tensor, answer: Answer) -> Tensor:
    """Binary cross entropy of every entry; of probabilities with logarithms no lower than -100, as torch has it."""
    if answer == "probabilities":
        return functional.binary_cross_entropy(outputs, links, reduction="none")
    return functional.binary_cross_entropy_with_logits(outputs, links, reduction="none")


def faded(entropy: Tensor, gamma: float) -> Tensor:
    """(1 - p) ** gamma times cross entropy, p being what was given to the truth."""
    if gamma == 0:
        return entropy
    # A power below 1 has no slope at 0; an entry known that well has none either.
    missed = (-torch.expm1(-entropy)).clamp(min=torch.finfo(entropy.dtype).tiny)
    return missed**gamma * entropy


def link_weight(focal: Focal, counts: Tensor, train: float) -> Tensor:
    """What a link weighs where other entries weigh 1; counts [2] are those of the batch, `train` is that of the data.

    As published, a batch without links has an infinite ratio and a loss that is not a number.
    """
    others, links = counts
    if focal.pos_weight == "batch_ratio":
        return torch.div(others, links)
    if focal.pos_weight == "batch_ratio_safe":
        return torch.div(others, links.clamp(min=1)).clamp(1 / LARGEST_RATIO, LARGEST_RATIO)
    known = {"train_constant": train, "sqrt_train": train**0.5, "none": 1.0}
    return torch.full((), known[focal.pos_weight], device=links.device)


def weights(loss: Loss, focal: Focal, links: Tensor, train: float) -> Tensor | None:
    """What every entry counts; None where all count alike."""
    if loss == "weighted_focal":
        counts = torch.stack([(links == 0).sum(), (links != 0).sum()])
        return links * link_weight(focal, counts, train) + (1 - links)
    if loss == "focal" and focal.alpha == "class_balanced":
        return links * focal.alpha_value + (1 - links) * (1 - focal.alpha_value)
    if loss == "focal" and focal.alpha == "scalar":
        return torch.full_like(links, focal.alpha_value)
    return None


def weighed(loss: Loss, focal: Focal, entropy: Tensor, links: Tensor, train: float) -> Tensor:
    """A loss of links, from the cross entropy of every entry."""
    fading = focal.gamma if loss != "bce" else 0.0
    each, own = faded(entropy, fading), weights(loss, focal, links, train)
    return (each if own is None else own * each).mean()


def added(terms: LinkTerms, chances: Tensor, links: Tensor, entries: Entries) -> Tensor:
    """What is added for graphs as a whole, given the probability of every entry, [graphs, nodes, nodes]."""
    total, mean = chances.new_zeros(()), picked(chances, entries).mean()
    if terms.match in ("degrees", "both"):
        degrees, due = (off_diagonal(each, entries).sum(-1) for each in (chances, links))
        total = total + DEGREES * functional.smooth_l1_loss(degrees, due)
    if terms.match in ("density", "both"):
        total = total + DENSITY * (DENSEST - mean).clamp(min=0)
    return total + terms.sparsity * mean


def best_constant(loss: Loss, focal: Focal, counts: Tensor, train: float) -> float:
    """The loss of the best probability that is the same for all entries; counts [2] are others and links."""
    others, links = (counts / counts.sum()).tolist()
    chance = torch.linspace(0, 1, 10_001, dtype=torch.float64)[1:-1]
    each = torch.stack([-torch.log1p(-chance), -chance.log()])
    fading = focal.gamma if loss != "bce" else 0.0
    share = torch.tensor([[others], [links]], dtype=torch.float64)
    own = _of_kinds(loss, focal, counts, train)
    return float((share * own * faded(each, fading)).sum(0).min())


def _of_kinds(loss: Loss, focal: Focal, counts: Tensor, train: float) -> Tensor:
    """What entries of either kind count, [2, 1]."""
    kinds = torch.tensor([0.0, 1.0], dtype=torch.float64)
    if loss == "weighted_focal":
        return torch.stack([torch.ones_like(counts[0]), link_weight(focal, counts, train)])[:, None]
    own = weights(loss, focal, kinds, train)
    return (torch.ones_like(kinds) if own is None else own)[:, None]
