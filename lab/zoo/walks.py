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
    stack = [power] if 0 in powers else []
    for exponent in range(1, max(powers) + 1):
        power = power @ step if exponent > 1 else step
        if exponent in powers:
            stack.append(power)
    return torch.stack(stack, dim=1)


def one_hot(walks: Tensor) -> Tensor:
    """Keep of every pair's walk vector only where it first is above zero, and put 1 there."""
    reached, first = torch.zeros_like(walks[:, 0]), []
    for power in walks.unbind(1):  # A third of the time of a comparison with a cumulative sum.
        grown = torch.maximum(reached, power.sign())
        first.append(grown - reached)
        reached = grown
    return torch.stack(first, dim=1)
