"""GraphHop: the nodes of one kind listen to those of another, at every token of time."""

from __future__ import annotations

import math
from itertools import starmap

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, logsigmoid
from torch.utils.checkpoint import checkpoint

from lab.spec.models.pgat import Pgat as Options
from lab.zoo.parts import LayerNorm
from lab.zoo.pgat.prior import FixedPrior, LearnedPrior
from lab.zoo.taps import Over, Tap


class EdgeGate(nn.Module):
    """The logarithm of a gate in (0, 1) for each head and edge, read off both ends.

    A layer on both ends joined is the sum of a layer on each, so that nothing as wide as two states is ever made
    for an edge.
    """

    def __init__(self, spec: Options) -> None:
        super().__init__()
        hidden = max(8, spec.width // 4)
        self.source = nn.Linear(spec.width, hidden, bias=False)
        self.destination = nn.Linear(spec.width, hidden)
        self.out = nn.Linear(hidden, spec.heads)

    def forward(self, destination: Tensor, source: Tensor) -> Tensor:
        """[..., heads] from hidden vectors of both ends that broadcast to the edges."""
        return logsigmoid(self.out(gelu(destination + source)))


class GraphHop(nn.Module):
    """Attention from sources to destinations: content, a gate on each edge, and what is known of edges beforehand."""

    def __init__(self, spec: Options, destinations: int, sources: int, *, over: Over = "others") -> None:
        super().__init__()
        self.spec = spec
        self.destination_norm = LayerNorm(spec.width)
        self.source_norm = LayerNorm(spec.width)
        self.query = nn.Linear(spec.width, spec.width)
        self.key_value = nn.Linear(spec.width, 2 * spec.width)
        self.out = nn.Linear(spec.width, spec.width)
        self.gate = EdgeGate(spec) if spec.edge_gate == "dynamic" else None
        fixed = spec.graph == "fixed"
        self.prior = FixedPrior() if fixed else LearnedPrior(spec, destinations, sources)
        self.weights = Tap("attention", over=over)
        if spec.layout == "edge":
            self.register_buffer("edges", every_edge(destinations, sources), persistent=False)

    def forward(self, destinations: Tensor, sources: Tensor, allowed: Tensor) -> Tensor:
        """What [graphs, tokens, destinations, width] hear; `allowed` [graphs or 1, 1, destinations, sources] bool."""
        a, b = self.destination_norm(destinations, allowed), self.source_norm(sources, allowed)
        prior = self.prior(a, b, allowed)
        if self.spec.layout == "edge":
            heard = self._along_edges(a, b, prior, allowed)
        elif not self.spec.node_chunk:
            heard = self._dense(a, b, prior, allowed)
        else:
            cut = [torch.split(each, self.spec.node_chunk, dim=2) for each in (a, prior, allowed)]
            rows = [(own, b, known, kept) for own, known, kept in zip(*cut, strict=True)]
            heard = torch.cat(list(starmap(self._dense_again, rows)), dim=2)
        out: Tensor = self.out(heard)
        return out

    def _dense_again(self, *known: Tensor) -> Tensor:
        """The same, forgotten and computed again when gradients are due; nothing in it is drawn at random."""
        heard: Tensor = checkpoint(self._dense, *known, use_reentrant=False, preserve_rng_state=False)
        return heard

    def _dense(self, a: Tensor, b: Tensor, prior: Tensor, allowed: Tensor) -> Tensor:
        query = self.query(a).unflatten(-1, (self.spec.heads, -1)).transpose(2, 3)
        key, value = self.key_value(b).unflatten(-1, (2, self.spec.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1]) + prior[:, :, None]
        if self.gate is not None:
            gates = self.gate(self.gate.destination(a)[:, :, :, None], self.gate.source(b)[:, :, None])
            logits = logits + gates.permute(0, 1, 4, 2, 3)
        weights = _softmax(logits, allowed[:, :, None])
        if self.weights.is_watched:
            self.weights(weights.flatten(0, 1), allowed.expand(*a.shape[:2], -1, -1).flatten(0, 1)[:, None])
        heard: Tensor = weights @ value
        return heard.transpose(2, 3).flatten(3)

    def _along_edges(self, a: Tensor, b: Tensor, prior: Tensor, allowed: Tensor) -> Tensor:
        heads, (count, width) = self.spec.heads, a.shape[2:]
        best = self.prior.best()
        source, destination = self.get_buffer("edges") if best is None else edges_of(best)
        query = self.query(a).index_select(2, destination).unflatten(-1, (heads, -1))
        key, value = (
            each.index_select(2, source).unflatten(-1, (heads, -1)) for each in self.key_value(b).chunk(2, dim=-1)
        )
        at = destination * b.shape[2] + source
        logits = (query * key).sum(-1) / math.sqrt(width // heads)
        logits = logits + prior.flatten(2).index_select(2, at)[..., None]
        if self.gate is not None:
            ends = self.gate.destination(a).index_select(2, destination), self.gate.source(b).index_select(2, source)
            logits = logits + self.gate(*ends)
        open_edges = allowed.flatten(2).index_select(2, at)[..., None]
        weights = _softmax_by(destination, logits, open_edges, count)
        if self.weights.is_watched:
            self._show(weights, at, allowed)
        heard: Tensor = (weights[..., None] * value).flatten(3)
        return heard.new_zeros(a.shape).index_add(2, destination, heard)

    def _show(self, weights: Tensor, at: Tensor, allowed: Tensor) -> None:
        """Put the weights [graphs, tokens, edges, heads] of edges where they belong, for whoever looks."""
        rows, columns = allowed.shape[2:]
        flat = weights.detach().transpose(2, 3).flatten(0, 1)
        whole = flat.new_zeros(*flat.shape[:2], rows * columns).index_copy(2, at, flat)
        readable = allowed.expand(*weights.shape[:2], -1, -1).flatten(0, 1)
        self.weights(whole.view(*whole.shape[:2], rows, columns), readable[:, None])


class OnlySource(nn.Module):
    """What stands for a hop where each destination has one source at most, of which there is nothing to choose."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.may_lack = spec.structure == "given"
        self.norm = LayerNorm(spec.width)
        self.value = nn.Linear(spec.width, spec.width)
        self.out = nn.Linear(spec.width, spec.width)

    def forward(self, destinations: Tensor, sources: Tensor, allowed: Tensor) -> Tensor:
        """What destinations hear: each its own source, or all the only one there is; nothing where no edge leads."""
        told: Tensor = self.value(self.norm(sources, allowed))
        if self.may_lack:
            told = told.expand_as(destinations).masked_fill(~allowed.any(-1, keepdim=True), 0.0)
        heard: Tensor = self.out(told)
        return heard.expand_as(destinations)


def _softmax(logits: Tensor, allowed: Tensor) -> Tensor:
    """Over the last axis; pairs that are not allowed weigh exactly 0, also where a row has no other."""
    shut = ~allowed
    return logits.masked_fill(shut, torch.finfo(logits.dtype).min).softmax(-1).masked_fill(shut, 0.0)


def _softmax_by(destination: Tensor, logits: Tensor, is_open: Tensor, count: int) -> Tensor:
    """The same over the edges [graphs, tokens, edges, heads] of each destination."""
    logits = logits.masked_fill(~is_open, torch.finfo(logits.dtype).min)
    shape = (*logits.shape[:2], count, logits.shape[3])
    at = destination[:, None].expand_as(logits)
    largest = logits.new_zeros(shape).scatter_reduce(2, at, logits.detach(), "amax", include_self=False)
    raised = (logits - largest.index_select(2, destination)).exp().masked_fill(~is_open, 0.0)
    total = raised.new_zeros(shape).index_add(2, destination, raised)
    return raised / total.index_select(2, destination).clamp(min=torch.finfo(raised.dtype).tiny)


def every_edge(destinations: int, sources: int) -> Tensor:
    """[2, edges]: source and destination of all pairs."""
    every = torch.arange(destinations * sources)
    return torch.stack([every % sources, every // sources])


def edges_of(best: Tensor) -> Tensor:
    """[2, edges] from the sources [destinations, kept] of each destination."""
    destination = torch.arange(len(best), device=best.device).repeat_interleave(best.shape[1])
    return torch.stack([best.flatten(), destination])
