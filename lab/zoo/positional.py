"""Positional maps: from a pair's walk vector to one logit a head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.spec.models.graph_transformer import GraphTransformer as Options
from lab.spec.models.graph_transformer import Positional
from lab.zoo.parts import BatchNorm


def positional_map(spec: Options) -> nn.Module:
    """The map a spec asks for, frozen where it says so."""
    options, powers = spec.positional, len(spec.powers)
    made: nn.Module
    if options.replace == "sum":
        made = SumMap(spec.heads)
    elif options.replace == "relu":
        made = ReluMap(options, powers, spec.heads)
    elif options.map == "mlp":
        made = MlpMap(spec)
    else:
        made = LinearMap(options, powers, spec.heads)
    return made.requires_grad_(not options.freeze)


class LinearMap(nn.Module):
    """One weight a head and power, one bias a head; drawn at random or as told."""

    def __init__(self, options: Positional, powers: int, heads: int) -> None:
        super().__init__()
        self.options = options
        self.weight = nn.Parameter(torch.empty(heads, powers))
        self.bias = nn.Parameter(torch.empty(heads)) if options.bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw both within 1 / sqrt(powers), then put in what was told."""
        bound = self.weight.shape[1] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)
        with torch.no_grad():
            if self.options.init_weight is not None:
                self.weight.copy_(torch.tensor(self.options.init_weight))
            if self.options.init_bias is not None and self.bias is not None:
                self.bias.fill_(self.options.init_bias)

    def forward(self, walks: Tensor, allowed: Tensor) -> Tensor:
        """Logits [graphs, heads, nodes, nodes]."""
        logits = _mapped(walks.flatten(2), self.weight, self.bias)
        return logits.view(len(walks), -1, *walks.shape[2:])


class ReluMap(LinearMap):
    """The linear map cut off below zero."""

    def forward(self, walks: Tensor, allowed: Tensor) -> Tensor:
        """Logits [graphs, heads, nodes, nodes]."""
        return super().forward(walks, allowed).relu()


class SumMap(nn.Module):
    """The sum of the walk vector, for every head."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads

    def forward(self, walks: Tensor, allowed: Tensor) -> Tensor:
        """Logits [graphs, heads, nodes, nodes]."""
        return walks.sum(1, keepdim=True).expand(-1, self.heads, -1, -1)


class MlpMap(nn.Module):
    """A hidden layer with batch norm over the permitted pairs, ReLU, and a linear layer."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        powers, hidden = len(spec.powers), len(spec.powers) * spec.positional.hidden
        self.linear1 = nn.Linear(powers, hidden, bias=spec.bias_before_norm)
        self.norm = BatchNorm(hidden, masked=spec.masked_norm)
        self.linear2 = nn.Linear(hidden, spec.heads, bias=spec.positional.bias)

    def forward(self, walks: Tensor, allowed: Tensor) -> Tensor:
        """Logits [graphs, heads, nodes, nodes].

        What the norm does to a linear map of the walk vectors follows from their few moments, so that it is
        folded into the map and the hidden layer is written once.
        """
        weight, bias = self.linear1.weight, self.linear1.bias
        with torch.autocast(walks.device.type, enabled=False):
            centre, spread, count = self._moments(walks, allowed)
            mean = weight @ centre if bias is None else weight @ centre + bias
            scale, shift = self.norm.of_moments(mean, ((weight @ spread) * weight).sum(1), count)
        shift = shift if bias is None else shift + bias * scale
        hidden = _mapped(walks.flatten(2), weight * scale[:, None], shift).relu()
        return _mapped(hidden, self.linear2.weight, self.linear2.bias).view(len(walks), -1, *walks.shape[2:])

    def _moments(self, walks: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean [powers] and covariance [powers, powers] of the walk vectors that count, and their number."""
        share, count = self.norm.shares(allowed, walks.dtype)
        share = share.view(len(walks), 1, -1)
        vectors = walks.flatten(2)
        centre = (share @ vectors.transpose(1, 2)).sum((0, 1))
        away = vectors - centre[:, None]
        return centre, ((away * share) @ away.transpose(1, 2)).sum(0), count


def _mapped(vectors: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A linear map of [graphs, in, pairs], read where they lie: half the time of einsum, a quarter of matmul."""
    weight = weight.expand(len(vectors), -1, -1)
    return torch.bmm(weight, vectors) if bias is None else torch.baddbmm(bias[:, None], weight, vectors)
