"""GRIT: attention over all pairs of nodes, whose states start as walk vectors and are updated with the nodes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lab.data.batch import Batch, Shape
from lab.spec.models.grit import Grit as Options
from lab.zoo.attention import Pairs
from lab.zoo.ends import Readout, linear_way_in
from lab.zoo.feed_forward import FeedForward
from lab.zoo.grit_attention import Coefficients, GritAttention
from lab.zoo.parts import BatchNorm, dropout, norm
from lab.zoo.taps import Tap
from lab.zoo.walks import simple_graph, walk_stack


class WalkLinear(nn.Linear):
    """A linear map of walk vectors without a bias, uniform by Xavier."""

    def reset_parameters(self) -> None:
        """Draw the weights."""
        nn.init.xavier_uniform_(self.weight)

    def of_pairs(self, walks: Tensor) -> Tensor:
        """[graphs, rows, columns, width] of [graphs, powers, rows, columns], read where they lie."""
        graphs, _, rows, columns = walks.shape
        return (walks.flatten(2).transpose(1, 2) @ self.weight.t()).view(graphs, rows, columns, -1)


class DegreeScaler(Coefficients):
    """Each channel as it is and times the logarithm of the node's degree, mixed."""

    def forward(self, x: Tensor, log_degree: Tensor) -> Tensor:
        """Mix [graphs, nodes, width]."""
        plain, scaled = self.weight.unbind(-1)
        return x * (plain + scaled * log_degree)


class PairPart(nn.Module):
    """How new pair states are handed on: dropout, a linear layer, residual, norm."""

    def __init__(self, spec: Options) -> None:
        super().__init__()
        self.residual = spec.residual
        has_bias = spec.dead_parameters or spec.pair_norm != "batch"
        self.dropout = dropout(spec.dropout)
        self.output = nn.Linear(spec.width, spec.width, bias=has_bias) if spec.pair_output else None
        self.norm = norm(spec.pair_norm, spec.width)

    def forward(self, e: Tensor, state: Tensor, allowed: Tensor) -> Tensor:
        """Update [graphs, rows, columns, width]; pairs that nobody reads are zero."""
        state = self.dropout(state)
        if self.output is not None:
            state = self.output(state)
        y: Tensor = self.norm(e + state if self.residual else state, allowed)
        return y * allowed


class GritLayer(nn.Module):
    """Attention with the degree scaler, then the feed-forward part, each in a residual sum with a norm behind it."""

    def __init__(self, spec: Options, *, is_last: bool) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        has_bias = spec.dead_parameters or spec.norm != "batch"
        hands_on = spec.pair_update and spec.reads_pairs
        self.updates = hands_on and not is_last
        self.attention = GritAttention(spec)
        self.dropout = dropout(spec.dropout)
        self.degree_scaler = DegreeScaler(1, width, 2) if spec.degree_scaler else None
        self.out_projection = nn.Linear(width, width, bias=has_bias)
        self.norm = norm(spec.norm, width)
        self.pair_part = PairPart(spec) if hands_on and (spec.dead_parameters or not is_last) else None
        has_ff = spec.feed_forward == "mlp"
        self.feed_forward = FeedForward(width, spec.dropout, bias=has_bias) if has_ff else None
        self.ff_norm = norm(spec.norm, width) if has_ff else None
        self.block = Tap("block")

    def forward(
        self, x: Tensor, e: Tensor | None, pairs: Pairs, log_degree: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Update nodes [graphs, nodes, width] and pairs [graphs, rows, columns, width]."""
        read, state = self.attention(x, e, pairs)
        read = self.dropout(read)
        if self.degree_scaler is not None:
            read = self.degree_scaler(read, log_degree)
        read = self.out_projection(read)
        x = self.norm(x + read if self.spec.residual else read, mask)
        if self.feed_forward is not None and self.ff_norm is not None:
            told = self.feed_forward(x)
            x = self.ff_norm(x + told if self.spec.residual else told, mask)
        if self.updates and self.pair_part is not None and e is not None and state is not None:
            e = self.pair_part(e, state, pairs.allowed.permute(0, 2, 3, 1))
        return self.block(x), e

    def zero_gradient(self) -> set[str]:
        """What this layer has and cannot learn."""
        before = {"out_projection.bias": self.norm, "feed_forward.linear2.bias": self.ff_norm}
        names = {name for name, behind in before.items() if isinstance(behind, BatchNorm)}
        own = [name for name, _ in self.named_parameters()]
        if self.pair_part is not None:
            dead = "pair_part.output.bias" if self.updates else "pair_part."
            is_dead = not self.updates or isinstance(self.pair_part.norm, BatchNorm)
            names |= {name for name in own if is_dead and name.startswith(dead)}
        return names & set(own)


class Grit(nn.Module):
    """Embedding, walk vectors of nodes and pairs, layers, read-out.

    Pair states are dense: a layer works on graphs x nodes x nodes x width numbers and keeps four times as many for
    the backward pass, 0.54 GB in float32 for 32 graphs padded to 128 nodes at width 64. Walk vectors take another
    `steps` numbers a pair, which for PATTERN are made batch by batch, as they do not fit into memory for all graphs.
    """

    def __init__(self, spec: Options, shape: Shape) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        self.embedding = linear_way_in(shape, width)
        self.node_start = WalkLinear(spec.steps, width, bias=False) if spec.node_encoding else None
        self.pair_start = WalkLinear(spec.steps, width, bias=False) if spec.pair_encoding and spec.reads_pairs else None
        self.edge_start = nn.Embedding(1, width) if spec.edge_embedding and spec.reads_pairs else None
        self.layers = nn.ModuleList(GritLayer(spec, is_last=at == spec.layers - 1) for at in range(spec.layers))
        self.readout = Readout(spec.readout, width, shape)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [graphs, nodes, outputs]."""
        x = self.embedding(batch.x)
        walks = (batch.extra or self.prepare(batch)).get("walks")
        if self.node_start is not None and walks is not None:
            x = x + self.node_start(walks.diagonal(dim1=-2, dim2=-1).transpose(1, 2))
        edges = batch.adjacency.transpose(1, 2).to(x.dtype)[..., None]
        pairs = self._pairs(batch, edges)
        e = self._start(walks, edges)
        log_degree = simple_graph(batch.adjacency, x.dtype).sum(-1, keepdim=True).log1p()
        for layer in self.layers:
            x, e = layer(x, e, pairs, log_degree, batch.mask)
        logits: Tensor = self.readout(x)
        return logits

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """`walks` [graphs, steps, nodes, nodes]: the chance to be at column after 0, 1, ... steps from row."""
        if self.node_start is None and self.pair_start is None:
            return {}
        with torch.no_grad(), torch.autocast(batch.x.device.type, enabled=False):
            dtype = self.readout.last.weight.dtype
            return {"walks": walk_stack(batch.adjacency, batch.mask, range(self.spec.steps), dtype)}

    def _start(self, walks: Tensor | None, edges: Tensor) -> Tensor | None:
        told = []
        if self.pair_start is not None and walks is not None:
            told.append(self.pair_start.of_pairs(walks))
        if self.edge_start is not None:
            told.append((edges > 0).to(edges.dtype) * self.edge_start.weight)
        return told[0] + told[1] if len(told) > 1 else next(iter(told), None)

    def _pairs(self, batch: Batch, edges: Tensor) -> Pairs:
        real = batch.mask.to(edges.dtype)
        allowed = real[:, :, None] * real[:, None, :]
        if self.spec.reach == "edges":
            joined = (edges.squeeze(-1) > 0) | torch.eye(edges.shape[1], dtype=torch.bool, device=edges.device)
            allowed = allowed * joined
        return Pairs.of(allowed[:, None], "infinite")

    def zero_gradient(self) -> set[str]:
        """Names of parameters whose gradient is zero by construction."""
        spec = self.spec
        only_shifts = not (spec.reads_pairs or spec.degree_scaler or spec.dropout or spec.attention_dropout)
        shift = self._shifts() if only_shifts and spec.norm == "batch" else set()
        return shift | {f"layers.{at}.{name}" for at, layer in enumerate(self.layers) for name in layer.zero_gradient()}  # type: ignore[operator]

    def _shifts(self) -> set[str]:
        """The parameters that move all nodes alike on their way into a layer, whose batch norm takes that back."""
        last = "norm" if self.spec.feed_forward == "none" else "ff_norm"
        return {"embedding.bias", *(f"layers.{at}.{last}.bias" for at in range(self.spec.layers - 1))}
