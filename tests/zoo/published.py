"""What the tests of the published models share: PATTERN's shape, loops over single nodes, and graphs to try."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape

PATTERN = Shape(nodes=188, classes=2, tokens=3)


def size(model: nn.Module) -> int:
    """Number of parameters."""
    return sum(weight.numel() for weight in model.parameters())


def randomised(model: nn.Module) -> nn.Module:
    """The model in float64 with every parameter drawn anew, so that no start hides a difference."""
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in model.double().parameters():
            weight.copy_(torch.randn(weight.shape, generator=random, dtype=torch.float64) * 0.4)
    return model


def directed_batch(*, tokens: int = 3) -> Batch:
    """Two directed graphs with self loops, parallel edges and a node that nobody is joined to, one of them padded."""
    random = torch.Generator().manual_seed(5)
    adjacency = (torch.rand(2, 7, 7, generator=random) < 0.4).to(torch.uint8)
    adjacency[0, 1, 2] = 2
    adjacency[0, 6] = adjacency[0, :, 6] = 0
    adjacency[1, 5:] = adjacency[1, :, 5:] = 0
    mask = torch.arange(7) < torch.tensor([[7], [5]])
    x = torch.randint(tokens, (2, 7), generator=random) * mask
    return Batch(x, adjacency, mask, torch.zeros(2, 7, dtype=torch.int64), torch.arange(2))


def edges_of(adjacency: Tensor) -> list[tuple[int, int]]:
    """(source, target) of every edge of one graph, parallel ones as often as they are there."""
    return [(i, j) for i, j in adjacency.nonzero().tolist() for _ in range(int(adjacency[i, j]))]


def affine(layer: nn.Linear, x: Tensor) -> Tensor:
    """What a linear layer does to one vector."""
    return layer.weight @ x if layer.bias is None else layer.weight @ x + layer.bias


def standardised(norm: nn.Module, rows: Sequence[Tensor]) -> list[Tensor]:
    """Batch norm of a list of vectors, by its definition."""
    table = torch.stack(list(rows))
    mean, var = table.mean(0), table.var(0, unbiased=False)
    return [norm.weight * (row - mean) / (var + 1e-5).sqrt() + norm.bias for row in rows]
