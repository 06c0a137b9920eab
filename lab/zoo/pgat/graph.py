"""TripartiteGraph: which wave reaches which transition, and which transition which target; and what nodes are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

EIGENVECTORS = 8
WALKS = tuple(range(2, 17, 2))
"""Lengths of walks whose chances of return are told; on a bipartite graph odd walks never return."""
PLACES = 5
"""Numbers that tell of a node's place besides."""


@dataclass(frozen=True)
class TripartiteGraph:
    """Two bipartite graphs, seen from those who listen: edges lead from the column to the row."""

    reads: Tensor
    """[..., transitions, waves] bool: which transition hears which wave."""
    tells: Tensor
    """[..., targets, transitions] bool: which target hears which transition."""

    def __post_init__(self) -> None:
        if self.reads.dtype != torch.bool or self.tells.dtype != torch.bool:
            raise ValueError("reads and tells must be bool")
        if self.tells.shape[-1] != self.reads.shape[-2]:
            raise ValueError(f"tells has {self.tells.shape[-1]} transitions, but reads has {self.reads.shape[-2]}")
        if 0 in (*self.reads.shape, *self.tells.shape):
            raise ValueError("a node that listens needs at least one source")

    @classmethod
    def complete(cls, waves: int, transitions: int, targets: int) -> Self:
        """Every wave reaches every transition, and every transition every target."""
        return cls(torch.ones(transitions, waves).bool(), torch.ones(targets, transitions).bool())

    @classmethod
    def given(cls, adjacency: Tensor, drivers: int) -> Self:
        """One transition for each target, which hears the waves that have an edge to the target.

        adjacency [..., nodes, nodes], from row to column; the first `drivers` nodes are the waves, or all where
        there are none.
        """
        waves = drivers or adjacency.shape[-1]
        reads = (adjacency[..., :waves, drivers:] != 0).transpose(-1, -2)
        one_each = torch.eye(reads.shape[-2], dtype=torch.bool, device=reads.device)
        return cls(reads, one_each.expand(*reads.shape[:-2], -1, -1))

    @property
    def undirected(self) -> Tensor:
        """[..., nodes, nodes] float: waves, transitions and targets in this order, an edge being one both ways."""
        transitions, waves = self.reads.shape[-2:]
        targets, nodes = self.tells.shape[-2], waves + transitions + self.tells.shape[-2]
        forth = torch.zeros(*self.reads.shape[:-2], nodes, nodes, device=self.reads.device)
        middle = waves + transitions
        forth[..., :waves, waves:middle] = self.reads.transpose(-1, -2).float()
        forth[..., waves:middle, nodes - targets :] = self.tells.transpose(-1, -2).float()
        return forth + forth.transpose(-1, -2)


def eigenvectors(adjacency: Tensor) -> Tensor:
    """[..., nodes, 8] of the normalised Laplacian, from the second smallest eigenvalue up; zeros where a graph ends."""
    degree = adjacency.sum(-1)
    scale = degree.clamp(min=1).rsqrt()
    eye = torch.eye(adjacency.shape[-1], device=adjacency.device)
    laplacian = eye - scale[..., :, None] * adjacency * scale[..., None, :]
    vectors: Tensor = torch.linalg.eigh(laplacian.double()).eigenvectors[..., 1 : 1 + EIGENVECTORS].float()
    return torch.nn.functional.pad(vectors, (0, EIGENVECTORS - vectors.shape[-1]))


def returns(adjacency: Tensor, lengths: tuple[int, ...] = WALKS) -> Tensor:
    """[..., nodes, lengths]: the chance that a random walk is back after so many steps."""
    walk = adjacency / adjacency.sum(-1, keepdim=True).clamp(min=1)
    power, known = walk, []
    for length in range(1, max(lengths) + 1):
        if length in lengths:
            known.append(power.diagonal(dim1=-2, dim2=-1))
        power = power @ walk
    return torch.stack(known, -1)


def places(adjacency: Tensor) -> Tensor:
    """[..., nodes, 5]: degree, mean distance and eccentricity, each over its largest, and two chances of return."""
    degree, distance = adjacency.sum(-1), distances(adjacency)
    nodes = adjacency.shape[-1]
    told = [degree, distance.sum(-1) / max(1, nodes - 1), distance.amax(-1)]
    scaled = [each / each.amax(-1, keepdim=True).clamp(min=1e-9) for each in told]
    return torch.cat([torch.stack(scaled, -1), returns(adjacency, (2, 4))], -1)


def distances(adjacency: Tensor) -> Tensor:
    """[..., nodes, nodes] hops; as many as there are nodes where no path leads."""
    nodes = adjacency.shape[-1]
    reached = torch.eye(nodes, device=adjacency.device).expand_as(adjacency) > 0
    hops = torch.where(reached, 0.0, float(nodes))
    for length in range(1, nodes):
        wider = reached | ((reached.float() @ adjacency) > 0)
        new = wider & ~reached
        if not new.any():
            break
        hops = torch.where(new, float(length), hops)
        reached = wider
    return hops
