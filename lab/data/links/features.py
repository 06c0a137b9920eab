"""What nodes of a frame carry: numbers of their place in it, its eigenvectors, a code of their community."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lab.data.links import measures
from lab.data.links.frames import Features, Graphs
from lab.spec.datasets.links import FrameFeatures, PsbmLinks, Sign

Numbers = NDArray[np.float64]
EIGENVECTORS = 6
CODE = 4
"""Numbers of a community's code."""
CHUNK = 2048
"""Frames worked on at a time."""


def block_features(spec: PsbmLinks, graphs: Graphs, labels: NDArray[np.int64], noise: Numbers) -> Features:
    """The features of a block model, [sequences, frames, nodes, features]."""
    rows = graphs.astype(np.float32)
    if spec.features == "adjacency":
        return rows
    if spec.features == "spectral6":
        return _by_frame(graphs, _spectral)
    code = codes()[labels] + spec.code_noise * noise
    six = np.concatenate([_by_frame(graphs, _local), code.astype(np.float32)], axis=-1)
    return np.concatenate([rows, six], axis=-1) if spec.features == "combined36" else six


def frame_features(kind: FrameFeatures, sign: Sign, graphs: Graphs) -> Features:
    """Six numbers of a node's place in each frame, behind its row of the adjacency matrix where that is wanted.

    Of a whole frame, one row for all its nodes: the matrix, and the means of the six.
    """
    six = _by_frame(graphs, lambda edges: _node_level(edges, sign))
    if kind == "global906":
        matrix = graphs.reshape(*graphs.shape[:2], 1, -1).astype(np.float32)
        return np.concatenate([matrix, six.mean(2, keepdims=True)], axis=-1)
    return np.concatenate([graphs.astype(np.float32), six], axis=-1) if kind == "combined36" else six


def codes() -> Numbers:
    """[16, 4]: all rows of signs, so ordered that the first ones differ most: orthogonal ones, their opposites."""
    two = np.array([[1.0, 1.0], [1.0, -1.0]])
    apart = np.kron(two, two)
    first = np.concatenate([apart, -apart])
    every = np.array(list(itertools.product((1.0, -1.0), repeat=CODE)))
    others = every[~(every[:, None] == first).all(-1).any(1)]
    return np.concatenate([first, others])


def _by_frame(graphs: Graphs, measure: Callable[[Numbers], Numbers]) -> Features:
    """A measure of every frame, [sequences, frames, nodes, ...]."""
    flat = graphs.reshape(-1, *graphs.shape[2:])
    with threadpool_limits(1):  # matrices this small are only held up by threads that wait for one another
        told = [
            measure(flat[at : at + CHUNK].astype(np.float64)).astype(np.float32) for at in range(0, len(flat), CHUNK)
        ]
    return np.concatenate(told).reshape(*graphs.shape[:3], -1)


def _local(edges: Numbers) -> Numbers:
    return np.stack([measures.degree_share(edges), measures.clustering(edges)], axis=-1)


def _spectral(edges: Numbers) -> Numbers:
    values, vectors = measures.leading(*np.linalg.eigh(edges), EIGENVECTORS)
    told = measures.with_positive_peak(vectors) * np.sqrt(np.abs(values))[:, None]
    missing = max(0, EIGENVECTORS - edges.shape[-1])
    return np.pad(told, ((0, 0), (0, 0), (0, missing)))


def _node_level(edges: Numbers, sign: Sign) -> Numbers:
    """Degree, betweenness, eigenvector centrality, closeness, and two means of eigenvectors.

    The means are of the rows of a spectral embedding in two dimensions, each of length one, and of the two singular
    vectors of the Laplacian with the largest values. Eigenvector centrality is that of a dense solver, which unlike an
    iteration also answers where a frame falls apart; without edges it is 0.
    """
    turned = measures.with_positive_peak if sign == "canonical" else _as_found
    distance, ways = measures.paths(edges)
    values, vectors = np.linalg.eigh(edges)
    largest, pair = measures.leading(values, vectors, 2)
    embedded = turned(pair) * np.sqrt(np.abs(largest))[:, None]
    length = np.linalg.norm(embedded, axis=-1)
    _, stiff = measures.leading(*np.linalg.eigh(measures.laplacian(edges)), 2)
    return np.stack(
        [
            measures.degree_share(edges),
            measures.betweenness(edges, distance, ways),
            np.abs(vectors[..., -1]) * (edges.sum((1, 2)) > 0)[:, None],
            measures.closeness(distance),
            embedded.mean(-1) / np.where(length > 1e-12, length, 1.0),
            turned(stiff).mean(-1),
        ],
        axis=-1,
    )


def _as_found(vectors: Numbers) -> Numbers:
    return vectors
