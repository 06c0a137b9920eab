"""Paths: what the hops of a model weighed while it answered, put together from waves to targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lab.zoo.pgat.block import Block
from lab.zoo.pgat.hop import GraphHop


@contextmanager
def weights_seen(blocks: Iterable[nn.Module], graphs: int) -> Iterator[dict[nn.Module, Tensor]]:
    """The weights [graphs, destinations, sources] of hops that run inside once, in the mean over tokens and heads."""
    seen: dict[nn.Module, Tensor] = {}
    handles = []

    def look_at(hop: GraphHop) -> None:
        def note(_: nn.Module, __: object, weights: Tensor) -> None:
            rows = weights.unflatten(0, (graphs, -1)).mean((1, 2))  # type: ignore[no-untyped-call]
            # A hop whose nodes listen in chunks shows the rows of one chunk after the other.
            seen[hop] = torch.cat([seen[hop], rows], 1) if hop in seen else rows

        handles.append(hop.weights.register_forward_hook(note))

    for block in blocks:
        for module in block.modules():
            if isinstance(module, GraphHop):
                look_at(module)
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def mean_paths(blocks: Iterable[nn.Module], seen: dict[nn.Module, Tensor], allowed: Tensor) -> Tensor | None:
    """The mean over the blocks of how much targets heard of waves; None where no block listens over the graph.

    `allowed` [graphs, transitions, waves] bool are the edges that lead to transitions.
    """
    graphs_of = [block.graph for block in blocks if isinstance(block, Block) and block.graph is not None]
    paths = [graph.paths(seen, allowed) for graph in graphs_of]
    return torch.stack(paths).mean(0) if paths else None
