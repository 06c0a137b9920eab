"""Chebyshev graph convolution of windows [windows, nodes, frames, channels]: all graphs and frames in one product."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def messages(graph: Tensor) -> Tensor:
    """The scaled Laplacian of graphs [..., nodes, nodes], turned so that every row collects along its edges.

    -D^-1/2 A D^-1/2, that is the symmetric Laplacian with its largest eigenvalue taken for 2. D counts edges out,
    self-loops are left out, and who has no edges collects nothing.
    """
    itself = torch.eye(graph.shape[-1], dtype=torch.bool, device=graph.device)
    edges = graph.masked_fill(itself, 0)
    degree = edges.sum(-1)
    root = torch.where(degree > 0, degree, 1).rsqrt() * (degree > 0)
    return -(root[..., None] * edges * root[..., None, :]).mT


def collected(matrix: Tensor, x: Tensor) -> Tensor:
    """Every node's weighted sum over the nodes of its graph: one matrix for a window, or one for each of its frames."""
    if matrix.ndim == 4:
        return (matrix @ x.transpose(1, 2)).transpose(1, 2)
    return (matrix @ x.flatten(2)).view(x.shape)


def polynomials(matrix: Tensor | None, x: Tensor, terms: int) -> Iterator[Tensor]:
    """T_0 x, T_1 x, ...: the first Chebyshev polynomials of the matrix, applied one on the other."""
    yield x
    before, here = x, x
    for term in range(1, terms):
        assert matrix is not None
        step = collected(matrix, here)
        before, here = here, step if term == 1 else 2 * step - before
        yield here


def matrix_polynomials(matrix: Tensor, terms: int) -> Iterator[Tensor]:
    """T_1, T_2, ... themselves: the terms behind the identity, where something else must act on each."""
    before, here = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device), matrix
    for term in range(1, terms):
        yield here
        if term + 1 < terms:
            before, here = here, 2 * matrix @ here - before


def frames_read(matrix: Tensor | None, frames: int) -> Tensor | None:
    """The matrices of so many frames behind a convolution along time: each is the newest that its frame has seen."""
    return matrix if matrix is None or matrix.ndim == 3 else matrix[:, -frames:]


class Chebyshev(nn.Module):
    """A sum over the first Chebyshev polynomials of the graph, with a map of the channels for each."""

    def __init__(self, inputs: int, outputs: int, terms: int) -> None:
        super().__init__()
        self.terms = terms
        self.weight = nn.Parameter(torch.empty(terms, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(outputs))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Each term as Glorot has it, one after the other, so that more terms leave the first ones as they were."""
        for weight in self.weight:
            nn.init.xavier_uniform_(weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """[windows, nodes, frames, outputs]; without a matrix there is one term."""
        return mapped(list(polynomials(matrix, x, self.terms)), self.weight, self.bias)


def mapped(terms: list[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """The sum of all terms, each under its own map of the channels, as one product."""
    stacked = terms[0] if len(terms) == 1 else torch.cat(terms, -1)
    return linear(stacked, weight.flatten(0, 1).mT, bias)
