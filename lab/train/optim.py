"""Update rules as functions of stacked [K, length] tensors; every number of theirs may differ between members."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from lab.spec.experiment import Training

CLIP_GUARD = 1e-6
"""Added to a norm before dividing by it, as torch.nn.utils.clip_grad_norm_ does."""


class Optimiser(ABC):
    """Changes the weights of K members in place.

    `go` [K, 1] says which members move: a member that does not go keeps its weights, its moments and its count
    of steps to the last bit, whatever its gradient holds. All per-member numbers are [K, 1] float64.
    """

    momentum: Tensor
    """How much of the last step is kept, [K, 1]; a schedule may set it from step to step."""

    def __init__(self, weights: Tensor, *, weight_decay: Tensor) -> None:
        self.weights = weights
        self.weight_decay = weight_decay
        self.decayed: Tensor | None = None
        """[K, length] bool, which weights decay; None where all do."""

    @abstractmethod
    def step(self, gradients: Tensor, lr: Tensor, go: Tensor) -> None:
        """Move the members that go; `gradients` are finite and zero for the others."""

    def spread(self, share: Tensor, others: float) -> Tensor:
        """A number of every member, [K, 1], as it holds for its weights: those that do not decay have another."""
        told = share.to(self.weights.dtype)
        return told if self.decayed is None else torch.where(self.decayed, told, others)

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The tensors a checkpoint must hold; loading copies into them."""


class Adam(Optimiser):
    """Adam with decay added to the gradient, or AdamW with `decoupled` decay."""

    def __init__(self, weights: Tensor, *, weight_decay: Tensor, decoupled: bool = False) -> None:
        super().__init__(weights, weight_decay=weight_decay)
        self.decoupled = decoupled
        self.momentum, self.second, self.eps = torch.full_like(weight_decay, 0.9), 0.999, 1e-8
        self.mean = torch.zeros_like(weights)
        self.square = torch.zeros_like(weights)
        self.steps = torch.zeros_like(weight_decay)

    def step(self, gradients: Tensor, lr: Tensor, go: Tensor) -> None:
        """One step with bias-corrected moments."""
        kind = self.weights.dtype
        going = go.to(lr.dtype)
        self.steps += going
        decay = self.weight_decay * going
        if self.decoupled:
            self.weights.mul_(self.spread(1 - lr * decay, 1.0))
        else:
            gradients = torch.addcmul(gradients, self.weights, self.spread(decay, 0.0))
        # The weight of the new gradient is 0 for a member that stays, and the gradient is 0 there too,
        # so its moments come out as they went in.
        first, second = ((1 - beta) * going for beta in (self.momentum, self.second))
        self.mean.lerp_(gradients, first.to(kind))
        self.square.mul_((1 - second).to(kind)).addcmul_(gradients * second.to(kind), gradients)
        count = self.steps.clamp(min=1)
        root = (1 - self.second**count).sqrt()
        size = lr * going / (1 - self.momentum**count)
        scale = (self.square.sqrt() / root.to(kind)).add_(self.eps)
        self.weights.sub_((self.mean / scale).mul_(size.to(kind)))

    def state(self) -> dict[str, Tensor]:
        """Both moments and the count of steps."""
        return {"mean": self.mean, "square": self.square, "steps": self.steps}


class Sgd(Optimiser):
    """Plain gradient descent with momentum and decay added to the gradient."""

    def __init__(self, weights: Tensor, *, weight_decay: Tensor, momentum: Tensor) -> None:
        super().__init__(weights, weight_decay=weight_decay)
        self.momentum = momentum
        self.speed = torch.zeros_like(weights)

    def step(self, gradients: Tensor, lr: Tensor, go: Tensor) -> None:
        """One step along the speed."""
        kind = self.weights.dtype
        going = go.to(lr.dtype)
        gradients = torch.addcmul(gradients, self.weights, self.spread(self.weight_decay * going, 0.0))
        self.speed.mul_(torch.where(go, self.momentum, 1.0).to(kind)).add_(gradients)
        self.weights.sub_(self.speed * (lr * going).to(kind))

    def state(self) -> dict[str, Tensor]:
        """The speed."""
        return {"speed": self.speed}


def optimiser(trainings: Sequence[Training], weights: Tensor, matrices: Tensor | None = None) -> Optimiser:
    """The update rule of a pack; its members share the kind and differ in numbers at most.

    `matrices` [length] says which weights belong to one; where some members let only those decay, it is needed.
    """
    kind = trainings[0].optimizer
    decay = column(weights, [training.weight_decay for training in trainings])
    momentum = column(weights, [training.momentum for training in trainings])
    rule: Optimiser = (
        Sgd(weights, weight_decay=decay, momentum=momentum)
        if kind == "sgd"
        else Adam(weights, weight_decay=decay, decoupled=kind == "adamw")
    )
    some = [training.decayed == "matrices" for training in trainings]
    if any(some) and matrices is not None:
        rule.decayed = matrices | ~torch.tensor(some, device=weights.device)[:, None]
    return rule


def column(weights: Tensor, values: Sequence[float]) -> Tensor:
    """One float64 number a member, [K, 1]."""
    return torch.tensor(values, dtype=torch.float64, device=weights.device)[:, None]


def clip_share(norms: Tensor, clip: Tensor) -> Tensor:
    """What clipping multiplies each member's gradient by, [K, 1]; an infinite clip lets all pass."""
    return (clip / (norms + CLIP_GUARD)).clamp(max=1.0)
