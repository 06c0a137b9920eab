"""Random-walk powers of a batch of graphs: the walk vector of every pair of nodes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def simple_graph(adjacency: Tensor, dtype: torch.dtype) -> Tensor:
    """0/1 adjacency without self loops; repeated edges count once."""
    edges = (adjacency > 0).to(dtype)
    return edges - torch.diag_embed(edges.diagonal(dim1=-2, dim2=-1))


def walk_stack(adjacency: Tensor, mask: Tensor, powers: Sequence[int], dtype: torch.dtype) -> Tensor:
    """[graphs, powers, nodes, nodes]: the chance to be at column after so many steps from row.

    A node without neighbours walks nowhere (zero rows), save by the power 0; padding has zeros throughout.
    """
    edges = simple_graph(adjacency, dtype)
    step = edges / edges.sum(-1, keepdim=True).clamp(min=1)
    power = torch.diag_embed(mask.to(dtype))
    stack = []
    for exponent in range(max(powers) + 1):
        if exponent in powers:
            stack.append(power)
        power = power @ step if exponent else step
    return torch.stack(stack, dim=1)


def one_hot(walks: Tensor) -> Tensor:
    """Keep of every pair's walk vector only where it first is above zero, and put 1 there."""
    reached = walks > 0
    return (reached & (reached.cumsum(1) == 1)).to(walks.dtype)
