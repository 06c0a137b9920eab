"""From a batch of windows to the graphs that convolutions work on, as the option `graph` tells."""

from __future__ import annotations

import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.spec.models.graph_source import GraphSource as Options
from lab.zoo.parts import scrambled


def graph_of(spec: Options, batch: Batch) -> Tensor | None:
    """[windows, nodes, nodes], with frames behind windows where each has its graph, or [1, nodes, nodes] for all."""
    if spec.source == "none":
        return None
    graphs = batch.adjacency
    graph = _known(spec, graphs, batch.ids) if graphs.ndim == 3 else _chosen(spec, graphs, batch.ids)
    return (graph if spec.weights else graph > 0).to(batch.x.dtype)


def _known(spec: Options, graphs: Tensor, ids: Tensor) -> Tensor:
    """One known graph for all frames: only its nodes can be shuffled."""
    if spec.source == "random_same_density":
        return shuffled(graphs, ids)
    is_shared = graphs.stride(0) == 0 or spec.source == "first_of_batch_first_frame"
    return graphs[:1] if is_shared else graphs


def _chosen(spec: Options, graphs: Tensor, ids: Tensor) -> Tensor:
    """The graph of [windows, frames, nodes, nodes] that the source names."""
    match spec.source:
        case "own_first":
            return graphs[:, 0]
        case "own_per_frame":
            return graphs
        case "window_mean_weighted":
            return graphs.float().mean(1)
        case "first_of_batch_first_frame":
            return graphs[:1, 0]
        case "random_same_density":
            return shuffled(graphs[:, -1], ids)
        case _:
            return graphs[:, -1]


def shuffled(graphs: Tensor, ids: Tensor) -> Tensor:
    """The graphs with their nodes renamed at random: as dense as before, and always the same for one window."""
    nodes = graphs.shape[-1]
    order = scrambled(ids, torch.Size([nodes])).argsort(-1)
    rows = graphs.gather(1, order[:, :, None].expand(-1, -1, nodes))
    return rows.gather(2, order[:, None].expand(-1, nodes, -1))
