"""Lines of nodes and palindromes on them: what a node must see is as far away as the line is long."""

from __future__ import annotations

import numpy as np

from lab.data.batch import IGNORED, Dataset, Shape
from lab.data.colouring import of_lattices
from lab.data.pack import Graph, pack
from lab.exact.lattices import line
from lab.spec.datasets import Lines, Palindromes

HIDDEN = 0
"""The token of a letter that is not shown; letter c is shown as c + 1."""


def lines(spec: Lines, seed: int) -> Dataset:
    """One line of every length; nothing about them is random."""
    return of_lattices(
        {name: [line(nodes) for nodes in range(low, high + 1)] for name, (low, high) in spec.lengths().items()}
    )


def palindromes(spec: Palindromes, seed: int) -> Dataset:
    """Random palindromes; the letter in the middle of an odd one is shown, and no letter that is shown is scored."""
    splits = {}
    for part, (name, (shortest, longest)) in enumerate(spec.lengths().items()):
        random = np.random.default_rng([seed, part])
        sizes = random.integers(shortest, longest, size=getattr(spec, name), endpoint=True)
        splits[name] = pack(sizes, (_palindrome(random, nodes, spec.letters) for nodes in sizes.tolist()))
    widest = max(int(split.sizes.max()) for split in splits.values())
    return Dataset(Shape(nodes=widest, classes=spec.letters, tokens=spec.letters + 1), splits)


def _palindrome(random: np.random.Generator, nodes: int, letters: int) -> Graph:
    row = line(nodes)
    pairs = -(-nodes // 2)
    letter = random.integers(letters, size=pairs)[row.classes]
    is_left = np.arange(nodes) < nodes // 2
    is_left_hidden = random.random(pairs) < 0.5
    hidden = is_left == is_left_hidden[row.classes]
    hidden[nodes // 2 : pairs] = False
    return Graph(np.where(hidden, HIDDEN, letter + 1), row.adjacency, np.where(hidden, letter, IGNORED))
