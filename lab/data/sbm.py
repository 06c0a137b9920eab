"""Stochastic block models drawn from a seed: what the datasets `pattern` and `cluster` are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lab.data import pyg
from lab.data.batch import Dataset, Shape, Split
from lab.data.pack import Graph, Integers, pack
from lab.spec.datasets import BlockModel, Cluster, Pattern
from lab.spec.tasks import SPLITS

Random = np.random.Generator
Chances = NDArray[np.float32]

PLANTED = 0.5
"""Chance of an edge that touches a planted pattern, inside it or out of it."""
PATTERN_TOKENS = 3


def pattern(spec: Pattern, seed: int) -> Dataset:
    """Block models with a planted pattern; each split has the same patterns, in order and in equal parts."""
    counts = _counts(spec, spec.train, spec.valid, spec.test)
    if spec.source == "pyg":
        return _scored_as_told(spec, pyg.published("PATTERN", counts))
    planted = _patterns(spec, _stream(seed, "patterns"))

    def draw(count: int, sizes: Random, graphs: Random) -> Split:
        mine = [planted[which] for which in _in_equal_parts(count, len(planted)).tolist()]
        blocks = _sizes(spec, sizes, (count, spec.communities))
        totals = blocks.sum(axis=1) + [len(one.tokens) for one in mine]
        return pack(totals, _with_pattern(spec, graphs, blocks, mine))

    built = _dataset(_draw_splits(seed, counts, draw), classes=2, tokens=PATTERN_TOKENS)
    return _scored_as_told(spec, built)


def cluster(spec: Cluster, seed: int) -> Dataset:
    """Block models in which one node of each community carries the community's name."""
    counts = _counts(spec, spec.train, spec.valid, spec.test)
    if spec.source == "pyg":
        return _scored_as_told(spec, pyg.published("CLUSTER", counts))

    def draw(count: int, sizes: Random, graphs: Random) -> Split:
        blocks = _sizes(spec, sizes, (count, spec.communities))
        return pack(blocks.sum(axis=1), _with_one_revealed(spec, graphs, blocks))

    splits = _draw_splits(seed, counts, draw)
    return _scored_as_told(spec, _dataset(splits, classes=spec.communities, tokens=spec.communities + 1))


def _dataset(splits: Mapping[str, Split], *, classes: int, tokens: int) -> Dataset:
    widest = max(int(split.sizes.max()) for split in splits.values())
    return Dataset(Shape(nodes=widest, classes=classes, tokens=tokens), splits)


def _counts(spec: BlockModel, train: int, valid: int, test: int) -> dict[str, int]:
    """How many graphs of each split are needed."""
    return {"train": train} if spec.scored == "training" else {"train": train, "valid": valid, "test": test}


def _scored_as_told(spec: BlockModel, built: Dataset) -> Dataset:
    """With the training graphs in place of held-out ones, where these are to be scored."""
    if spec.scored == "held_out":
        return built
    return replace(built, splits=dict.fromkeys(SPLITS, built.splits["train"]))


def _stream(seed: int, purpose: str, part: int = 0) -> Random:
    """Random numbers of their own for each purpose, so that no count changes what the others draw."""
    return np.random.default_rng([seed, ("patterns", *SPLITS).index(purpose), part])


def _draw_splits(
    seed: int, counts: Mapping[str, int], draw: Callable[[int, Random, Random], Split]
) -> dict[str, Split]:
    return {name: draw(count, _stream(seed, name, 0), _stream(seed, name, 1)) for name, count in counts.items()}


def _sizes(spec: BlockModel, random: Random, shape: int | tuple[int, int]) -> Integers:
    smallest, largest = spec.sizes
    return random.integers(smallest, largest, size=shape, endpoint=True)


def _in_equal_parts(count: int, kinds: int) -> Integers:
    """The kind of each of `count` things, grouped; the first kinds take what cannot be divided."""
    share, rest = divmod(count, kinds)
    return np.repeat(np.arange(kinds), share + (np.arange(kinds) < rest))


def _patterns(spec: Pattern, random: Random) -> list[Graph]:
    if spec.pattern_size == "as_communities":
        sizes = _sizes(spec, random, spec.patterns)
    else:
        sizes = np.full(spec.patterns, spec.pattern_size)
    inside = np.full((1, 1), PLANTED, np.float32)
    return [
        Graph(
            tokens=_tokens(spec, random, nodes),
            adjacency=_edges(random, np.zeros(nodes, np.int64), inside),
            labels=np.ones(nodes, np.int64),
        )
        for nodes in sizes.tolist()
    ]


def _tokens(spec: Pattern, random: Random, nodes: int) -> Integers:
    """The tokens of a pattern; told or drawn, they take as many random numbers."""
    drawn = random.integers(0, PATTERN_TOKENS, size=nodes)
    return drawn if spec.pattern_tokens == "drawn" else np.repeat(np.arange(PATTERN_TOKENS), spec.pattern_tokens)


def _with_pattern(spec: Pattern, random: Random, blocks: Integers, planted: list[Graph]) -> Iterator[Graph]:
    """Fresh communities and fresh edges around each pattern, whose tokens and inner edges stay."""
    chances = _chances(spec.communities + 1, spec.p, spec.q)
    chances[-1, :] = chances[:, -1] = PLANTED
    for sizes, given in zip(blocks, planted, strict=True):
        group, place = _shuffled(random, np.append(sizes, len(given.tokens)))
        here = place[-len(given.tokens) :]
        tokens = random.integers(0, PATTERN_TOKENS, size=len(group))
        adjacency = _edges(random, group, chances)
        tokens[here] = given.tokens
        adjacency[np.ix_(here, here)] = given.adjacency
        yield Graph(tokens, adjacency, (group == spec.communities).astype(np.int64))


def _with_one_revealed(spec: Cluster, random: Random, blocks: Integers) -> Iterator[Graph]:
    chances = _chances(spec.communities, spec.p, spec.q)
    for sizes in blocks:
        group, place = _shuffled(random, sizes)
        tokens = np.zeros(len(group), np.int64)
        # The first node of a community before the shuffle is any of its nodes after it.
        tokens[place[np.cumsum(sizes) - sizes]] = np.arange(1, spec.communities + 1)
        yield Graph(tokens, _edges(random, group, chances), group)


def _chances(groups: int, inside: float, between: float) -> Chances:
    chances = np.full((groups, groups), between, np.float32)
    np.fill_diagonal(chances, inside)
    return chances


def _shuffled(random: Random, sizes: Integers) -> tuple[Integers, Integers]:
    """The group of every node in a random order, and where each node of the orderly list went."""
    place = random.permutation(int(sizes.sum()))
    group = np.empty(len(place), np.int64)
    group[place] = np.repeat(np.arange(len(sizes)), sizes)
    return group, place


def _edges(random: Random, group: Integers, chances: Chances) -> NDArray[np.uint8]:
    """One draw for every pair of nodes: symmetric, without self loops."""
    chance = chances[group[:, None], group]
    joined = np.triu(random.random(chance.shape, dtype=np.float32) < chance, 1).astype(np.uint8)
    return joined | joined.T
