"""Pgat: embedding, encodings, blocks, readout of the targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lab.data.batch import Batch, Shape
from lab.errors import LabError
from lab.spec.models.pgat import Pgat as Options
from lab.zoo.footprint import MemoryStats, memory_stats
from lab.zoo.pgat.block import Block
from lab.zoo.pgat.embedding import NodePlaces, SeriesEmbedding, time_table
from lab.zoo.pgat.graph import TripartiteGraph
from lab.zoo.pgat.paths import mean_paths, weights_seen
from lab.zoo.pgat.readout import Head, Readout


class Pgat(nn.Module):
    """Forecasts of all series; rows of drivers, which nobody asks for, are zero."""

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        if not (shape.window and shape.horizon):
            raise LabError("pgat forecasts windows of series", hint="give it a dataset whose task is forecast")
        self.spec, self.shape = spec, shape
        waves, targets = shape.drivers or shape.nodes, shape.nodes - shape.drivers
        if waves < 2 and spec.levels == 2:
            raise LabError("levels: a single wave has no coarser one", hint="leave levels at 1")
        transitions = targets if spec.structure == "given" else spec.transitions
        self.counts = (waves, transitions, targets) if spec.graph_attention else (0, 0, targets)
        self.embedding = SeriesEmbedding(spec, shape, self.counts)
        self.time = time_table(spec, shape.window // self.embedding.patch)
        self.node_places = NodePlaces(spec) if spec.graph_encoding or spec.structural_encoding != "none" else None
        if spec.structure == "complete":
            self._keep(TripartiteGraph.complete(waves, transitions, targets))
        last = spec.layers - 1
        self.blocks = nn.ModuleList(Block(spec, self.counts, is_last=at == last) for at in range(spec.layers))
        self.readout = Readout(spec, shape.horizon)
        self.head = Head(spec)

    def forward(self, batch: Batch) -> Tensor:
        """[graphs, horizon, nodes, channels] of windows [graphs, frames, nodes, features]."""
        asked = (self.shape.window, self.shape.nodes, self.shape.features)
        if batch.x.shape[1:] != asked:
            raise ValueError(f"x is {tuple(batch.x.shape)}, but the model reads [graphs, {', '.join(map(str, asked))}]")
        home = self.readout.horizon.weight.device
        if batch.x.device != home:
            raise ValueError(f"x is on {batch.x.device}, but the model is on {home}: move one to the other")
        graph, told = self._graph(batch)
        z = self.embedding(batch.x) + self._encodings(told)
        for block in self.blocks:
            z = block(z, graph)
        out: Tensor = self.head(self.readout(z[:, -self.counts[2] :])).transpose(1, 2)
        return pad(out, (0, 0, self.shape.drivers, 0))

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The masks of each window's own graph, or of the one that all share, and what it tells of its nodes."""
        if self.spec.structure != "given":
            return {}
        adjacency = batch.adjacency[:, -1] if batch.adjacency.ndim == 4 else batch.adjacency
        if not adjacency.stride(0):  # one graph, shown once for every window
            adjacency = adjacency[:1]
        graph = TripartiteGraph.given(adjacency, self.shape.drivers)
        told = {} if self.node_places is None else self.node_places.read(graph)
        prepared = {"reads": graph.reads, "tells": graph.tells, **told}
        return {name: tensor.expand(len(batch.x), *tensor.shape[1:]) for name, tensor in prepared.items()}

    @torch.no_grad()
    def learned_graph(self, batch: Batch) -> Tensor:
        """[graphs, nodes, nodes]: how much node i hears of node j, on the paths from waves to targets."""
        with self.graph_seen(batch) as told:
            self(batch)
        return told()

    @contextmanager
    def graph_seen(self, batch: Batch) -> Iterator[Callable[[], Tensor]]:
        """The same of a pass over this batch that is made inside, whoever makes it."""
        with weights_seen(self.blocks, len(batch.x)) as seen:
            yield lambda: self._heard(batch, seen)

    @torch.no_grad()
    def _heard(self, batch: Batch, seen: dict[nn.Module, Tensor]) -> Tensor:
        graphs, nodes, drivers = len(batch.x), self.shape.nodes, self.shape.drivers
        told = batch.x.new_zeros(graphs, nodes, nodes)
        paths = mean_paths(self.blocks, seen, self._graph(batch)[0].reads[:, 0].expand(graphs, -1, -1))
        if paths is not None:
            told[:, drivers:, : drivers or nodes] = paths
        return told

    def memory_stats(self, batch: Batch) -> MemoryStats:
        """What a step on this batch keeps and holds."""
        return memory_stats(self, batch)

    def clear_cache(self) -> None:
        """Work out again what is kept of the graph; nothing changes, as nothing of it is learned."""
        if self.spec.structure == "complete":
            self._keep(self._kept())

    def _keep(self, graph: TripartiteGraph) -> None:
        """The masks as buffers, and what the graph tells of its nodes if that is kept."""
        told = {} if self.node_places is None or self.spec.graph_cache == "none" else self.node_places.read(graph)
        for name, tensor in {"reads": graph.reads, "tells": graph.tells, **told}.items():
            self.register_buffer(name, tensor, persistent=False)

    def _kept(self) -> TripartiteGraph:
        return TripartiteGraph(self.get_buffer("reads"), self.get_buffer("tells"))

    def _graph(self, batch: Batch) -> tuple[TripartiteGraph, dict[str, Tensor]]:
        """Masks [graphs or 1, 1, rows, columns], and what the graph tells of its nodes."""
        if self.spec.structure == "given":
            told = dict(batch.extra) or self.prepare(batch)
            return TripartiteGraph(told["reads"][:, None], told["tells"][:, None]), told
        graph = self._kept()
        told = {name: buffer for name, buffer in self.named_buffers(recurse=False) if name not in ("reads", "tells")}
        if self.node_places is not None and self.spec.graph_cache == "none":
            told = self.node_places.read(graph)
        return TripartiteGraph(graph.reads[None, None], graph.tells[None, None]), told

    def _encodings(self, told: dict[str, Tensor]) -> Tensor:
        """[graphs or none, nodes or 1, tokens or 1, width]."""
        found = self.readout.horizon.weight.new_zeros(1, 1, 1)
        if self.time is not None:
            found = found + self.time().to(found.dtype)
        places = None if self.node_places is None else self.node_places(told)
        return found if places is None else found + places[..., -sum(self.counts) :, None, :]
