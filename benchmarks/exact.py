"""CPU seconds of counting a pyramid's walk vectors by residues, by Python's integers and in float32, in one run.

python benchmarks/exact.py [--field 19]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from lab.exact.lattices import Lattice, pyramid
from lab.exact.walk_classes import kinds
from lab.exact.walks import integers, residues, rounded

BASES = (5, 10, 15, 20)
LARGE = (30, 50)
"""Bases that are not counted by integers, which would take minutes."""


def by_residues(lattice: Lattice, field: int) -> int:
    """Kinds of walk vectors, modulo three primes."""
    *_, (keys, _) = residues(lattice, field)
    return int(kinds(keys)[0].max()) + 1


def by_floats(lattice: Lattice, field: int) -> int:
    """Kinds of walk vectors in float32: fast, and wrong."""
    *_, (keys, _) = rounded(lattice, field)
    return int(kinds(keys)[0].max()) + 1


def by_integers(lattice: Lattice, field: int) -> int:
    """Kinds of walk vectors as whole numbers of any size."""
    stacked = np.stack(list(integers(lattice, field)), axis=-1).reshape(-1, field + 1)
    return len({tuple(vector) for vector in stacked.tolist()})


def timed(count: Callable[[Lattice, int], int], lattice: Lattice, field: int) -> tuple[int, float]:
    """What was counted, and the CPU seconds it took."""
    started = time.process_time()
    return count(lattice, field), time.process_time() - started


def main() -> None:
    """Print a row a base, the ratio to integers among them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--field", type=int, default=19)
    field = parser.parse_args().field
    print("| base | pairs | kinds | residues, s | integers, s | integers / residues | float32, s | kinds in float32 |")
    print("|---|---|---|---|---|---|---|---|")
    for base in (*BASES, *LARGE):
        lattice = pyramid(base)
        told, seconds = timed(by_residues, lattice, field)
        wrong, floats = timed(by_floats, lattice, field)
        whole, ratio = "", ""
        if base in BASES:
            again, spent = timed(by_integers, lattice, field)
            assert again == told, f"base {base}: {again} kinds by integers, {told} by residues"
            whole, ratio = f"{spent:.3f}", f"{spent / seconds:.1f}"
        cells = (base, lattice.nodes**2, told, f"{seconds:.3f}", whole, ratio, f"{floats:.3f}", wrong)
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
