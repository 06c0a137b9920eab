"""Measures of nodes, for many small undirected graphs at a time: dense products, no loop over nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def degree_share(edges: Numbers) -> Numbers:
    """[graphs, nodes]: degree over the most it could be."""
    return _numbers(edges.sum(-1) / (edges.shape[-1] - 1))


def clustering(edges: Numbers) -> Numbers:
    """[graphs, nodes]: share of a node's pairs of neighbours that are joined; 0 with fewer than two neighbours."""
    degree = edges.sum(-1)
    triangles = np.einsum("gij,gij->gi", edges @ edges, edges)
    return _numbers(triangles / np.maximum(degree * (degree - 1), 1))


def paths(edges: Numbers) -> tuple[NDArray[np.int64], Numbers]:
    """[graphs, nodes, nodes] each: distances, -1 out of reach, and numbers of shortest paths."""
    graphs, nodes, _ = edges.shape
    ways = np.tile(np.eye(nodes), (graphs, 1, 1))
    distance, reached, step = np.where(ways > 0, 0, -1), ways.copy(), 0
    while reached.any():
        step += 1
        reached = np.where(distance < 0, reached @ edges, 0.0)
        distance[reached > 0] = step
        ways += reached
    return distance, ways


def closeness(distance: NDArray[np.int64]) -> Numbers:
    """[graphs, nodes]: others in reach over the sum of distances to them, times their share of all nodes."""
    others = (distance > 0).sum(-1)
    far = np.maximum(distance, 0).sum(-1)
    return _numbers(others / np.maximum(far, 1) * others / (distance.shape[-1] - 1))


def betweenness(edges: Numbers, distance: NDArray[np.int64], ways: Numbers) -> Numbers:
    """[graphs, nodes]: mean share of the shortest paths between two others that lead through a node."""
    nodes = edges.shape[-1]
    carried = np.zeros_like(ways)  # row s, column v: what v passes on of the paths from s
    for step in range(int(distance.max()), 0, -1):
        behind = np.where(distance == step, (1 + carried) / np.maximum(ways, 1), 0.0)
        carried += np.where(distance == step - 1, ways * (behind @ edges), 0.0)
    itself = np.arange(nodes)
    carried[:, itself, itself] = 0
    return _numbers(carried.sum(1) / ((nodes - 1) * (nodes - 2)))


def leading(values: Numbers, vectors: Numbers, count: int) -> tuple[Numbers, Numbers]:
    """The eigenvalues of largest magnitude, [graphs, count], and their vectors as columns."""
    largest = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(values, largest, 1), np.take_along_axis(vectors, largest[:, None], 2)


def with_positive_peak(vectors: Numbers) -> Numbers:
    """Columns turned so that their entry of largest magnitude is positive."""
    peak = np.abs(vectors).argmax(1, keepdims=True)
    return _numbers(vectors * np.where(np.take_along_axis(vectors, peak, 1) < 0, -1.0, 1.0))


def laplacian(edges: Numbers) -> Numbers:
    """Degrees on the diagonal, less the edges."""
    return _numbers(np.einsum("gi,ij->gij", edges.sum(-1), np.eye(edges.shape[-1])) - edges)


def _numbers(values: NDArray[np.generic]) -> Numbers:
    return values.astype(np.float64, copy=False)
