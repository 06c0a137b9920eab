"""Attention over the nodes of a graph, by position, by content or by both; weights by softmax or by gates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from lab.spec.models.graph_transformer import GraphTransformer as Options
from lab.zoo.parts import dropout
from lab.zoo.positional import positional_map
from lab.zoo.taps import Tap

MILLION = 1e6
CLAMP = 10.0


@dataclass(frozen=True)
class Pairs:
    """What is known of the pairs of nodes, row (reader) by column (read), the same in every layer."""

    allowed: Tensor
    """[graphs, 1, nodes, nodes]: 1 where the row may read the column, else 0."""
    fill: Tensor
    """[graphs, 1, nodes, nodes]: the logit of a forbidden pair, and 0 for an allowed one."""
    walks: Tensor | None = None
    """[graphs, powers, nodes, nodes] walk vectors, where a logit is made of them."""
    unreachable: Tensor | None = None
    """[graphs, 1, nodes, nodes]: 1 for a real pair without a walk, where that earns a learned logit."""

    @classmethod
    def of(cls, allowed: Tensor, fill: str, walks: Tensor | None = None, unreachable: Tensor | None = None) -> Self:
        """From the allowed pairs; the least finite number stands for minus infinity."""
        floor = -MILLION if fill == "million" else torch.finfo(allowed.dtype).min
        return cls(allowed, (1 - allowed) * floor, walks, unreachable)


class InProjection(nn.Linear):
    """Values, or queries, keys and values in this order: uniform by Xavier over the whole, biases 0."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)


class OutProjection(nn.Linear):
    """The linear layer behind attention; its bias starts at 0."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        super().reset_parameters()
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class Unreachable(nn.Module):
    """A learned logit for pairs that no walk joins, the same for all heads."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.start = start
        self.logit = nn.Parameter(torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Back to the start."""
        nn.init.constant_(self.logit, self.start)

    def forward(self, logits: Tensor, unreachable: Tensor) -> Tensor:
        """Add it where it belongs."""
        return logits + self.logit * unreachable


class Normaliser(nn.Module):
    """From logits to weights: a softmax over the row or a gate on each pair; forbidden pairs weigh exactly 0.

    No logit is infinite, so that no row without a permitted column gives NaN on the way; with the old fill of
    minus a million such a row averages over everything, padding included. Masks are factors and summands, as
    choosing element by element costs four times as much.
    """

    def __init__(self, mixing: str, fill: str) -> None:
        super().__init__()
        self.mixing = mixing
        self.fill = fill

    def forward(self, logits: Tensor, allowed: Tensor, fill: Tensor) -> Tensor:
        """Weights [graphs, heads, rows, columns]."""
        kept = torch.addcmul(fill, logits, allowed)
        if self.mixing == "gate":
            return kept.sigmoid()
        weights = kept.softmax(-1)
        return weights if self.fill == "million" else weights * allowed

    def extra_repr(self) -> str:
        """What print shows between the brackets."""
        return f"{self.mixing}, fill={self.fill}"


class Attention(nn.Module):
    """Heads that read the nodes they are allowed to, each with its own share of the channels.

    `positional` takes the place of the map from walk vectors to logits that the spec asks for.
    """

    def __init__(self, spec: Options, *, positional: nn.Module | None = None) -> None:
        super().__init__()
        self.spec = spec
        content = spec.attention == "content"
        cancelled = spec.attention_norm == "batch" and not spec.norm_first
        weight_share = spec.dropout if spec.attention_dropout is None else spec.attention_dropout
        self.in_projection = InProjection(spec.width, spec.width * (3 if content else 1))
        mapped = spec.distance_bias or not content
        self.positional = (positional or positional_map(spec)) if mapped else None
        self.unreachable = Unreachable(spec.unreachable_init) if spec.unreachable == "learned" else None
        if self.unreachable is not None and spec.positional.freeze:
            self.unreachable.requires_grad_(False)
        self.normaliser = Normaliser(spec.mixing, spec.mask_fill)
        self.weights = Tap("gate" if spec.mixing == "gate" else "attention")
        self.dropout = dropout(weight_share)
        self.out_projection = OutProjection(spec.width, spec.width, bias=spec.bias_before_norm or not cancelled)

    def forward(self, x: Tensor, pairs: Pairs) -> Tensor:
        """Read [graphs, nodes, width]."""
        size = self.spec.width // self.spec.heads
        parts = self.in_projection(x).unflatten(-1, (-1, self.spec.heads, size))
        *asked, value = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each [graphs, heads, nodes, size]
        logits = self._logits(asked, pairs)
        if self.unreachable is not None and pairs.unreachable is not None:
            logits = self.unreachable(logits, pairs.unreachable)
        weights = self.weights(self.normaliser(logits, pairs.allowed, pairs.fill), pairs.allowed)
        weights = self.dropout(weights)
        read: Tensor = self.out_projection((weights @ value).transpose(1, 2).flatten(2))
        return read

    def _logits(self, asked: list[Tensor], pairs: Pairs) -> Tensor:
        if not asked:
            return self._position(pairs)
        query, key = asked
        content = (query / math.sqrt(query.shape[-1])) @ key.transpose(-1, -2)
        if self.positional is None:
            return content
        position = self._position(pairs)
        if self.spec.merge == "plus":
            return content + position
        return content.clamp(-CLAMP, CLAMP) + logsigmoid(position.clamp(-CLAMP, CLAMP))

    def _position(self, pairs: Pairs) -> Tensor:
        assert self.positional is not None
        logits: Tensor = self.positional(pairs.walks, pairs.allowed)
        return logits
