"""The attention of GRIT: logits from states of the pairs, which nodes read besides values and which learn in turn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lab.spec.models.grit import Grit as Options
from lab.zoo.attention import Normaliser, Pairs
from lab.zoo.parts import dropout
from lab.zoo.portions import portions
from lab.zoo.taps import Tap


class PairState(torch.autograd.Function):
    """(reader + read) * scale, its signed root, + shift, ReLU, pair by pair, in one step that keeps two pair tensors.

    Where the product is 0 the root's slope counts as 0, as in a difference of two roots of ReLUs.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(reader: Tensor, read: Tensor, scale: Tensor, shift: Tensor, root: bool, relu: bool) -> Tensor:
        """The new states [graphs, rows, columns, width]."""
        state = torch.empty_like(scale)
        for part in portions(scale):
            product = (reader[part, :, None] + read[part, None]) * scale[part]
            y = (product.abs().sqrt().copysign(product) if root else product) + shift[part]
            state[part] = y.relu() if relu else y
        return state

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Keep what the backward pass reads; the product is made anew."""
        reader, read, scale, _, ctx.root, ctx.relu = inputs
        ctx.save_for_backward(reader, read, scale, output)

    @staticmethod
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of both nodes' parts, the scale and the shift."""
        reader, read, scale, state = ctx.saved_tensors
        to_scale, to_shift = torch.empty_like(scale), torch.empty_like(scale) if ctx.relu else above
        to_reader, to_read = [], []
        for part in portions(scale):
            both = reader[part, :, None] + read[part, None]
            to_y = above[part]
            if ctx.relu:
                to_y = to_shift[part] = to_y * (state[part] > 0)
            to_product = to_y * _slope(both * scale[part]) if ctx.root else to_y
            to_scale[part] = to_product * both
            to_both = to_product * scale[part]
            to_reader.append(to_both.sum(2))
            to_read.append(to_both.sum(1))
        return torch.cat(to_reader), torch.cat(to_read), to_scale, to_shift, None, None


def _slope(product: Tensor) -> Tensor:
    """Of the signed root."""
    size = product.abs()
    slope = size.clamp(min=torch.finfo(size.dtype).tiny).rsqrt()
    return slope.mul(0.5) * size.sign()


class XavierLinear(nn.Linear):
    """A linear layer drawn from a normal distribution by the sum of its ends; its bias as torch draws it."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        super().reset_parameters()
        nn.init.xavier_normal_(self.weight)


class Coefficients(nn.Module):
    """A tensor of weights drawn from a normal distribution by its last two axes and its first."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.xavier_normal_(self.weight)


class HeadLogits(Coefficients):
    """One logit a head, from the head's own channels of a pair state."""

    def forward(self, state: Tensor) -> Tensor:
        """Logits [graphs, heads, rows, columns], by one matrix whose blocks are the heads' weights."""
        size, heads, _ = self.weight.shape
        own = torch.eye(heads, dtype=self.weight.dtype, device=self.weight.device)
        blocks = (own[:, None, :] * self.weight.squeeze(-1)).reshape(heads * size, heads)
        return (state @ blocks).permute(0, 3, 1, 2)


class PairValues(Coefficients):
    """What nodes read of pair states: their weighted sum, mapped head by head."""

    def forward(self, weights: Tensor, state: Tensor) -> Tensor:
        """[graphs, nodes, heads, size]; every head sums all channels at first, as one matrix product does it."""
        size, heads, _ = self.weight.shape
        sums = weights.transpose(1, 2) @ state
        own = sums.view(*sums.shape[:3], heads, size).diagonal(dim1=2, dim2=3)  # [graphs, nodes, size, heads]
        return torch.einsum("gndh,dhc->gnhc", own, self.weight)


class GritAttention(nn.Module):
    """Heads that weigh what they may read by the states of the pairs, and hand new states on."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.spec = spec
        width, size = spec.width, spec.width // spec.heads
        learned, reads_pairs = spec.attention == "learned", spec.reads_pairs
        self.value = XavierLinear(width, width, bias=False)
        self.query = XavierLinear(width, width) if reads_pairs else None
        self.key = XavierLinear(width, width, bias=False) if reads_pairs else None
        self.pair = XavierLinear(width, 2 * width) if reads_pairs else None
        self.logits = HeadLogits(size, spec.heads, 1) if learned else None
        self.normaliser = Normaliser("softmax", "infinite") if learned else None
        self.pair_values = PairValues(size, spec.heads, size) if spec.pair_values else None
        self.tap = Tap("attention")
        self.dropout = dropout(spec.attention_dropout)

    def forward(self, x: Tensor, e: Tensor | None, pairs: Pairs) -> tuple[Tensor, Tensor | None]:
        """What the nodes read, [graphs, nodes, width], and the new states of the pairs."""
        state = self._state(x, e)
        weights = self.dropout(self.tap(self._weights(state, pairs), pairs.allowed))
        values = self.value(x).unflatten(-1, (self.spec.heads, -1)).transpose(1, 2)
        read = (weights @ values).transpose(1, 2)
        if self.pair_values is not None and state is not None:
            read = read + self.pair_values(weights, state)
        return read.flatten(2), state

    def _state(self, x: Tensor, e: Tensor | None) -> Tensor | None:
        if e is None or self.query is None or self.key is None or self.pair is None:
            return None
        width = self.spec.width
        weight, bias = self.pair.weight, self.pair.bias
        scale, shift = linear(e, weight[:width], bias[:width]), linear(e, weight[width:], bias[width:])
        state: Tensor = PairState.apply(  # type: ignore[no-untyped-call]
            self.query(x), self.key(x), scale, shift, self.spec.signed_root, self.spec.pair_relu
        )
        return state

    def _weights(self, state: Tensor | None, pairs: Pairs) -> Tensor:
        if self.logits is None or self.normaliser is None or state is None:
            counted = pairs.allowed / pairs.allowed.sum(-1, keepdim=True).clamp(min=1)
            return counted.expand(-1, self.spec.heads, -1, -1)
        logits = self.logits(state)
        if self.spec.clamp is not None:
            logits = logits.clamp(-self.spec.clamp, self.spec.clamp)
        weights: Tensor = self.normaliser(logits, pairs.allowed, pairs.fill)
        return weights
