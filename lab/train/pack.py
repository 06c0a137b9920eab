"""Pack: K models whose trainable parameters are the rows of one tensor, so that an update is a few operations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lab.errors import LabError
from lab.probes.layout import Layout


class Pack:
    """The weights and gradients of K equally built models as [K, length] tensors.

    Each parameter becomes a view into its member's row, and so does its gradient: a backward pass adds into
    `gradients` in place, and whatever is done to `weights` is done to the models.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = tuple(models)
        self.layout = Layout.of(self.models[0].named_parameters())
        if not self.layout.names:
            raise LabError("the model has no parameter to train", hint="unfreeze a part of it")
        sample = next(p for p in self.models[0].parameters() if p.requires_grad)
        self.weights = sample.new_zeros(len(self.models), self.layout.length)
        self.gradients = torch.zeros_like(self.weights)
        for model, weights, gradients in zip(self.models, self.weights, self.gradients, strict=True):
            self._adopt(model, weights, gradients)

    def __len__(self) -> int:
        return len(self.models)

    def _adopt(self, model: nn.Module, weights: Tensor, gradients: Tensor) -> None:
        parameters = dict(model.named_parameters())
        pieces = zip(self.layout.pieces(weights), self.layout.pieces(gradients), strict=True)
        for name, (weight, gradient) in zip(self.layout.names, pieces, strict=True):
            parameter = parameters[name]
            weight.copy_(parameter.detach().flatten())
            parameter.data = weight.view(parameter.shape)
            parameter.grad = gradient.view(parameter.shape)

    @property
    def matrices(self) -> Tensor:
        """[length] bool: which numbers belong to parameters of two or more axes."""
        row = torch.zeros_like(self.weights[0], dtype=torch.bool)
        for piece, is_matrix in zip(self.layout.pieces(row), self.layout.is_matrix, strict=True):
            piece.fill_(is_matrix)
        return row

    def clear(self, active: Tensor) -> None:
        """Set the gradients of active members to zero; those of a frozen one stay as evidence."""
        self.gradients.masked_fill_(active, 0.0)

    def norms(self) -> Tensor:
        """The total gradient norm of every member, [K, 1]."""
        norms: Tensor = torch.linalg.vector_norm(self.gradients, dim=1, keepdim=True)
        return norms

    def not_finite(self, member: int) -> list[str]:
        """Names of the parameters whose present gradient is not finite everywhere."""
        pieces = self.layout.pieces(self.gradients[member])
        return [name for name, piece in zip(self.layout.names, pieces, strict=True) if not bool(piece.isfinite().all())]
