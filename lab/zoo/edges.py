"""The edges of a batch in two forms that mean the same: dense, as pairs of nodes, or as a list."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from lab.data.batch import Batch
from lab.zoo.portions import portions


class Edges(ABC):
    """Where edges are and what passes along them; states of edges are [graphs, rows, columns, ...] or [edges, ...].

    Elements of edge states are met in another order in either form, so that dropout draws other ones.
    """

    counts: Tensor
    """[graphs, rows, columns, 1] or [edges, 1]: how many edges lead from column to row."""

    def __init__(self, batch: Batch, dtype: torch.dtype) -> None:
        self.matrix = batch.adjacency.transpose(1, 2).to(dtype)
        """[graphs, rows, columns]: the counts, for sums that read no state."""

    @staticmethod
    def of(batch: Batch, dtype: torch.dtype) -> Edges:
        """A list on a CPU, where time goes by the number; else dense, as the length of a list must be waited for."""
        eager = batch.adjacency.device.type == "cpu" and not torch.compiler.is_compiling()
        return ListedEdges(batch, dtype) if eager else DenseEdges(batch, dtype)

    @abstractmethod
    def add_ends(self, states: Tensor | None, reader: Tensor, read: Tensor) -> Tensor:
        """States to which both ends have added their part [graphs, nodes, width], in place."""

    @abstractmethod
    def gated(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """What each node hears through sigmoid gates, and the sum of its gates, [graphs, nodes, width]."""

    @abstractmethod
    def dense(self, states: Tensor) -> Tensor:
        """States as [graphs, channels, rows, columns], zero or without meaning where there is no edge."""


class DenseEdges(Edges):
    """Edges as pairs of nodes, most of which may be none."""

    def __init__(self, batch: Batch, dtype: torch.dtype) -> None:
        super().__init__(batch, dtype)
        self.counts = self.matrix[..., None]

    def add_ends(self, states: Tensor | None, reader: Tensor, read: Tensor) -> Tensor:
        """By rows and by columns."""
        if states is None:
            return reader[:, :, None] + read[:, None]
        states.add_(reader[:, :, None])
        states.add_(read[:, None])
        return states

    def gated(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over columns."""
        found: tuple[Tensor, Tensor] = DenseGatedSum.apply(logits, values, self.counts)  # type: ignore[no-untyped-call]
        return found

    def dense(self, states: Tensor) -> Tensor:
        """Channels first."""
        return states.permute(0, 3, 1, 2)


class ListedEdges(Edges):
    """Edges as a list, in the order of graphs, readers and those read."""

    def __init__(self, batch: Batch, dtype: torch.dtype) -> None:
        super().__init__(batch, dtype)
        nodes = batch.mask.shape[1]
        self.at = graph, row, column = self.matrix.nonzero(as_tuple=True)
        self.reader, self.read = graph * nodes + row, graph * nodes + column
        self.counts = self.matrix[self.at][:, None]

    def add_ends(self, states: Tensor | None, reader: Tensor, read: Tensor) -> Tensor:
        """Looked up by edge."""
        by_reader = reader.flatten(0, 1).index_select(0, self.reader)
        states = by_reader if states is None else states.add_(by_reader)
        return states.add_(read.flatten(0, 1).index_select(0, self.read))

    def gated(self, logits: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over the edges of each reader."""
        flat = values.flatten(0, 1)
        sums, totals = ListedGatedSum.apply(logits, flat, self.counts, self.reader, self.read)  # type: ignore[no-untyped-call]
        return sums.view_as(values), totals.view_as(values)

    def dense(self, states: Tensor) -> Tensor:
        """Put where they belong."""
        whole = states.new_zeros(*self.matrix.shape, states.shape[-1])
        return whole.index_put(self.at, states).permute(0, 3, 1, 2)


class DenseGatedSum(torch.autograd.Function):
    """What each row hears of its columns through sigmoid gates; the gates are made anew on the way back, not kept.

    Sums are taken in the precision of the counts, also where logits and values have a lower one.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, values: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """The gated sum of values [graphs, nodes, width] and the sum of the gates, both by row."""
        sums, totals = [], []
        for part in portions(logits):
            gates = logits[part].sigmoid().to(counts.dtype).mul_(counts[part])
            totals.append(gates.sum(2))
            sums.append(gates.mul_(values[part, None]).sum(2))
        return torch.cat(sums), torch.cat(totals)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what the backward pass reads."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, to_sum: Tensor, to_total: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of logits and values."""
        logits, values, counts = ctx.saved_tensors
        to_logits, to_values = torch.empty_like(logits), []
        for part in portions(logits):
            share, above = logits[part].sigmoid(), to_sum[part, :, None]
            gates = share * counts[part]
            to_values.append((gates * above).sum(1))
            to_gates = torch.addcmul(to_total[part, :, None], above, values[part, None])
            to_logits[part] = to_gates * (gates - gates * share)
        return to_logits, torch.cat(to_values), None


class ListedGatedSum(torch.autograd.Function):
    """The same over a list of edges, whose ends are numbers of nodes."""

    generate_vmap_rule = True

    @staticmethod
    def forward(logits: Tensor, values: Tensor, counts: Tensor, reader: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        """The gated sum of values [nodes, width] and the sum of the gates, both by reader."""
        sums, totals = (logits.new_zeros(values.shape, dtype=counts.dtype) for _ in range(2))
        for part in portions(logits):
            gates = logits[part].sigmoid().to(counts.dtype).mul_(counts[part])
            totals.index_add_(0, reader[part], gates)
            sums.index_add_(0, reader[part], gates.mul_(values.index_select(0, read[part])))
        return sums, totals

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep what the backward pass reads."""
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, to_sum: Tensor, to_total: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of logits and values."""
        logits, values, counts, reader, read = ctx.saved_tensors
        to_logits, to_values = torch.empty_like(logits), logits.new_zeros(values.shape, dtype=counts.dtype)
        for part in portions(logits):
            share, above = logits[part].sigmoid(), to_sum.index_select(0, reader[part])
            gates = share * counts[part]
            to_values.index_add_(0, read[part], gates * above)
            total = to_total.index_select(0, reader[part])
            to_gates = torch.addcmul(total, above, values.index_select(0, read[part]))
            to_logits[part] = to_gates * (gates - gates * share)
        return to_logits, to_values, None, None, None
