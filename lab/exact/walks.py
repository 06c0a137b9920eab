"""Walk vectors without rounding: as integers, as residues of three primes, and in float32 to see what that does."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.exact.lattices import Integers, Lattice

PRIMES = (2147483647, 2147483629, 2147483587)
"""The three largest below 2^31: a product of two residues fits into 63 bits."""
BASES = (1103515245, 1664525, 134775813)
"""Where each prime's polynomial in the powers is evaluated."""

Residues = tuple[Integers, Integers]
"""Two numbers that stand for a pair's walk vector: equal vectors have equal ones, in any graph, and different
vectors differ in them but for a chance of about 2^-88."""


def neighbours(lattice: Lattice) -> tuple[Integers, Integers]:
    """[nodes, largest degree] of neighbours, filled up with the number of nodes, and [nodes] of degrees."""
    ends = np.concatenate([lattice.edges, lattice.edges[:, ::-1]])
    ends = ends[np.argsort(ends[:, 0], kind="stable")]
    degrees = np.bincount(ends[:, 0], minlength=lattice.nodes)
    rank = np.arange(len(ends)) - (np.cumsum(degrees) - degrees)[ends[:, 0]]
    table = np.full((lattice.nodes, degrees.max(initial=1)), lattice.nodes, np.int64)
    table[ends[:, 0], rank] = ends[:, 1]
    return table, degrees


def scale(lattice: Lattice) -> int:
    """The number whose k-th power makes integers of the k-th powers of the random walk."""
    return lcm(*(degree for degree in neighbours(lattice)[1].tolist() if degree))


def integers(lattice: Lattice, field: int) -> Iterator[NDArray[Any]]:
    """scale^k P^k for the powers k = 0 .. field, [nodes, nodes] of Python's integers."""
    table, degrees = neighbours(lattice)
    whole = scale(lattice)
    weights = np.array([whole // degree if degree else 0 for degree in degrees.tolist()], dtype=object)
    walks = np.eye(lattice.nodes + 1, lattice.nodes, dtype=np.int64).astype(object)
    yield walks[:-1].copy()
    for _ in range(field):
        walks[:-1] = weights[:, None] * walks[table].sum(axis=1)
        yield walks[:-1].copy()


def walk_vector(lattice: Lattice, source: int, target: int, field: int) -> tuple[Fraction, ...]:
    """The chances to be at target after 0 .. field steps from source."""
    whole = scale(lattice)
    told = enumerate(integers(lattice, field))
    return tuple(Fraction(int(walks[source, target]), whole**power) for power, walks in told)


def residues(lattice: Lattice, field: int) -> Iterator[tuple[Residues, NDArray[np.bool_]]]:
    """What stands for the walk vectors of powers 0 .. k, and which are not zero, for k = 0 .. field."""
    parts = [_residues(lattice, field, prime, base) for prime, base in zip(PRIMES, BASES, strict=True)]
    for (first, second, third), reached in zip(zip(*parts, strict=True), reach(lattice, field), strict=True):
        yield (first << 31 | second, third), reached


def reach(lattice: Lattice, field: int) -> Iterator[NDArray[np.bool_]]:
    """Which nodes some walk of at most k steps ends in, for k = 0 .. field."""
    table, _ = neighbours(lattice)
    now = np.eye(lattice.nodes + 1, lattice.nodes, dtype=np.bool_)
    seen = now[:-1].copy()
    yield seen.copy()
    for _ in range(field):
        now[:-1] = now[table].any(axis=1)
        seen |= now[:-1]
        yield seen.copy()


def _residues(lattice: Lattice, field: int, prime: int, base: int) -> Iterator[Integers]:
    """The polynomial of a pair's walk vector modulo one prime, power after power."""
    table, degrees = neighbours(lattice)
    shares = np.array([pow(degree, -1, prime) if degree else 0 for degree in degrees.tolist()], np.int64)
    walks = np.eye(lattice.nodes + 1, lattice.nodes, dtype=np.int64)
    told, factor = walks[:-1].copy(), 1
    yield told
    for _ in range(field):
        total = walks[table[:, 0]]
        for column in table.T[1:]:
            total += walks[column]
        total %= prime
        total *= shares[:, None]
        total %= prime
        walks[:-1] = total
        factor = factor * base % prime
        told = (told + factor * total) % prime
        yield told


def rounded(lattice: Lattice, field: int) -> Iterator[tuple[Residues, NDArray[np.bool_]]]:
    """As `residues`, but of walk vectors in float32, bit by bit: the trap that equality of floats is."""
    adjacency = lattice.adjacency.astype(np.float32)
    step = adjacency / np.maximum(adjacency.sum(axis=1, keepdims=True), 1)
    power = np.eye(lattice.nodes, dtype=np.float32)
    first, second = (np.zeros(power.shape, np.uint64) for _ in range(2))
    reached = np.zeros(power.shape, np.bool_)
    for exponent in range(field + 1):
        power = power @ step if exponent else power
        reached |= power != 0
        bits = power.view(np.uint32).astype(np.uint64)
        first = first * np.uint64(0x9E3779B97F4A7C15) + bits  # wraps around, as is meant
        second = second * np.uint64(0xD1B54A32D192ED03) + bits
        yield (first.view(np.int64), second.view(np.int64)), reached.copy()
