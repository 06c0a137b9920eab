"""Lines and pyramids: graphs whose every node has a place, with the classes that are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
COLOURS = 3


@dataclass(frozen=True)
class Lattice:
    """A graph in a regular pattern."""

    places: Integers
    """[nodes, 2]: row and column of every node."""
    edges: Integers
    """[edges, 2], each edge once."""
    classes: Integers
    """[nodes]: what a node is to be told by: its colour, or how far it is from the end of its line."""

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.places)

    @property
    def adjacency(self) -> NDArray[np.uint8]:
        """0/1, symmetric."""
        matrix = np.zeros((self.nodes, self.nodes), np.uint8)
        matrix[self.edges[:, 0], self.edges[:, 1]] = matrix[self.edges[:, 1], self.edges[:, 0]] = 1
        return matrix

    @property
    def alike(self) -> NDArray[np.bool_]:
        """[nodes, nodes]: which ordered pairs are of one class."""
        matrix: NDArray[np.bool_] = self.classes[:, None] == self.classes
        return matrix

    def at(self, row: int, column: int) -> int:
        """The index of the node at a place."""
        return int(np.flatnonzero((self.places == (row, column)).all(axis=1))[0])


def pyramid(base: int, top: int = 1) -> Lattice:
    """Rows of top, top + 1, .., base nodes of the triangular lattice, in its only colouring with three colours."""
    places = np.array([(row, column) for row in range(base - top + 1) for column in range(top + row)], np.int64)
    row, column = places.T
    before = np.cumsum(np.r_[0, np.arange(top, base)])  # nodes above each row
    index = before[row] + column
    beside = index[column < top + row - 1]
    above = index[row < base - top]
    left_below = above + (top + row[above])
    edges = np.concatenate([np.c_[beside, beside + 1], np.c_[above, left_below], np.c_[above, left_below + 1]])
    return Lattice(places, edges, (row + column) % COLOURS)


def line(nodes: int) -> Lattice:
    """Nodes in a row; two are of one class when each is the other's mirror image."""
    here = np.arange(nodes)
    classes = np.minimum(here, nodes - 1 - here)
    return Lattice(np.c_[np.zeros_like(here), here], np.c_[here[:-1], here[1:]], classes)
