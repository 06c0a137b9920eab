"""Block: mix along time in each series, listen over the graph at each token, then node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from lab.spec.models.pgat import Pgat as Options
from lab.zoo.parts import LayerNorm, dropout
from lab.zoo.pgat.graph import TripartiteGraph
from lab.zoo.pgat.hop import GraphHop, OnlySource
from lab.zoo.pgat.mixers import mixer_of
from lab.zoo.taps import Kind, Over


class FeedForward(nn.Module):
    """Linear, GELU, linear."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.linear1 = nn.Linear(spec.width, spec.feed_forward * spec.width)
        self.dropout = dropout(spec.dropout)
        self.linear2 = nn.Linear(spec.feed_forward * spec.width, spec.width)

    def forward(self, z: Tensor) -> Tensor:
        """Map [..., width]."""
        out: Tensor = self.linear2(self.dropout(gelu(self.linear1(z))))
        return out


class CoarseWaves(nn.Module):
    """Half as many nodes as there are waves, each a learned mean of them."""

    def __init__(self, waves: int) -> None:
        super().__init__()
        self.assign = nn.Parameter(torch.empty(waves, coarse(waves)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Far enough apart that they do not stay alike."""
        nn.init.normal_(self.assign)

    def forward(self, waves: Tensor) -> Tensor:
        """[graphs, tokens, coarse, width] from [graphs, tokens, waves, width]."""
        return self.shares().t() @ waves

    def shares(self) -> Tensor:
        """[waves, coarse]: what each coarse wave is made of, summing to 1."""
        shares = self.assign.softmax(1)
        return shares / shares.sum(0)


def coarse(waves: int) -> int:
    """Number of coarse waves: half as many, but two at least, since all waves belong to one alone."""
    return max(2, (waves + 1) // 2)


class Graph(nn.Module):
    """One round over the graph: transitions hear waves, then targets hear transitions, and back if asked for."""

    def __init__(self, spec: Options, counts: tuple[int, int, int], *, goes_back: bool) -> None:
        super().__init__()
        self.counts = waves, transitions, targets = counts
        self.coarse = CoarseWaves(waves) if spec.levels == 2 else None
        alone = spec.structure == "given" or transitions == 1
        sources = waves + (coarse(waves) if self.coarse is not None else 0)
        # Where the graph is given, a transition stands for its target: then nodes read nodes.
        of_reads: Over = "nodes" if spec.structure == "given" else "others"
        self.reads = OnlySource(spec) if sources == 1 else GraphHop(spec, transitions, sources, over=of_reads)
        self.tells = OnlySource(spec) if alone else GraphHop(spec, targets, transitions)
        self.back_tells = self.back_reads = None
        if goes_back:
            one_target = spec.structure == "given" or targets == 1
            self.back_tells = OnlySource(spec) if one_target else GraphHop(spec, transitions, targets)
            self.back_reads = OnlySource(spec) if transitions == 1 else GraphHop(spec, waves, transitions)
        self.read_dropout, self.tell_dropout = dropout(spec.dropout), dropout(spec.dropout)
        self.back_tell_dropout = dropout(spec.dropout if goes_back else 0.0)
        self.back_read_dropout = dropout(spec.dropout if goes_back else 0.0)

    def paths(self, seen: Mapping[nn.Module, Tensor], allowed: Tensor) -> Tensor:
        """How much each target heard of each wave, [graphs, targets, waves], from the mean weights of hops.

        A transition hears all of its only wave, where `allowed` [graphs, transitions, waves] has an edge.
        """
        waves, transitions, targets = self.counts
        reads = seen.get(self.reads, allowed.to(self.reads.out.weight.dtype))
        if self.coarse is not None:
            reads = reads[..., :waves] + reads[..., waves:] @ self.coarse.shares().t()
        if self.tells in seen:
            return seen[self.tells] @ reads
        return reads if transitions == targets else reads.expand(-1, targets, -1)

    def forward(self, z: Tensor, graph: TripartiteGraph) -> Tensor:
        """Update [graphs, nodes, tokens, width]."""
        wave, event, target = torch.split(z.transpose(1, 2), list(self.counts), dim=2)
        reads, tells = graph.reads, graph.tells
        told = wave if self.coarse is None else torch.cat([wave, self.coarse(wave)], 2)
        heard = self.reads(event, told, _with_coarse(reads, told.shape[2]))
        event = event + self.read_dropout(heard)
        target = target + self.tell_dropout(self.tells(target, event, tells))
        if self.back_tells is not None and self.back_reads is not None:
            event = event + self.back_tell_dropout(self.back_tells(event, target, tells.transpose(-1, -2)))
            wave = wave + self.back_read_dropout(self.back_reads(wave, event, reads.transpose(-1, -2)))
        return torch.cat([wave, event, target], 2).transpose(1, 2)


def _with_coarse(reads: Tensor, sources: int) -> Tensor:
    """Coarse waves reach every transition."""
    return torch.nn.functional.pad(reads, (0, sources - reads.shape[-1]), value=True)


class Block(nn.Module):
    """Three residual sums, each of a norm and a part: time, graph, feed-forward."""

    tapped: ClassVar[Kind] = "block"

    def __init__(self, spec: Options, counts: tuple[int, int, int], *, is_last: bool) -> None:
        super().__init__()
        self.mixer = mixer_of(spec)
        self.mixer_norm = LayerNorm(spec.width) if self.mixer is not None else None
        self.mixer_dropout = dropout(spec.dropout if self.mixer is not None else 0.0)
        goes_back = spec.bidirectional and not is_last
        self.graph = Graph(spec, counts, goes_back=goes_back) if spec.graph_attention else None
        self.norm = LayerNorm(spec.width)
        self.feed_forward = FeedForward(spec)
        self.dropout = dropout(spec.dropout)

    def forward(self, z: Tensor, graph: TripartiteGraph) -> Tensor:
        """Update [graphs, nodes, tokens, width]; the masks of the graph are [graphs or 1, 1, rows, columns]."""
        if self.mixer is not None and self.mixer_norm is not None:
            mixed = self.mixer(self.mixer_norm(z, z).flatten(0, 1)).unflatten(0, z.shape[:2])
            z = z + self.mixer_dropout(mixed)
        if self.graph is not None:
            z = self.graph(z, graph)
        out: Tensor = z + self.dropout(self.feed_forward(self.norm(z, z)))
        return out
