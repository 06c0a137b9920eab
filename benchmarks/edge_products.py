"""A product over the nodes between: as lab batches it, and with every term written out.

    python benchmarks/edge_products.py [--graphs 8] [--rounds 5] [--device cpu]

Forward and backward of one path product of two channels on a state of five, both ways in turn on the same numbers.
Terms written out are what a sum over [graphs, nodes, nodes, nodes, channels] would hold.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from lab.spec.models import EdgeTransformer
from lab.train.memory import Peak
from lab.zoo.edge_products import EdgeProduct

WIDTH, CHANNELS = 5, 2


def batched(product: EdgeProduct, state: Tensor, real: Tensor) -> Tensor:
    """As models do it."""
    scores: Tensor = product(state, real)
    return scores


def written_out(product: EdgeProduct, state: Tensor, real: Tensor) -> Tensor:
    """All terms first, then their sum."""
    assert product.right is not None
    left, right = product.left(state) * real[..., None], product.right(state)
    return (left[:, :, :, None] * right[:, None]).sum(2)


def main() -> None:
    """Print one row a number of nodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    device = torch.device(asked.device)
    product = EdgeProduct(EdgeTransformer(products=CHANNELS), WIDTH).to(device)
    print("| nodes | ms, batched | ms, written out | ratio (least to most) | MB, batched | MB, written out |")
    print("|---|---|---|---|---|---|")
    for nodes in (15, 30, 60, 120):
        state = torch.randn(asked.graphs, nodes, nodes, WIDTH, device=device)
        print(row(product, state, asked.rounds), flush=True)


def row(product: EdgeProduct, state: Tensor, rounds: int) -> str:
    """Medians of both ways."""
    real = state.new_ones(state.shape[:3])
    ways = {batched: [], written_out: []}
    room = {}
    gap = (batched(product, state, real) - written_out(product, state, real)).abs().max()
    if not gap < 1e-3:
        raise SystemExit(f"the two ways differ by {gap:.2g}")
    for _ in range(rounds + 1):
        for way, seconds in ways.items():
            peak, before = Peak(state.device), Peak(state.device).megabytes()
            started = time.perf_counter() if state.is_cuda else time.process_time()
            way(product, state, real).square().sum().backward()
            if state.is_cuda:
                torch.cuda.synchronize(state.device)
            seconds.append((time.perf_counter() if state.is_cuda else time.process_time()) - started)
            room[way] = max(room.get(way, 0.0), peak.megabytes() - before)
    ours, theirs = (seconds[1:] for seconds in ways.values())
    ratios = [one / other for one, other in zip(theirs, ours, strict=True)]
    spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    times = " | ".join(f"{statistics.median(each) * 1000:.1f}" for each in (ours, theirs))
    return f"| {state.shape[1]} | {times} | {spread} | {room[batched]:.0f} | {room[written_out]:.0f} |"


if __name__ == "__main__":
    main()
