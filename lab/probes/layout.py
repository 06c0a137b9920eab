"""Where each trainable parameter lies in a member's flat row; shared by what trains and what measures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ALIGNMENT = 16
"""Elements a segment's length is rounded up to, so that every segment starts on a cache line."""


@dataclass(frozen=True)
class Layout:
    """Names, shapes and offsets of the parameters inside a row of `length` elements."""

    names: tuple[str, ...]
    shapes: tuple[torch.Size, ...]
    starts: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, parameters: Iterable[tuple[str, nn.Parameter]]) -> Layout:
        """The layout of the parameters that learn, in their order; frozen ones stay out."""
        named = [(name, parameter.shape) for name, parameter in parameters if parameter.requires_grad]
        starts, end = [], 0
        for _, shape in named:
            starts.append(end)
            end += -(-math.prod(shape) // ALIGNMENT) * ALIGNMENT
        return cls(tuple(n for n, _ in named), tuple(s for _, s in named), tuple(starts), end)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Elements of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def is_matrix(self) -> tuple[bool, ...]:
        """Whether a parameter has two or more axes; bands of ratios are meant for those."""
        return tuple(len(shape) >= 2 for shape in self.shapes)

    def pieces(self, row: Tensor) -> list[Tensor]:
        """The segments of a flat row, each a one-dimensional view without its padding."""
        spans = zip(self.starts, self.sizes, strict=True)
        return [row[start : start + size] for start, size in spans]
