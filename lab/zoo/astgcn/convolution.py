"""The Chebyshev convolution of ASTGCN: attention over nodes scales its edges, in one of three places or none."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lab.spec.models.astgcn import Astgcn as Options
from lab.zoo.astgcn.starts import draw
from lab.zoo.chebyshev import collected, mapped, matrix_polynomials, polynomials
from lab.zoo.taps import Tap


class AttentiveChebyshev(nn.Module):
    """A sum over Chebyshev terms of [windows, nodes, frames, channels] under weights between nodes."""

    def __init__(self, spec: Options, inputs: int) -> None:
        super().__init__()
        self.form = spec.cheb_attention
        self.rescales, self.start = spec.rescale_attention, spec.vector_init
        self.terms = 1 if spec.graph.source == "none" else spec.cheb_terms
        self.weight = nn.Parameter(torch.empty(self.terms, inputs, spec.graph_filters))
        self.bias = nn.Parameter(torch.empty(spec.graph_filters))
        self.attention = Tap("attention")
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """All terms as one tensor, as Glorot has it; the bias is zero if scaled."""
        draw(self.weight, self.start, low=0, high=0)
        draw(self.bias, self.start, low=0, high=0)

    def forward(self, x: Tensor, matrix: Tensor | None, weights: Tensor | None) -> Tensor:
        """[windows, nodes, frames, filters]; weights [windows, readers, read], or with frames as a matrix may have."""
        if weights is None:
            return mapped(list(polynomials(matrix, x, self.terms)), self.weight, self.bias)
        self.attention(weights[:, None] if weights.ndim == 3 else weights.flatten(0, 1)[:, None])
        if self.rescales:
            weights = weights * weights.shape[-1]
        if matrix is not None and matrix.ndim > weights.ndim:
            weights = weights[:, None]
        parts = self._chained(x, matrix, weights) if self.form == "chained" else self._each(x, matrix, weights)
        return mapped(list(parts), self.weight, self.bias)

    def _each(self, x: Tensor, matrix: Tensor | None, weights: Tensor) -> Iterator[Tensor]:
        """Every polynomial of the matrix has its entries scaled."""
        yield x * own(weights)
        if matrix is not None:
            for polynomial in matrix_polynomials(matrix, self.terms):
                yield collected(polynomial * weights, x)

    def _chained(self, x: Tensor, matrix: Tensor | None, weights: Tensor) -> Iterator[Tensor]:
        """The recursion starts from the scaled input, its second term scales edges, and the others do not."""
        before = x * own(weights)
        yield before
        if matrix is None or self.terms == 1:
            return
        here = collected(matrix * weights, before)
        yield here
        for _ in range(2, self.terms):
            before, here = here, 2 * collected(matrix, here) - before
            yield here


def own(weights: Tensor) -> Tensor:
    """What each node has of itself, to be multiplied with [windows, nodes, frames, channels]."""
    diagonal = weights.diagonal(dim1=-2, dim2=-1)
    return diagonal[:, :, None, None] if diagonal.ndim == 2 else diagonal.mT[..., None]
