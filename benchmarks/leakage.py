"""What gives the next frame of seeded random graphs away: simple forecasts where seeds are reused, and where not.

python benchmarks/leakage.py [--sequences 100] [--split by_sequence]
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from lab.data.links.frames import Frames, to_dataset, window_starts
from lab.data.links.lines import Windows, asked_pairs, at, fitted, gathered, of_order
from lab.data.links.seeded import sequences
from lab.spec.datasets import SeededRandomGraphs

FAMILIES = ("barabasi_albert", "erdos_renyi", "newman_watts")
MODES = ("offset_reused", "fresh")
MOST_TESTED = 3_000
MOST_TRAINED = 20_000


def windows(spec: SeededRandomGraphs) -> tuple[Windows, Windows, float]:
    """Training and test windows without features, and the density of all entries, diagonal included."""
    graphs = sequences(spec, 0)
    frames = Frames(np.zeros((*graphs.shape[:3], 1), np.float32), graphs)
    splits = to_dataset(frames, spec, window_starts(spec, 0)).splits
    return gathered(splits["train"], MOST_TRAINED), gathered(splits["test"], MOST_TESTED), float(graphs.mean())


def told(spec: SeededRandomGraphs) -> dict[str, float]:
    """Density, what was seen before, and AUCs."""
    train, test, density = windows(spec)
    pairs = asked_pairs(train.next)
    links = at(test.next, pairs)
    seen = {(a.tobytes(), b.tobytes()) for a, b in zip(train.last, train.next, strict=True)}
    again = np.mean([(a.tobytes(), b.tobytes()) in seen for a, b in zip(test.last, test.next, strict=True)])
    marginal = np.broadcast_to(train.next.mean(0), test.mean.shape)
    dense = np.broadcast_to(test.mean.mean((1, 2), keepdims=True), test.mean.shape)
    scores = {"window density": dense, "pair marginal x density": marginal * dense}
    scores |= {name: rule(test) for name, rule in fitted(train, pairs).items()}
    aucs = {name: of_order(at(every, pairs), links)[0] for name, every in scores.items()}
    return {"density": density, "frames seen before": float(again)} | aucs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=100)
    parser.add_argument("--split", default="by_sequence")
    asked = parser.parse_args()
    share = asked.sequences * 15 // 100
    columns = {
        (family, mode): told(
            SeededRandomGraphs(
                family=family,
                seed_mode=mode,
                split=asked.split,
                train=asked.sequences - 2 * share,
                valid=share,
                test=share,
                stride=2,
            )
        )
        for mode in MODES
        for family in FAMILIES
    }
    names = list(next(iter(columns.values())))
    print(f"{asked.sequences} sequences, split {asked.split}, windows of 10 frames, pairs off the diagonal\n")
    print("| | " + " | ".join(f"{family}, {mode}" for family, mode in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    for name in names:
        print(f"| {name} | " + " | ".join(f"{each[name]:.3f}" for each in columns.values()) + " |")


if __name__ == "__main__":
    main()
