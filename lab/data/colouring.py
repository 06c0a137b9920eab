"""Graphs with one colouring in three colours: pyramids, asked by pair or by node, and random ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations, product

import numpy as np

from lab.data.batch import Dataset, Shape, Split
from lab.data.pack import Graph, Integers, pack
from lab.exact.lattices import COLOURS, Lattice
from lab.exact.lattices import pyramid as lattice
from lab.spec.datasets import Colouring, Pyramid, PyramidNodes
from lab.spec.tasks import SPLITS

Random = np.random.Generator
HIDDEN = 0
"""The token of a node whose colour is not revealed; colour c is revealed by c + 1."""


def pyramid(spec: Pyramid, seed: int) -> Dataset:
    """One pyramid a split; nothing about it is random."""
    bases = (spec.base, spec.valid_base, spec.test_base)
    return of_lattices({name: [lattice(base, spec.top)] for name, base in zip(SPLITS, bases, strict=True)})


def of_lattices(lattices: Mapping[str, list[Lattice]]) -> Dataset:
    """Whole lattices, asked which ordered pairs of nodes are of one class; their nodes all look the same."""
    splits = {}
    for name, graphs in lattices.items():
        sizes = np.array([graph.nodes for graph in graphs])
        plain = (Graph(np.zeros(each.nodes, np.int64), each.adjacency, each.classes) for each in graphs)
        splits[name] = pack(sizes, plain)
    classes = 1 + max(int(split.y.max()) for split in splits.values())
    return Dataset(Shape(nodes=_widest(splits), classes=classes, tokens=1, pairs=1), splits, "classify_pairs")


def pyramid_nodes(spec: PyramidNodes, seed: int) -> Dataset:
    """One graph for each of the six names of the colours and each choice of one node a colour to reveal."""
    splits = {}
    for part, (name, base) in enumerate(zip(SPLITS, (spec.base, spec.valid_base, spec.test_base), strict=True)):
        whole = lattice(base, spec.top)
        choices = _choices(whole)
        if spec.examples != "all" and spec.examples < len(choices):
            random = np.random.default_rng([seed, part])
            choices = choices[np.sort(random.choice(len(choices), spec.examples, replace=False))]
        splits[name] = pack(np.full(len(choices), whole.nodes), _revealed(whole, choices))
    return _told_by_node(splits)


def grown(spec: Colouring, seed: int) -> Dataset:
    """Triangles, each put onto an edge of those before it."""
    splits = {}
    for part, (name, count) in enumerate(zip(SPLITS, (spec.train, spec.valid, spec.test), strict=True)):
        random = np.random.default_rng([seed, part])
        smallest, largest = spec.sizes if name == "train" else spec.test_sizes
        sizes = random.integers(smallest, largest, size=count, endpoint=True)
        splits[name] = pack(sizes, (_grown(random, nodes) for nodes in sizes.tolist()))
    return _told_by_node(splits)


def _choices(whole: Lattice) -> Integers:
    """[examples, 6]: the new name of each colour, then the node of each colour that is revealed."""
    of = [np.flatnonzero(whole.classes == colour).tolist() for colour in range(COLOURS)]
    names = permutations(range(COLOURS))
    return np.array([[*name, *nodes] for name, nodes in product(names, product(*of))])


def _revealed(whole: Lattice, choices: Integers) -> Iterator[Graph]:
    adjacency = whole.adjacency
    for names, shown in zip(choices[:, :COLOURS], choices[:, COLOURS:], strict=True):
        tokens = np.full(whole.nodes, HIDDEN)
        tokens[shown] = names + 1
        yield Graph(tokens, adjacency, names[whole.classes])


def _grown(random: Random, nodes: int) -> Graph:
    edges, colours = [(0, 1), (0, 2), (1, 2)], [0, 1, 2]
    for new in range(3, nodes):
        one, other = edges[random.integers(len(edges))]
        edges += [(one, new), (other, new)]
        colours.append(COLOURS - colours[one] - colours[other])
    place, names = random.permutation(nodes), random.permutation(COLOURS)
    labels, adjacency = np.empty(nodes, np.int64), np.zeros((nodes, nodes), np.uint8)
    labels[place] = names[colours]
    ends = place[np.array(edges)]
    adjacency[ends[:, 0], ends[:, 1]] = adjacency[ends[:, 1], ends[:, 0]] = 1
    tokens = np.full(nodes, HIDDEN)
    for colour in range(COLOURS):
        tokens[random.choice(np.flatnonzero(labels == colour))] = colour + 1
    return Graph(tokens, adjacency, labels)


def _told_by_node(splits: Mapping[str, Split]) -> Dataset:
    return Dataset(Shape(nodes=_widest(splits), classes=COLOURS, tokens=COLOURS + 1), splits)


def _widest(splits: Mapping[str, Split]) -> int:
    return max(int(split.sizes.max()) for split in splits.values())
